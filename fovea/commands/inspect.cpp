#include "fovea/commands/inspect.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <set>

#include "fovea/base/counted.h"
#include "fovea/base/parallel.h"
#include "fovea/commands/inspect_page.h"
#include "fovea/image/codec.h"
#include "fovea/insight/layer_activity.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/model/not_finite.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/input.h"
#include "fovea/report/page.h"
#include "fovea/report/table.h"

namespace fovea {

OptionList describe(InspectOptions& o) {
  const OptionList model = describe(o.model);
  return OptionList{model[0],
                    {"IMAGE", "", "the picture", &o.image, true},
                    {"-o,--output", "DIR", "the folder for the page and the files behind it", &o.output, true},
                    {"--layer", "NAME", "show this layer's strongest maps too (may be repeated)", &o.layers},
                    {"--top", "N", "guesses", &o.top, false, {}, 1, 100},
                    {"--maps", "N", "feature maps a stage", &o.maps, false, {}, 1, 256}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

namespace {

// Stages that the user asked for by name, after those found.
void add_layers(const Model& model, const std::vector<std::string>& layers, std::vector<Stage>& stages) {
  const auto fields = receptive_fields(model.graph, picture_input(model));
  for (const std::string& name : layers) {
    const int node = find_layer(model, name).node;
    const Shape& s = model.graph.node(node).outputs[0].shape;
    require(s.rank() == 4 && !fields[static_cast<size_t>(node)].empty(), ErrorKind::usage,
            "layer \"{}\" is {}: it has no feature maps", name, to_string(s));
    const bool known =
        std::any_of(stages.begin(), stages.end(), [&](const Stage& stage) { return stage.node == node; });
    if (!known) stages.push_back({node, name, s[1], s[2], s[3], fields[static_cast<size_t>(node)], false});
  }
}

// Of every weight that is no vector, in the order in which the graph uses them.
std::vector<WeightStatistics> weights_in_order(const Model& model) {
  std::vector<WeightStatistics> result;
  std::set<int> seen;
  for (const Node& node : model.graph.nodes())
    for (const Value v : node.inputs) {
      if (!v || !seen.insert(v.node).second) continue;
      const std::string& name = model.graph.node(v).name;
      const auto found = model.graph.node(v).op == &ops::parameter ? model.weights.find(name) : model.weights.end();
      if (found == model.weights.end() || found->second.rank() < 2 || !is_float(found->second.dtype())) continue;
      result.push_back(statistics_of(name, found->second));
    }
  return result;
}

// Files appear in the folder all together or, when one cannot be written (a full disk), not at all: they are written
// into a folder beside it and moved.
std::vector<std::filesystem::path> write_whole(const Model& model, const Inspection& result,
                                               const std::string& picture_name, const std::filesystem::path& folder,
                                               const std::string& json) {
  namespace fs = std::filesystem;
  std::error_code ignored;
  const bool new_folder = !fs::exists(folder, ignored);
  make_folder(folder);
  const fs::path staging = folder / fmt::format(".{}.tmp", ::getpid());
  try {
    make_folder(staging);
    std::vector<fs::path> files = write_inspection(model, result, picture_name, staging, json);
    for (fs::path& file : files) {
      const fs::path place = folder / file.filename();
      std::error_code error;
      fs::rename(file, place, error);
      require(!error, ErrorKind::io, "cannot write {}: {}", place.string(), error.message());
      file = place;
    }
    fs::remove_all(staging, ignored);
    return files;
  } catch (const Error& e) {
    fs::remove_all(staging, ignored);
    if (new_folder) fs::remove(folder, ignored);
    std::string message = e.message();
    const std::string inner = staging.string();
    if (const size_t at = message.find(inner); at != message.npos) message.replace(at, inner.size(), folder.string());
    throw Error(e.kind(), message);
  }
}

std::vector<Guess> guesses_of(const Model& model, const Tensor& scores, int64_t count) {
  const std::vector<double> row = scores.to_doubles();
  require(std::all_of(row.begin(), row.end(), [](double s) { return std::isfinite(s); }), ErrorKind::usage,
          "the network's scores for this picture are not finite: {}", why_not_finite(model));
  return best_guesses(scores, model.meaning, count);
}

// Which pixels and places speak for the best guess.
void add_saliency(const Context& context, const Model& model, const Engine& engine, const Tensor& pixels,
                  Inspection& result) {
  AttributionNetwork network(model, *engine.backend, engine.compile_options);
  try {
    result.saliency = gradient_map(network, pixels, result.guesses[0].index, context).values;
    result.smooth_saliency = smooth_gradient(network, pixels, result.guesses[0].index, context).values;
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::unsupported) throw;
    result.no_saliency = e.message();
    context.note("no saliency map: " + e.message());
  }
  try {
    result.class_map = gradient_weighted_map(network, CamWeights::grad_cam, pixels, result.guesses[0].index, context);
  } catch (const Error& e) {
    // Fully connected networks have no maps to weigh.
    if (e.kind() != ErrorKind::unsupported && e.kind() != ErrorKind::usage) throw;
    if (context.cancelled()) throw;
  }
}

}  // namespace

static Inspection inspect(const Context& context, const Model& model, const Image& picture,
                          const InspectOptions& options) {
  int64_t done = 0;
  const auto tell = [&](std::string_view detail) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    context.report({"inspecting", done++, 7, detail});
  };
  Inspection result;
  const Value input = picture_input(model), output = last_output(model);
  const bool scored = !model.meaning.scores.empty();
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  result.picture = fit_picture(picture, *model.meaning.preprocess);
  const Tensor pixels = normalise(result.picture, *model.meaning.preprocess);
  const int64_t height = result.picture.height(), width = result.picture.width();
  const Engine engine(options.engine);

  tell("feature maps");
  result.statistics = statistics_of(model);
  std::vector<Stage> stages = stages_of(model, 8);
  add_layers(model, options.layers, stages);
  std::vector<Value> wants = {output};
  for (const Stage& stage : stages) wants.push_back({stage.node, 0});
  {
    Program program = engine.compile(model, wants);
    const std::vector<Tensor> values = program.run({{model.graph.node(input).name, pixels}});
    if (scored) result.guesses = guesses_of(model, values[0], options.top);
    for (size_t k = 0; k < stages.size(); ++k) {
      StageView view{stages[k], strongest_maps(stages[k], values[k + 1], options.maps, height, width), {}};
      if (stages[k].classes && static_cast<int64_t>(model.meaning.classes.size()) == stages[k].channels)
        for (const FeatureMap& map : view.maps) view.names.push_back(class_name(model.meaning.classes, map.unit));
      result.stages.push_back(std::move(view));
    }
  }
  tell("first layer");
  result.first = first_layer(model);
  if (result.first) result.filters = filter_images(*result.first, model.meaning.preprocess->colour);

  tell("saliency");
  if (scored) add_saliency(context, model, engine, pixels, result);
  else result.no_saliency = "the network scores no classes";
  tell("dead units");
  result.activity = unit_activity(model, probes(pixels, context.seed), *engine.backend, engine.compile_options);
  tell("weights");
  result.weights = weights_in_order(model);
  tell("timing");
  Program plain = engine.compile(model, std::vector<Value>{output});
  Tensor place = plain.input(model.graph.node(input).name);
  std::memcpy(place.raw(), pixels.raw(), pixels.bytes());
  plain.execute();
  plain.profile(9);
  result.steps = plain.steps();
  result.memory = plain.memory();
  result.plan = std::string(engine.backend->fingerprint());
  context.report({"inspecting", 7, 7, ""});
  return result;
}

Report run(const Context& context, const InspectOptions& options) {
  require_file(options.image, "a picture");
  require_writable_folder(options.output);
  const Model model = open(context, options.model);
  const Image picture = read_image(options.image);
  return inspect_to_folder(context, model, picture, std::filesystem::path(options.image).filename().string(), options);
}

Report inspect_to_folder(const Context& context, const Model& model, const Image& picture,
                         const std::string& picture_name, const InspectOptions& options) {
  const Inspection result = inspect(context, model, picture, options);
  if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
  Report report;
  const nlohmann::ordered_json json = inspection_json(model, result, picture_name);
  writing([&] { report.files = write_whole(model, result, picture_name, options.output, json_text(json)); });
  double seconds = 0;
  for (const StepInfo& s : result.steps) seconds += s.seconds;
  const std::string guess = result.guesses.empty()
                                ? "no classes to guess"
                                : fmt::format("{} ({:.1f} %)", coloured(printable(result.guesses[0].name), Ink::bold),
                                              result.guesses[0].probability * 100);
  report.text = fmt::format("{}: {}, {} a run on {}\n", printable(picture_name), guess, short_time(seconds),
                            counted(thread_count(), "thread"));
  report.text += fmt::format("the page: {}\n",
                             coloured((std::filesystem::path(options.output) / "index.html").string(), Ink::cyan));
  nlohmann::ordered_json shown = json;
  shown["page"] = (std::filesystem::path(options.output) / "index.html").string();
  report.set_json(shown);
  return report;
}

Command inspect_command() {
  return make_command<InspectOptions>(
      "inspect", "one page that shows what a network sees in a picture, and what is inside it",
      "Writes a self-contained HTML page and the files behind it: the picture and its guesses, the network as a graph, "
      "the first layer's "
      "filters, for every stage the strongest feature maps with the part of the picture that they see, saliency maps "
      "and Grad-CAM, "
      "dead units, weight "
      "statistics, and the time and memory of every layer. A network that scores no classes gets the page without "
      "guesses "
      "and saliency.",
      {{"fovea inspect model.onnx cat.jpg -o cat", "then open cat/index.html"},
       {"fovea inspect model.onnx cat.jpg -o cat --layer fire5/concat --maps 24", "more maps, and one more layer"}},
      run);
}

}  // namespace fovea
