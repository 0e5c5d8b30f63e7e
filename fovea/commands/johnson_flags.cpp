// Source: the options of neural_style.lua, jcjohnson/neural-style, and what it does with them.
#include "fovea/commands/johnson_flags.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/commands/picture_run.h"

namespace fovea {

namespace {

// What becomes of a flag: the option it is called here; an empty name: said in `ignored`, or treated by itself.
struct Flag {
  std::string option;
  std::string ignored = {};
};

const std::map<std::string, Flag>& flags() {
  static const std::map<std::string, Flag> table = {
      {"style_image", {}},
      {"style_blend_weights", {"--style-weights"}},
      {"content_image", {}},
      {"output_image", {"--output"}},
      {"image_size", {"--size"}},
      {"num_iterations", {"--steps"}},
      {"learning_rate", {}},
      {"seed", {}},
      {"init", {}},
      {"init_image", {}},
      {"normalize_gradients", {}},
      {"lbfgs_num_correction", {}},
      {"optimizer", {"--optimiser"}},
      {"content_weight", {"--content-weight"}},
      {"style_weight", {"--style-weight"}},
      {"style_scale", {"--style-scale"}},
      {"tv_weight", {"--tv-weight"}},
      {"original_colors", {}},
      {"pooling", {}},
      {"content_layers", {"--content-layers"}},
      {"style_layers", {"--style-layers"}},
      {"save_iter", {"--save-every"}},
      {"proto_file", {"--prototxt"}},
      {"model_file", {"--model"}},
      {"print_iter", {"", "progress is always shown"}},
      {"gpu", {"", "the work is done on the processor"}},
      {"multigpu_strategy", {"", "the work is done on the processor"}},
      {"backend", {"", "the work is done on the processor"}},
      {"cudnn_autotune", {"", "see --tune"}},
  };
  return table;
}

// The tool's name of a flag, if it looks like one: "-style_image", "--style_image"; empty otherwise.
std::string flag_name(const std::string& argument) {
  const size_t dashes = argument.starts_with("--") ? 2 : argument.starts_with("-") ? 1 : 0;
  if (dashes == 0) return "";
  const std::string name = argument.substr(dashes, argument.find('=') - dashes);
  if (dashes == 1 && name.size() > 1 && std::isalpha(static_cast<unsigned char>(name[0])) &&
      (name.find('_') != name.npos || flags().contains(name)))
    return name;
  return name.find('_') != name.npos && flags().contains(name) ? name : "";
}

bool is_zero(const std::string& value) {
  const std::vector<double> numbers = parse_numbers(value, "the flag's value");
  return numbers.size() == 1 && numbers[0] == 0;
}

struct Collected {
  std::map<std::string, std::string> values;
  std::vector<std::string> others;
};

Collected collect(const std::vector<std::string>& arguments) {
  Collected result;
  for (size_t i = 0; i < arguments.size(); ++i) {
    const std::string name = flag_name(arguments[i]);
    if (name.empty()) {
      result.others.push_back(arguments[i]);
      continue;
    }
    std::vector<std::string> known;
    for (const auto& [flag, what] : flags()) known.push_back(flag);
    require(flags().contains(name), ErrorKind::usage, "unknown option -{}{}", name, did_you_mean(name, known));
    const size_t equals = arguments[i].find('=');
    if (equals == std::string::npos) require(i + 1 < arguments.size(), ErrorKind::usage, "-{} needs a value", name);
    result.values[name] = equals != std::string::npos ? arguments[i].substr(equals + 1) : arguments[++i];
  }
  return result;
}

// The flags that one option here does not stand for.
void special(const std::map<std::string, std::string>& values, OwnArguments& result) {
  const auto value = [&](const char* name, const char* otherwise) {
    const auto found = values.find(name);
    return found == values.end() ? std::string(otherwise) : found->second;
  };
  auto& out = result.arguments;
  const std::string init = value("init", "random"), image = value("init_image", "");
  require(init == "random" || init == "image", ErrorKind::usage, "-init {}: expected random or image", init);
  if (init == "image") out.insert(out.end(), {"--start", image.empty() ? "content" : image});
  else if (!image.empty()) result.notes.push_back("-init_image is used with -init image only, as in that tool");
  const std::string gradients = value("normalize_gradients", "0");
  if (gradients == "true" || !is_zero(gradients == "false" ? "0" : gradients)) {
    require(gradients == "true" || parse_numbers(gradients, "-normalize_gradients")[0] == 1, ErrorKind::unsupported,
            "-normalize_gradients {}: fovea knows 0 and 1, not powers between them", gradients);
    out.push_back("--normalise-gradients");
  }
  if (const std::string pairs = value("lbfgs_num_correction", "0"); !is_zero(pairs))
    out.insert(out.end(), {"--history", pairs});
  if (const std::string seed = value("seed", "-1"); !seed.starts_with("-")) out.insert(out.end(), {"--seed", seed});
  if (!is_zero(value("original_colors", "0"))) out.insert(out.end(), {"--colours", "luminance"});
  const std::string pooling = value("pooling", "max");
  require(pooling == "max" || pooling == "avg", ErrorKind::usage, "-pooling {}: expected max or avg", pooling);
  if (pooling == "avg") out.insert(out.end(), {"--pooling", "average"});
  if (const std::string rate = value("learning_rate", ""); !rate.empty()) {
    if (value("optimizer", "lbfgs") == "adam") out.insert(out.end(), {"--rate", rate});
    else result.notes.push_back("-learning_rate is used with -optimizer adam only, as in that tool");
  }
}

}  // namespace

bool has_johnson_flags(const std::vector<std::string>& arguments) {
  return std::any_of(arguments.begin(), arguments.end(),
                     [](const std::string& a) { return flags().contains(flag_name(a)) && !flag_name(a).empty(); });
}

OwnArguments without_johnson_flags(const std::vector<std::string>& arguments) {
  const Collected given = collect(arguments);
  OwnArguments result;
  auto& out = result.arguments;
  if (const auto content = given.values.find("content_image"); content != given.values.end())
    out.push_back(content->second);
  if (const auto style = given.values.find("style_image"); style != given.values.end())
    for (const std::string& file : parse_names(style->second)) out.push_back(file);
  out.insert(out.end(), given.others.begin(), given.others.end());
  const auto has = [&](const std::string& option, const std::string& other = "--") {
    return std::any_of(given.others.begin(), given.others.end(),
                       [&](const std::string& a) { return a == option || a == other || a.starts_with(option + "="); });
  };
  if (!has("--preset")) out.insert(out.end(), {"--preset", "johnson"});
  for (const auto& [name, value] : given.values) {
    const Flag& flag = flags().at(name);
    if (!flag.option.empty()) out.insert(out.end(), {flag.option, value});
    if (!flag.ignored.empty()) result.notes.push_back(fmt::format("-{} has no effect: {}", name, flag.ignored));
  }
  if (!given.values.contains("output_image") && !has("--output", "-o")) out.insert(out.end(), {"--output", "out.png"});
  if (!given.values.contains("save_iter") && !has("--save-every")) out.insert(out.end(), {"--save-every", "100"});
  special(given.values, result);
  return result;
}

}  // namespace fovea
