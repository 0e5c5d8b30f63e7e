#include "fovea/insight/attribution.h"

#include <algorithm>
#include <cctype>
#include <cmath>

#include "fovea/base/nearest.h"
#include "fovea/insight/class_scores.h"
#include "fovea/insight/features.h"
#include "fovea/insight/rules.h"
#include "fovea/insight/saliency.h"
#include "fovea/model/conventions.h"
#include "fovea/model/for_pictures.h"
#include "fovea/model/layers.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/transform/gradient.h"

namespace fovea {

namespace {

std::vector<bool> depending_on(const Graph& graph, int node) {
  std::vector<bool> result(static_cast<size_t>(graph.size()), false);
  result[static_cast<size_t>(node)] = true;
  for (int i = node + 1; i < graph.size(); ++i)
    for (const Value v : graph.node(i).inputs)
      if (v && result[static_cast<size_t>(v.node)]) result[static_cast<size_t>(i)] = true;
  return result;
}

bool weighs(const Node& node) { return node.op == &ops::conv || node.op->name == "gemm" || node.op->name == "matmul"; }

bool has_positions(const Node& node) {
  const Shape& s = node.outputs[0].shape;
  return s.rank() == 4 && s[2] * s[3] > 1;
}

// Whether it makes one map a class, and nothing weighs those again.
bool is_classifier(const Graph& graph, int node, int64_t classes, const std::vector<bool>& needed) {
  if (graph.node(node).outputs[0].shape[1] != classes) return false;
  const std::vector<bool> after = depending_on(graph, node);
  for (int i = node + 1; i < graph.size(); ++i)
    if (after[static_cast<size_t>(i)] && needed[static_cast<size_t>(i)] && weighs(graph.node(i))) return false;
  return true;
}

// Letters and digits in lower case, and '+'.
std::string spelling(std::string_view name) {
  std::string text;
  for (const char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)) || c == '+')
      text.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  return text;
}

constexpr const char* kLayerMaps = "attribution_maps";

BatchedProgram::Build build_relevance() {
  return [](Graph& graph, Value picture, Value scores) {
    input(graph, kRelevanceEpsilon, {DType::f32, {}});
    const Value seed = input(graph, kScoreSeed, graph.type(scores));
    const std::vector<Value> d = gradient(graph, scores, std::vector<Value>{picture}, relevance_rules(), seed);
    return std::vector<Value>{scores, d[0]};
  };
}

}  // namespace

DefaultLayer default_layer(const Model& model) {
  const Graph& graph = model.graph;
  const Value picture = picture_input(model), scores = scores_output(model);
  const std::vector<bool> needed = reachable(graph, std::vector<Value>{scores});
  const std::vector<bool> seen = depending_on(graph, picture.node);
  DefaultLayer result;
  int classifier = graph.size(), any = -1;
  for (int i = graph.size(); i-- > 0 && result.convolution < 0;) {
    const Node& node = graph.node(i);
    if (!needed[static_cast<size_t>(i)] || !seen[static_cast<size_t>(i)] || node.op != &ops::conv ||
        !has_positions(node))
      continue;
    if (any < 0) any = i;
    if (is_classifier(graph, i, class_count(model), needed)) classifier = i;
    else result.convolution = i;
  }
  if (result.convolution < 0) result.convolution = any, classifier = graph.size();
  require(result.convolution >= 0, ErrorKind::usage,
          "the network has no convolution with more than one position, so there are no maps to weigh; choose a layer "
          "with maps [1,K,h,w] by --layer");
  result.node = result.convolution;
  const Shape& maps = graph.node(result.convolution).outputs[0].shape;
  for (const int i : cut_points(graph, picture, scores)) {
    const Node& node = graph.node(i);
    if (i < result.convolution || i >= classifier || node.op->name == "dropout" || node.op->name == "identity" ||
        node.op->name.find("pool") != std::string_view::npos)
      continue;
    const Shape& s = node.outputs[0].shape;
    if (s.rank() == 4 && s[2] == maps[2] && s[3] == maps[3]) result.node = i;
  }
  return result;
}

AttributionNetwork::AttributionNetwork(const Model& model, Backend& backend, const CompileOptions& compile_options,
                                       const AttributionOptions& options)
    : model_(model), backend_(backend), compile_options_(compile_options), options_(options) {
  const Value picture = picture_input(model);
  classes_ = class_count(model);
  input_shape_ = model.graph.shape(picture);
  input_shape_[0] = 1;
  if (!options.layer.empty()) layer_ = find_layer(model, options.layer).node;
}

Tensor AttributionNetwork::baseline() const {
  if (options_.baseline.count() == 0) return Tensor(DType::f32, input_shape_);
  require(options_.baseline.shape() == input_shape_, ErrorKind::usage, "the baseline is {}, the input is {}",
          to_string(options_.baseline.shape()), to_string(input_shape_));
  return options_.baseline;
}

BatchedProgram& AttributionNetwork::scores() {
  auto& program = programs_["scores"];
  if (!program)
    program = std::make_unique<BatchedProgram>(
        model_, [](Graph&, Value, Value scores) { return std::vector<Value>{scores}; }, options_.limits, backend_,
        compile_options_);
  return *program;
}

std::vector<double> AttributionNetwork::scores_of(const Tensor& input, const Context& context) {
  std::vector<double> result;
  scores().run(
      context, 1, [&](int64_t, std::span<float> picture) { std::ranges::copy(input.data<float>(), picture.begin()); },
      [&](int64_t, int64_t slot, const std::vector<Tensor>& wants) {
        const std::span<const float> row = row_of(wants[0], slot);
        result.assign(row.begin(), row.end());
      });
  return result;
}

BatchedProgram& AttributionNetwork::gradients(const std::string& rule) {
  auto& program = programs_["rule " + rule];
  const Rules& rules = gradient_rules(rule);
  if (!program)
    program = std::make_unique<BatchedProgram>(
        model_,
        [&rules](Graph& graph, Value picture, Value scores) {
          const Value seed = input(graph, kScoreSeed, graph.type(scores));
          const std::vector<Value> d = gradient(graph, scores, std::vector<Value>{picture}, rules, seed);
          return std::vector<Value>{scores, d[0]};
        },
        options_.limits, backend_, compile_options_);
  return *program;
}

std::map<std::string, Tensor> AttributionNetwork::seed(const BatchedProgram& program, int64_t label) const {
  require(label >= 0 && label < classes_, ErrorKind::usage, "there is no class {}: the network has classes 0 to {}",
          label, classes_ - 1);
  const Type& type = program.type(kScoreSeed);
  Tensor seed(type.dtype, type.shape);
  seed.set(label, 1);
  return {{kScoreSeed, seed}};
}

BatchedProgram& AttributionNetwork::layer_gradients() {
  auto& program = programs_["layer"];
  const std::string name = model_.graph.node(layer()).name;
  if (!program)
    program = std::make_unique<BatchedProgram>(
        model_,
        [name](Graph& graph, Value, Value scores) {
          const Value maps{graph.find(name), 0};
          const Value seed = input(graph, kScoreSeed, graph.type(scores));
          const std::vector<Value> d = gradient(graph, scores, std::vector<Value>{maps}, {}, seed);
          return std::vector<Value>{scores, maps, d[0]};
        },
        BatchLimits{1, options_.limits.memory}, backend_, compile_options_);
  return *program;
}

BatchedProgram& AttributionNetwork::layer_values(const std::string& node) {
  auto& program = programs_["values " + node];
  if (!program)
    program = std::make_unique<BatchedProgram>(
        model_,
        [&](Graph& graph, Value, Value scores) {
          return std::vector<Value>{scores, {graph.find(node), 0}};
        },
        BatchLimits{1, options_.limits.memory}, backend_, compile_options_);
  return *program;
}

BatchedProgram& AttributionNetwork::relevance() {
  auto& program = programs_["relevance"];
  if (!program)
    program = std::make_unique<BatchedProgram>(model_, build_relevance(), BatchLimits{1, options_.limits.memory},
                                               backend_, compile_options_);
  return *program;
}

AttributionNetwork::BehindLayer& AttributionNetwork::behind_layer() {
  if (behind_layer_) return *behind_layer_;
  const int cut = layer();
  auto made = std::make_unique<BehindLayer>();
  Model& tail = made->model;
  tail.meaning = model_.meaning, tail.weights = model_.weights;
  Graph whole;
  const Mapping mapping = copy(model_.graph, whole, [&](int index, std::span<const Value>) -> std::vector<Value> {
    if (index != cut) return {};
    return {input(whole, kLayerMaps, model_.graph.type({cut, 0}))};
  });
  const Value scores = mapping(scores_output(model_)), picture = mapping(picture_input(model_));
  const std::vector<bool> used = reachable(whole, std::vector<Value>{scores});
  const Mapping kept = copy(whole, tail.graph, {}, &used);  // no input that nothing reads
  tail.graph.outputs = {{model_.meaning.scores, kept(scores)}};
  tail.meaning.input = kLayerMaps;
  if (used[static_cast<size_t>(picture.node)]) made->also = whole.node(picture).name;
  made->program = std::make_unique<BatchedProgram>(
      tail, [](Graph&, Value, Value after) { return std::vector<Value>{after}; }, options_.limits, backend_,
      compile_options_);
  behind_layer_ = std::move(made);
  return *behind_layer_;
}

AttributionNetwork::Pair& AttributionNetwork::pair() {
  if (pair_) return *pair_;
  Model two;
  try {
    two = for_pictures(model_, 2);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::usage) throw;
    fail(ErrorKind::unsupported, "DeepLIFT compares a picture with its baseline: {}", e.message());
  }
  Graph& graph = two.graph;
  const Value picture = picture_input(two), scores = scores_before_softmax(graph, scores_output(two));
  const Value seed = input(graph, kScoreSeed, graph.type(scores));
  const std::vector<Value> m = gradient(graph, scores, std::vector<Value>{picture}, rescale_rules(), seed);
  auto made = std::make_unique<Pair>();
  made->input = graph.node(picture).name;
  made->program = compile(graph, std::vector<Value>{scores, m[0]}, two.weights, backend_, compile_options_);
  require_memory(made->program, options_.limits.memory);
  pair_ = std::move(made);
  return *pair_;
}

int AttributionNetwork::layer() {
  if (layer_ < 0) layer_ = default_layer(model_).node;
  const Graph& graph = model_.graph;
  const Node& node = graph.node(layer_);
  const Value scores = scores_before_softmax(graph, scores_output(model_));
  require(node.outputs[0].shape.rank() == 4, ErrorKind::usage, "layer \"{}\" is {}: it has no maps [1,K,h,w] to weigh",
          node.name, to_string(node.outputs[0].shape));
  require(depending_on(graph, layer_)[static_cast<size_t>(scores.node)] &&
              depending_on(graph, picture_input(model_).node)[static_cast<size_t>(layer_)],
          ErrorKind::usage, "layer \"{}\" is not on the way from the picture to the class scores", node.name);
  return layer_;
}

const std::string& AttributionNetwork::layer_name() {
  layer_name_ = model_.graph.node(layer()).name;
  return layer_name_;
}

const std::vector<AttributionMethod>& attribution_methods() {
  static const std::vector<AttributionMethod> methods = {
      {"gradient", "gradient", "a small change of the pixel changes the score much"},
      {"gradient-input", "gradient x input", "the pixel, as bright as it is, adds to the score to first order"},
      {"smoothgrad", "SmoothGrad", "as gradient, the mean over noisy copies of the picture"},
      {"integrated-gradients", "integrated gradients",
       "what the pixel adds on the way from the baseline; sums to the "
       "difference of the scores"},
      {"guided", "guided back-propagation",
       "the pixel excites units that excite the class; shows structure rather than "
       "evidence"},
      {"lrp", "LRP-epsilon", "the share of the score that is handed down to the pixel, layer by layer"},
      {"deep-lift", "DeepLIFT", "the share of the difference to the baseline's score that is handed down to the pixel"},
      {"occlusion", "occlusion", "the score falls when this place is covered"},
      {"cam", "CAM", "the class's weights times the last maps", true},
      {"grad-cam", "Grad-CAM", "maps weighted by their mean gradient", true},
      {"grad-cam++", "Grad-CAM++", "maps weighted by their positive gradients, each position counted alike", true},
      {"layer-cam", "Layer-CAM", "maps weighted at each position by its positive gradient", true},
      {"hires-cam", "HiRes-CAM", "maps weighted at each position by its gradient, for or against", true},
      {"score-cam", "Score-CAM", "maps weighted by the score of the picture seen through them", true},
      {"ablation-cam", "Ablation-CAM", "maps weighted by how much of the score is lost without them", true},
  };
  return methods;
}

const AttributionMethod& attribution_method(std::string_view name) {
  static const std::map<std::string, std::string, std::less<>> kOthers = {{"saliency", "gradient"},
                                                                          {"vanilla", "gradient"},
                                                                          {"gradientxinput", "gradient-input"},
                                                                          {"inputxgradient", "gradient-input"},
                                                                          {"ig", "integrated-gradients"},
                                                                          {"guidedbackprop", "guided"},
                                                                          {"guidedbackpropagation", "guided"},
                                                                          {"lrpepsilon", "lrp"},
                                                                          {"gradcampp", "grad-cam++"}};
  std::string spelt = spelling(name);
  if (const auto other = kOthers.find(spelt); other != kOthers.end()) spelt = spelling(other->second);
  std::vector<std::string> names;
  for (const AttributionMethod& method : attribution_methods()) {
    if (spelling(method.name) == spelt) return method;
    names.push_back(method.name);
  }
  fail(ErrorKind::usage, "there is no method \"{}\"; known: all, {}{}", name, fmt::join(names, ", "),
       did_you_mean(name, names));
}

AttributionMap attribute(AttributionNetwork& network, std::string_view method, const Tensor& input, int64_t label,
                         const Context& context) {
  const std::string& name = attribution_method(method).name;
  require(label >= 0 && label < network.classes(), ErrorKind::usage,
          "there is no class {}: the network has classes 0 to {}", label, network.classes() - 1);
  require(input.shape() == network.input_shape(), ErrorKind::usage, "the picture is {}, the network takes {}",
          to_string(input.shape()), to_string(network.input_shape()));
  if (name == "gradient") return gradient_map(network, input, label, context);
  if (name == "gradient-input") return gradient_times_input(network, input, label, context);
  if (name == "smoothgrad") return smooth_gradient(network, input, label, context);
  if (name == "integrated-gradients") return integrated_gradients(network, input, label, context);
  if (name == "guided") return guided_map(network, input, label, context);
  if (name == "lrp") return relevance_map(network, input, label, context);
  if (name == "occlusion") return occlusion(network, input, label, context);
  if (name == "cam") return class_activation_map(network, input, label, context);
  if (name == "deep-lift") return deep_lift(network, input, label, context);
  if (name == "score-cam") return score_cam(network, input, label, context);
  if (name == "ablation-cam") return ablation_cam(network, input, label, context);
  const CamWeights weights = name == "grad-cam"     ? CamWeights::grad_cam
                             : name == "grad-cam++" ? CamWeights::grad_cam_plus_plus
                             : name == "hires-cam"  ? CamWeights::hires_cam
                                                    : CamWeights::layer_cam;
  return gradient_weighted_map(network, weights, input, label, context);
}

void settle(AttributionMap& map) {
  size_t lost = 0;
  for (float& v : map.values)
    if (!std::isfinite(v)) ++lost, v = 0;
  if (lost > 0) {
    map.values.assign(map.values.size(), 0.0f);
    map.empty = fmt::format("{} of {} values were infinite or not a number: the network overflows on this picture",
                            lost, map.values.size());
    return;
  }
  const auto [low, high] = std::ranges::minmax_element(map.values);
  if (map.values.empty() || *low < *high || !map.empty.empty()) return;
  if (map.values.size() == 1) {
    map.empty = "the map has a single position";
  } else if (*low != 0) {
    map.empty = fmt::format("the map is {:g} everywhere", *low);
  } else if (map.layer.empty()) {
    map.empty =
        "the score does not depend on the picture here: every way to it is shut (rectifiers that are off, or a "
        "constant)";
  } else {
    map.empty = fmt::format("no position of \"{}\" speaks for the class: every weighted sum is 0 or below", map.layer);
  }
}

}  // namespace fovea
