#include "fovea/commands/attribute.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fovea/base/bytes.h"
#include "fovea/base/counted.h"
#include "fovea/commands/picture_file.h"
#include "fovea/commands/unit_list.h"
#include "fovea/formats/npy_write.h"
#include "fovea/image/codec.h"
#include "fovea/image/draw.h"
#include "fovea/insight/attribution_check.h"
#include "fovea/insight/class_scores.h"
#include "fovea/insight/guesses.h"
#include "fovea/model/conventions.h"
#include "fovea/model/labels.h"
#include "fovea/model/not_finite.h"
#include "fovea/model/preprocess.h"
#include "fovea/report/attribution_sheet.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

using Json = nlohmann::ordered_json;

OptionList describe(AttributeOptions& o) {
  const OptionList model = describe(o.model);
  return OptionList{
             model[0],
             {"IMAGE", "", "the picture", &o.image, true},
             {"--method", "NAME", "all (what is done without it), or methods with commas between (may be repeated)",
              &o.methods},
             {"--class", "C", "the class to ask about, by number or name; without it, the best guess", &o.label},
             {"--layer", "NAME", "whose maps the class activation methods weigh; without it, the last ones", &o.layer},
             {"-o,--output", "FILE.png", "a sheet: the picture, and each map alone and on the picture", &o.output},
             {"--raw", "FILE.npz", "the maps as numbers, each under its method's name", &o.raw},
             {"--check", "", "does each map change when the weights are random, and do its pixels matter", &o.check},
             {"--stages",
              "N",
              "with --check: steps from the last layer's weights to all",
              &o.stages,
              false,
              {},
              1,
              1000},
             {"--time", "", "measure what a gradient costs beside a forward pass", &o.time},
             {"--samples", "N", "SmoothGrad: noisy copies", &o.samples, false, {}, 1, 100000},
             {"--noise", "S", "SmoothGrad: noise as a share of the input's range", &o.noise, false, {}, 0, 100},
             {"--steps", "N", "integrated gradients: points on the path", &o.steps, false, {}, 1, 100000},
             {"--quadrature", "RULE", "integrated gradients", &o.quadrature, false, {"gauss", "trapezoid"}},
             {"--baseline",
              "B",
              "what stands for nothing (integrated gradients, occlusion)",
              &o.baseline,
              false,
              {"mean", "black", "white", "grey"}},
             {"--window", "N", "occlusion: side in pixels; 0: a seventh of the picture", &o.window, false, {}, 0, 1e6},
             {"--stride",
              "N",
              "occlusion: pixels from window to window; 0: half a window",
              &o.stride,
              false,
              {},
              0,
              1e6},
             {"--epsilon", "E", "LRP: as a share of a layer's root mean square", &o.epsilon, false, {}, 0, 1e6},
             {"--batch", "N", "pictures computed at once, at most", &o.batch, false, {}, 1, 4096},
             {"--memory", "MiB", "for activations and weights; batches shrink to fit", &o.memory, false, {}, 1, 1e7},
             {"--columns", "N", "methods side by side on the sheet", &o.columns, false, {}, 1, 20}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

namespace {

struct Method {
  const AttributionMethod* what = nullptr;
  AttributionMap map;
  std::string unavailable;
  std::optional<SanityCheck> sanity;
  std::optional<Perturbation> perturbation;
};

struct Attributed {
  Image picture;
  std::vector<Guess> guesses;
  int64_t label = 0;
  double probability = 0, score = 0;
  std::vector<Method> methods;
  std::optional<Perturbation> random;
  double gradient_cost = 0;  // forward passes; 0: not measured
};

// The methods asked for; whether they were asked for by name.
std::pair<std::vector<Method>, bool> methods_of(const AttributeOptions& options) {
  const std::vector<std::string> names = split_names(options.methods);
  std::vector<Method> result;
  if (names.empty() || std::find(names.begin(), names.end(), "all") != names.end()) {
    for (const AttributionMethod& method : attribution_methods()) result.push_back({&method});
    return {std::move(result), false};
  }
  for (const std::string& name : names) {
    const AttributionMethod* method = &attribution_method(name);
    if (std::none_of(result.begin(), result.end(), [&](const Method& m) { return m.what == method; }))
      result.push_back({method});
  }
  return {std::move(result), true};
}

Tensor baseline_of(const std::string& name, const Image& fitted, const Preprocess& how) {
  if (name == "mean") return {};
  const uint8_t level = name == "black" ? 0 : name == "white" ? 255 : 128;
  Image flat = blank(fitted.width(), fitted.height(), {level, level, level});
  return normalise(fitted.channels() == 1 ? flat.to_grey() : flat, how);
}

// Maps are made in the order of the sheet. A method that does not fit the network is an error only when it was asked
// for by name.
void make_maps(const Context& context, AttributionNetwork& network, const Tensor& input, bool by_name,
               Attributed& answer) {
  const auto total = static_cast<int64_t>(answer.methods.size());
  for (int64_t i = 0; i < total; ++i) {
    Method& method = answer.methods[static_cast<size_t>(i)];
    context.report({"attributing", i, total, method.what->title});
    try {
      method.map = attribute(network, method.what->name, input, answer.label, context);
    } catch (const Error& e) {
      const bool no_layer =
          e.kind() == ErrorKind::usage && method.what->weighs_layer && network.options().layer.empty();
      if (by_name || context.cancelled() || (e.kind() != ErrorKind::unsupported && !no_layer)) throw;
      method.unavailable = e.message();
      context.note(fmt::format("no {}: {}", method.what->title, e.message()));
    }
  }
  context.report({"attributing", total, total, ""});
}

void check_maps(const Context& context, const Model& model, const Engine& engine, const AttributeOptions& options,
                AttributionNetwork& network, const Tensor& input, Attributed& answer) {
  std::vector<size_t> made;
  std::vector<AttributionMap> maps;
  for (size_t k = 0; k < answer.methods.size(); ++k) {
    if (!answer.methods[k].unavailable.empty()) continue;
    made.push_back(k);
    maps.push_back(answer.methods[k].map);
  }
  const std::vector<SanityCheck> checks = check_sanity(
      context, model, maps,
      [&](const Model& changed) {
        AttributionNetwork random(changed, *engine.backend, engine.compile_options, network.options());
        std::vector<AttributionMap> result;
        for (const size_t k : made)
          result.push_back(attribute(random, answer.methods[k].what->name, input, answer.label, context));
        return result;
      },
      options.stages);
  answer.random = perturb(network, random_map(input, context.seed), input, answer.label, context);
  for (size_t i = 0; i < made.size(); ++i) {
    Method& method = answer.methods[made[i]];
    method.sanity = checks[i];
    if (method.map.empty.empty()) method.perturbation = perturb(network, method.map, input, answer.label, context);
  }
}

// Median time of a gradient over median time of a forward pass, one picture at a time, taken in turns.
double gradient_cost(const Context& context, const Model& model, const Engine& engine, const AttributeOptions& options,
                     const Tensor& input, int64_t label) {
  AttributionOptions one;
  one.limits = {1, static_cast<size_t>(options.memory) << 20};
  AttributionNetwork network(model, *engine.backend, engine.compile_options, one);
  BatchedProgram &forward = network.scores(), &both = network.gradients();
  const auto feeds = network.seed(both, label);
  std::vector<double> times[2];
  constexpr size_t kRounds = 11;
  for (size_t i = 0; i <= kRounds; ++i)
    for (const size_t which : {size_t{0}, size_t{1}}) {
      const auto start = std::chrono::steady_clock::now();
      (which ? both : forward)
          .run(
              context, 1,
              [&](int64_t, std::span<float> picture) { std::ranges::copy(input.data<float>(), picture.begin()); },
              [](int64_t, int64_t, const std::vector<Tensor>&) {}, which ? feeds : std::map<std::string, Tensor>{});
      const std::chrono::duration<double> passed = std::chrono::steady_clock::now() - start;
      if (i > 0) times[which].push_back(passed.count());
    }
  for (auto& list : times) std::ranges::sort(list);
  return times[1][kRounds / 2] / times[0][kRounds / 2];
}

std::string note_of(const Method& method) {
  std::string text = method.map.layer.empty()
                         ? method.what->says
                         : fmt::format("{}; {} {}x{}", method.what->says, printable(method.map.layer), method.map.width,
                                       method.map.height);
  const auto fact = [&](std::string_view name) -> const double* {
    for (const auto& [key, value] : method.map.facts)
      if (key == name) return &value;
    return nullptr;
  };
  if (const double* gap = fact("completeness_gap"))
    text += fmt::format("; sum {:.3f}, difference of scores {:.3f}, gap {:.2g}", *fact("sum"),
                        *fact("score_difference"), *gap);
  if (const double* conserved = fact("conserved"))
    text += fmt::format("; {:.1f} % of the score arrives", 100 * *conserved);
  return text;
}

Json method_json(const Method& method) {
  Json json = {{"method", method.what->name}};
  if (!method.unavailable.empty()) {
    json["unavailable"] = method.unavailable;
    return json;
  }
  const AttributionMap& map = method.map;
  const auto [low, high] = std::ranges::minmax_element(map.values);
  const auto at = high - map.values.begin();
  if (!map.layer.empty()) json["layer"] = printable(map.layer);
  json["height"] = map.height;
  json["width"] = map.width;
  json["signed"] = map.is_signed;
  json["least"] = *low;
  json["greatest"] = *high;
  json["greatest_at"] = {{"y", at / map.width}, {"x", at % map.width}};
  json["empty"] = map.empty.empty() ? Json() : Json(map.empty);
  for (const auto& [name, value] : map.facts) json[name] = value;
  if (method.sanity) {
    Json stages = Json::array();
    for (const RandomisedStage& stage : method.sanity->stages)
      stages.push_back({{"from", printable(stage.from)},
                        {"layers", stage.layers},
                        {"rank_correlation", stage.empty ? Json() : Json(stage.correlation)}});
    json["randomised"] = stages;
    json["insensitive"] = method.sanity->insensitive;
  }
  if (method.perturbation) {
    json["deletion_area"] = method.perturbation->deletion_area;
    json["insertion_area"] = method.perturbation->insertion_area;
    json["deletion"] = method.perturbation->deletion;
    json["insertion"] = method.perturbation->insertion;
  }
  return json;
}

std::string class_text(const Model& model, int64_t label) {
  return model.meaning.classes.empty() ? fmt::format("class {}", label)
                                       : fmt::format("{} (class {})", class_name(model.meaning.classes, label), label);
}

// The layer that the class activation methods weighed, in words; empty when none did.
std::string layer_sentence(const Model& model, const AttributeOptions& options, const Attributed& answer) {
  std::string layer;
  for (const Method& m : answer.methods)
    if (m.what->weighs_layer && m.what->name != "cam" && !m.map.layer.empty()) layer = m.map.layer;
  if (layer.empty()) return "";
  if (!options.layer.empty()) return fmt::format("maps of \"{}\"", printable(layer));
  const DefaultLayer chosen = default_layer(model);
  const std::string convolution = printable(model.graph.node(chosen.convolution).name);
  if (chosen.convolution == chosen.node) return fmt::format("maps of \"{}\", the last convolution", convolution);
  return fmt::format("maps of \"{}\", what the last convolution \"{}\" leads to", printable(layer), convolution);
}

AttributionSheet sheet_of(const Model& model, const AttributeOptions& options, const Attributed& answer) {
  AttributionSheet sheet;
  sheet.picture = answer.picture;
  sheet.preprocess = *model.meaning.preprocess;
  sheet.title = fmt::format("what speaks for {}", printable(class_text(model, answer.label)));
  sheet.lines = {fmt::format("{}, {}: p = {:.2f} %, score {:.3f}", printable(model.meaning.name),
                             printable(fs::path(options.image).filename().string()), 100 * answer.probability,
                             answer.score)};
  if (const std::string layer = layer_sentence(model, options, answer); !layer.empty()) sheet.lines.push_back(layer);
  for (const Guess& guess : answer.guesses)
    sheet.guesses.push_back({printable(guess.name), guess.probability, guess.index == answer.label});
  for (const Method& method : answer.methods)
    sheet.cells.push_back({method.what->title, method.map, method.unavailable,
                           method.unavailable.empty() ? note_of(method) : "", method.sanity, method.perturbation});
  sheet.random = answer.random;
  return sheet;
}

std::string text_of(const Model& model, const AttributeOptions& options, const Attributed& answer) {
  std::string text = fmt::format("{}: {}, p = {:.2f} %, score {:.3f}\n", printable(options.image),
                                 coloured(printable(class_text(model, answer.label)), Ink::bold),
                                 100 * answer.probability, answer.score);
  if (const std::string layer = layer_sentence(model, options, answer); !layer.empty()) text += layer + "\n";
  std::vector<Table::Column> columns = {{"method", false, 24}};
  if (answer.random)
    columns.insert(columns.end(), {{"random weights", false, 40}, {"deletion", true, 10}, {"insertion", true, 10}});
  columns.push_back({"", false, 240});
  Table table(columns);
  for (const Method& method : answer.methods) {
    std::vector<std::string> cells = {method.what->name};
    if (answer.random) {
      std::string stages;
      if (method.sanity)
        for (const RandomisedStage& s : method.sanity->stages)
          stages += s.empty ? "empty " : fmt::format("{:.2f} ", s.correlation);
      cells.push_back(method.sanity && method.sanity->insensitive ? coloured(stages, Ink::red) : stages);
      cells.push_back(method.perturbation ? fmt::format("{:.3f}", method.perturbation->deletion_area) : "");
      cells.push_back(method.perturbation ? fmt::format("{:.3f}", method.perturbation->insertion_area) : "");
    }
    if (!method.unavailable.empty()) cells.push_back(coloured("not for this network: " + method.unavailable, Ink::dim));
    else if (!method.map.empty.empty()) cells.push_back(coloured("empty: " + printable(method.map.empty), Ink::yellow));
    else cells.push_back(note_of(method));
    table.add(cells);
  }
  if (answer.random)
    table.add({"(random order)", "", fmt::format("{:.3f}", answer.random->deletion_area),
               fmt::format("{:.3f}", answer.random->insertion_area), "deletion: lower is better; insertion: higher"});
  text += table.text();
  for (const Method& method : answer.methods)
    if (method.sanity && method.sanity->insensitive)
      text += coloured(fmt::format("{}: still alike with the last {} random; much of it is the picture, not what "
                                   "the network learned\n",
                                   method.what->name, counted(method.sanity->alike_layers, "layer")),
                       Ink::red);
  if (answer.gradient_cost > 0) text += fmt::format("a gradient costs {:.2f} forward passes\n", answer.gradient_cost);
  return text;
}

Json json_of(const Model& model, const AttributeOptions& options, const Attributed& answer) {
  Json guesses = Json::array(), maps = Json::array();
  for (const Guess& g : answer.guesses)
    guesses.push_back({{"class", g.index}, {"name", g.name}, {"probability", g.probability}, {"score", g.score}});
  for (const Method& method : answer.methods) maps.push_back(method_json(method));
  Json json = {{"model", printable(model.meaning.name)},
               {"image", options.image},
               {"class", answer.label},
               {"name", class_name(model.meaning.classes, answer.label)},
               {"probability", answer.probability},
               {"score", answer.score},
               {"guesses", guesses},
               {"maps", maps}};
  if (answer.random)
    json["random_order"] = {{"deletion_area", answer.random->deletion_area},
                            {"insertion_area", answer.random->insertion_area}};
  if (answer.gradient_cost > 0) json["gradient_cost"] = answer.gradient_cost;
  return json;
}

void write_raw(const std::string& path, const Attributed& answer) {
  std::vector<std::pair<std::string, Tensor>> tensors;
  for (const Method& method : answer.methods)
    if (method.unavailable.empty())
      tensors.emplace_back(method.what->name,
                           Tensor::of<float>({method.map.height, method.map.width}, method.map.values));
  write_file(path, npz_bytes(tensors));
}

// The best guesses, and the class asked about.
void ask(const Context& context, const Model& model, const AttributeOptions& options, AttributionNetwork& network,
         const Tensor& input, Attributed& answer) {
  const std::vector<double> scores = network.scores_of(input, context);
  require(std::ranges::all_of(scores, [](double s) { return std::isfinite(s); }), ErrorKind::usage,
          "{}: the network's scores for this picture are not finite: {}", options.image, why_not_finite(model));
  Tensor row(DType::f32, {1, static_cast<int64_t>(scores.size())});
  for (size_t i = 0; i < scores.size(); ++i) row.set(static_cast<int64_t>(i), scores[i]);
  Meaning meaning = model.meaning;
  meaning.probabilities = false;  // these are the scores before a softmax
  if (scores_before_softmax(model.graph, scores_output(model)) == scores_output(model))
    meaning.probabilities = model.meaning.probabilities;
  answer.guesses = best_guesses(row, meaning, 5);
  answer.label = options.label.empty() ? answer.guesses[0].index : find_class(model, options.label);
  answer.probability = probabilities_of(row, meaning.probabilities)[static_cast<size_t>(answer.label)];
  answer.score = scores[static_cast<size_t>(answer.label)];
}

}  // namespace

Report run(const Context& context, const AttributeOptions& options) {
  require_file(options.image, "a picture");
  require_picture_output(options.output);
  require(options.raw.empty() || options.raw.ends_with(".npz"), ErrorKind::usage,
          "{}: numbers are written as .npz; try {}", options.raw,
          fs::path(options.raw).replace_extension(".npz").string());
  Attributed answer;
  bool by_name = false;
  std::tie(answer.methods, by_name) = methods_of(options);
  const Model model = open(context, options.model);
  picture_input(model), scores_output(model);
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input");
  const Preprocess& how = *model.meaning.preprocess;
  answer.picture = fit_picture(read_image(options.image), how);
  const Tensor input = normalise(answer.picture, how);
  const Engine engine(options.engine);
  AttributionOptions settings{.layer = options.layer,
                              .samples = options.samples,
                              .noise = options.noise,
                              .steps = options.steps,
                              .quadrature = options.quadrature,
                              .window = options.window,
                              .stride = options.stride,
                              .epsilon = options.epsilon,
                              .limits = {options.batch, static_cast<size_t>(options.memory) << 20}};
  if (const Tensor baseline = baseline_of(options.baseline, answer.picture, how); baseline.count() > 0)
    settings.baseline = baseline;
  AttributionNetwork network(model, *engine.backend, engine.compile_options, settings);
  ask(context, model, options, network, input, answer);
  make_maps(context, network, input, by_name, answer);
  if (options.check) check_maps(context, model, engine, options, network, input, answer);
  if (options.time) answer.gradient_cost = gradient_cost(context, model, engine, options, input, answer.label);
  Report report;
  report.text = text_of(model, options, answer);
  Json json = json_of(model, options, answer);
  writing([&] {
    if (!options.output.empty()) {
      write_image(options.output,
                  draw_attribution_sheet(sheet_of(model, options, answer), static_cast<int>(options.columns)));
      report.files.push_back(options.output);
      json["output"] = options.output;
    }
    if (!options.raw.empty()) {
      write_raw(options.raw, answer);
      report.files.push_back(options.raw);
      json["raw"] = options.raw;
    }
  });
  for (const fs::path& file : report.files) report.text += "wrote " + file.string() + "\n";
  report.set_json(json);
  return report;
}

Command attribute_command() {
  std::string description = "Makes maps of the places of a picture that speak for a class, by one method or all: ";
  for (const AttributionMethod& method : attribution_methods())
    description += method.name + (&method == &attribution_methods().back() ? ". " : ", ");
  description +=
      "The class is the best guess unless one is given. With --check every map is made again for networks whose "
      "weights are random from the top down, which must change it, and the most important pixels are taken away and "
      "put in.";
  return make_command<AttributeOptions>(
      "attribute", "which places of a picture speak for a class", description,
      {{"fovea attribute model.onnx cat.jpg -o sheet.png", "every method on one sheet, for the best guess"},
       {"fovea attribute model.onnx cat.jpg --method grad-cam,lrp --class \"Egyptian cat\" -o sheet.png",
        "two methods for another class"},
       {"fovea attribute model.onnx cat.jpg --check -o sheet.png", "and whether the maps can be trusted"},
       {"fovea attribute model.onnx cat.jpg --method integrated-gradients --steps 128 --raw maps.npz",
        "the numbers themselves, more exactly"}},
      run);
}

}  // namespace fovea
