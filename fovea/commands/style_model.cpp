#include "fovea/commands/style_model.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "fovea/data/checksum.h"
#include "fovea/data/fetched.h"
#include "fovea/image/codec.h"
#include "fovea/insight/preimage.h"
#include "fovea/model/random_filters.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

constexpr const char* kRandom = "random-filters";

// VGG-19 on this machine; empty: it is not here.
std::string find_vgg() {
  // The weights of the paper first, which those works used; torchvision's own after them.
  if (const auto found = find_fetched("vgg19_caffe")) return found->string();
  if (const char* data = std::getenv("FOVEA_DATA")) {
    const fs::path file = fs::path(data) / "weights/vgg19_conv/vgg19_conv_f16_u8.safetensors.xz";
    std::error_code error;
    if (fs::is_regular_file(file, error)) return file.string();
  }
  if (const auto found = find_fetched("vgg19")) return found->string();
  return "";
}

}  // namespace

OptionList describe_style_model(ModelOptions& o) {
  OptionList list = {
      {"--model", "NAME",
       "the network: a file, a name of the zoo, builtin:cifar10, or random-filters; else VGG-19 where it "
       "is at hand",
       &o.model}};
  static constexpr std::array<std::string_view, 5> kKept = {"--weights", "--arch", "--prototxt", "--preprocess",
                                                            "--mean"};
  for (Option& option : describe(o)) {
    const std::string name = option.positional() ? "" : long_name(option);
    if (std::find(kKept.begin(), kKept.end(), name) != kKept.end()) list.push_back(std::move(option));
  }
  return list;
}

Model style_model(const Context& context, const ModelOptions& options) {
  ModelOptions o = options;
  if (o.model.empty()) {
    o.model = find_vgg();
    if (!o.model.empty()) {
      context.note(fmt::format("the network: VGG-19, {}", o.model));
    } else {
      o.model = kRandom;
      context.note(
          "VGG-19 is not at hand, so random filters stand in for it: they carry colours and textures, but know nothing "
          "of things and their parts. For better pictures: fovea fetch vgg19 (548 MiB, once), then the same command");
    }
  }
  if (o.model == kRandom) return random_filters(context.seed);
  Context quiet = context;  // classes do not matter here
  return open(quiet, o);
}

size_t memory_limit(const std::string& text, const std::string& resume, const std::string& plan) {
  if (!text.empty()) return parse_memory(text);
  if (!plan.empty()) return 0;
  if (!resume.empty())
    if (const size_t before = plans_of_state(resume).memory; before > 0) return before;
  return available_memory() / 10 * 7 >> 20 << 20;
}

void require_room(size_t limit, size_t need, const std::string& size) {
  const size_t free = available_memory();
  if (limit > 0 || free == 0 || need <= free) return;
  fail(ErrorKind::usage,
       "the picture was made in one piece: at {} that takes about {} of memory, and {} is free now. In tiles its last "
       "bits would be others, so it is not made again; close other programs, or run its command with --memory for a "
       "picture that looks the same",
       size, short_bytes(static_cast<double>(need)), short_bytes(static_cast<double>(free)));
}

std::string memory_text(size_t limit) { return fmt::format("{}M", limit >> 20); }

Image read_picture(const Context& context, const std::string& file, const std::string& what) {
  require_file(file, what);
  Image image = read_image(file);
  if (image.has_alpha()) context.note(fmt::format("{}: its transparency is ignored", file));
  return image;
}

std::vector<std::string> plans_for(const std::string& plan, const std::string& resume) {
  if (resume.empty()) return plans_to_follow(plan);
  require_file(resume, "the state of a picture, OUT.state");
  return plans_of_state(resume).follow;
}

std::string settings_text(const std::vector<std::string>& command, const std::vector<std::string>& files) {
  std::string text = "  " + shell_line(command) + "\n";
  for (const std::string& file : files) {
    std::error_code error;
    if (file.empty() || !fs::is_regular_file(file, error)) continue;
    text += fmt::format("  {} {}\n", fs::path(file).filename().string(), digest_of(file).sha256());
  }
  return text;
}

void write_recorded(const std::string& file, const Image& picture, PictureRecord record,
                    const std::vector<std::string>& plans, const std::string& caption, const std::string& unfinished) {
  if (!plans.empty()) record.plans = plans;
  writing([&] {
    write_image(file, picture,
                unfinished.empty() ? record_text(record, caption)
                                   : TextPairs{{"Description", fmt::format("{}, {}", caption, unfinished)}});
  });
}

nlohmann::ordered_json run_json(const PictureRunResult& result, const PictureSynthesis& synthesis) {
  using Json = nlohmann::ordered_json;
  Json stages = Json::array();
  const auto number = [](double v) { return std::isfinite(v) ? Json(v) : Json(nullptr); };
  for (size_t k = 0; k < synthesis.stages().size(); ++k) {
    const SynthesisStage& s = synthesis.stages()[k];
    Json stage = {{"width", s.width}, {"height", s.height}, {"steps", s.steps}};
    if (k < result.totals.size() && !result.totals[k].empty()) {
      stage["seconds_a_step"] = result.step_seconds[k];
      Json losses = Json::array();
      for (const double v : result.totals[k]) losses.push_back(number(v));
      stage["loss"] = losses;
      Json terms = Json::object();
      for (size_t t = 0; t < result.terms[k].size(); ++t) terms[result.names[t]] = number(result.terms[k][t].back());
      stage["terms_at_end"] = terms;
    }
    stages.push_back(std::move(stage));
  }
  Json json = {{"steps", synthesis.done()},
               {"finished", result.finished},
               {"evaluations", synthesis.evaluations()},
               {"seconds", result.seconds},
               {"stages", stages},
               {"pictures_on_the_way", result.files}};
  if (!result.trouble.empty()) json["trouble"] = result.trouble;
  return json;
}

}  // namespace fovea
