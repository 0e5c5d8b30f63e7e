#include "fovea/commands/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fovea/base/parallel.h"
#include "fovea/commands/inspect_page.h"
#include "fovea/image/codec.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
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
    const int node = model.graph.find(name);
    if (node < 0) {
      std::vector<std::string> names;
      for (const Node& n : model.graph.nodes()) names.push_back(n.name);
      fail(ErrorKind::usage, "there is no layer \"{}\"{}", name, did_you_mean(name, names));
    }
    const Shape& s = model.graph.node(node).outputs[0].shape;
    require(s.rank() == 4 && !fields[static_cast<size_t>(node)].empty(), ErrorKind::usage,
            "layer \"{}\" is {}: it has no feature maps", name, to_string(s));
    const bool known =
        std::any_of(stages.begin(), stages.end(), [&](const Stage& stage) { return stage.node == node; });
    if (!known) stages.push_back({node, name, s[1], s[2], s[3], fields[static_cast<size_t>(node)], false});
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
  const Value input = picture_input(model), scores = scores_output(model);
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  result.picture = fit_picture(picture, *model.meaning.preprocess);
  const Tensor pixels = normalise(result.picture, *model.meaning.preprocess);
  const int64_t height = result.picture.height(), width = result.picture.width();
  const Engine engine(options.engine);

  tell("feature maps");
  result.statistics = statistics_of(model);
  std::vector<Stage> stages = find_stages(model);
  add_layers(model, options.layers, stages);
  std::vector<Value> wants = {scores};
  for (const Stage& stage : stages) wants.push_back({stage.node, 0});
  {
    Program program = engine.compile(model, wants);
    const std::vector<Tensor> values = program.run({{model.graph.node(input).name, pixels}});
    result.guesses = best_guesses(values[0], model.meaning, options.top);
    for (size_t k = 0; k < stages.size(); ++k) {
      StageView view{stages[k], strongest_maps(stages[k], values[k + 1], options.maps, height, width), {}};
      if (stages[k].classes)
        for (const FeatureMap& map : view.maps) view.names.push_back(class_name(model.meaning.classes, map.unit));
      result.stages.push_back(std::move(view));
    }
  }
  tell("first layer");
  result.first = first_layer(model);
  if (result.first) result.filters = filter_images(*result.first, model.meaning.preprocess->colour);

  tell("saliency");
  try {
    Saliency saliency(model, *engine.backend, engine.compile_options);
    result.saliency = saliency(pixels, result.guesses[0].index, context);
    result.smooth_saliency = saliency(pixels, result.guesses[0].index, context, {.samples = 16});
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::unsupported) throw;
    result.no_saliency = e.message();
    context.note("no saliency map: " + e.message());
  }
  tell("dead units");
  result.activity = unit_activity(model, probes(pixels, context.seed), *engine.backend, engine.compile_options);
  tell("weights");
  for (const auto& [name, weight] : model.weights)
    if (weight.rank() > 1 && is_float(weight.dtype())) result.weights.push_back(statistics_of(name, weight));
  tell("timing");
  Program plain = engine.compile(model, std::vector<Value>{scores});
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
  const Model model = open(context, options.model);
  const Image picture = read_image(options.image);
  return inspect_to_folder(context, model, picture, std::filesystem::path(options.image).filename().string(), options);
}

Report inspect_to_folder(const Context& context, const Model& model, const Image& picture,
                         const std::string& picture_name, const InspectOptions& options) {
  const Inspection result = inspect(context, model, picture, options);
  make_folder(options.output);
  Report report;
  const nlohmann::ordered_json json = inspection_json(model, result, picture_name);
  writing([&] { report.files = write_inspection(model, result, picture_name, options.output, json_text(json)); });
  const Guess& best = result.guesses[0];
  double seconds = 0;
  for (const StepInfo& s : result.steps) seconds += s.seconds;
  report.text = fmt::format("{}: {} ({:.1f} %), {} a run on {} threads\n", printable(picture_name),
                            coloured(printable(best.name), Ink::bold), best.probability * 100, short_time(seconds),
                            thread_count());
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
      "filters, for every stage the strongest feature maps with the part of the picture that they see, a saliency map, "
      "dead units, weight "
      "statistics, and the time and memory of every layer.",
      {{"fovea inspect model.onnx cat.jpg -o cat", "then open cat/index.html"},
       {"fovea inspect model.onnx cat.jpg -o cat --layer fire5/concat --maps 24", "more maps, and one more layer"}},
      run);
}

}  // namespace fovea
