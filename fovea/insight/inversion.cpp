// x* = argmin C ‖Φ(x) − Φ₀‖² / ‖Φ₀‖² + λ_α R_α(x) + λ_V V_β(x).
// Source: Mahendran & Vedaldi, "Understanding deep image representations by inverting them", CVPR 2015, equations 1 to
// 3, and "Visualizing deep convolutional neural networks using natural pre-images", IJCV 2016; the presets' numbers are
// those of their tools aravindhm/deep-goggle (experiment_cnn.m, invert_nn.m) and aravindhm/nnpreimage (get_defaults.m,
// nnpreimage.m).
#include "fovea/insight/inversion.h"

#include <fmt/ranges.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/model/conventions.h"
#include "fovea/model/receptive_field.h"
#include "fovea/ops/div.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/softmax.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

constexpr double kBound = 160;  // nnpreimage, grey levels
// Root mean square of the levels of a natural picture: over the 60 photographs of the project's data folder, 224x224.
constexpr double kNaturalLevel = 68;

// The share of the picture's side that the layer's units see; 1 where they see it whole.
double seen_share(const Model& model, const std::string& node) {
  const Value picture = picture_input(model);
  const auto fields = receptive_fields(model.graph, picture);
  const Shape& shape = model.graph.shape(picture);
  const auto& field = fields[static_cast<size_t>(model.graph.find(node))];
  if (field.empty()) return 1;
  double share = 0;
  for (size_t k = 0; k < field.size(); ++k)
    share = std::max(share, field[k].whole ? 1 : field[k].size / static_cast<double>(shape[2 + k]));
  return std::min(share, 1.0);
}

double stride_of(const Model& model, const std::string& node) {
  const auto fields = receptive_fields(model.graph, picture_input(model));
  double stride = 1;
  for (int i = 0; i <= model.graph.find(node); ++i)
    for (const ReceptiveField& f : fields[static_cast<size_t>(i)])
      if (!f.whole) stride = std::max(stride, f.stride);
  return stride;
}

double by_depth(double share, double first, double second, double third, double whole) {
  return share <= 0.25 ? first : share <= 0.6 ? second : share < 1 ? third : whole;
}

// `total` steps shared out as the stages are; 0: as they are.
std::vector<RateStage> shared(std::vector<RateStage> stages, int64_t total) {
  int64_t own = 0, given = 0;
  for (const RateStage& s : stages) own += s.steps;
  if (total <= 0) return stages;
  for (size_t i = 0; i < stages.size(); ++i) {
    stages[i].steps = i + 1 < stages.size() ? stages[i].steps * total / own : total - given;
    given += stages[i].steps;
  }
  std::erase_if(stages, [](const RateStage& s) { return s.steps == 0; });
  return stages;
}

Value code_of(Graph& graph, const Taps& taps, const CodeLayer& layer) {
  const Value v = taps.layer(layer.node);
  if (!layer.log_probabilities) return v;
  const Shape shape = graph.shape(v);
  return log_softmax(graph, reshape(graph, v, Shape{shape[0], shape.count() / shape[0]}), {.axis = 1});
}

bool passes_values_on(std::string_view op) {
  static const std::set<std::string_view> kOps = {"dropout", "identity", "reshape", "flatten",
                                                  "squeeze", "softmax",  "cast"};
  return kOps.contains(op);
}

// What belongs to the layer before it: normalisation and what follows a convolution elementwise.
bool completes(std::string_view op) {
  static const std::set<std::string_view> kOps = {"relu",       "batch_norm", "channel_affine", "leaky_relu", "prelu",
                                                  "clip",       "sigmoid",    "tanh",           "elu",        "gelu",
                                                  "hard_swish", "mul",        "mish",           "selu",       "celu"};
  return kOps.contains(op);
}

// Node indices that every path from the picture to the scores goes through, in order.
std::vector<int> bottlenecks(const Model& model) {
  const Graph& graph = model.graph;
  const int first = picture_input(model).node, last = scores_output(model).node;
  const std::vector<bool> wanted = reachable(graph, std::vector<Value>{scores_output(model)});
  std::vector<bool> inside(static_cast<size_t>(graph.size()), false);
  inside[static_cast<size_t>(first)] = true;
  std::vector<int> furthest(static_cast<size_t>(graph.size()), -1);  // the last user of each node
  for (int i = first + 1; i <= last; ++i)
    for (const Value v : graph.node(i).inputs) {
      if (!v || !wanted[static_cast<size_t>(i)] || !inside[static_cast<size_t>(v.node)]) continue;
      inside[static_cast<size_t>(i)] = true;
      furthest[static_cast<size_t>(v.node)] = i;
    }
  std::vector<int> result;
  int reach = furthest[static_cast<size_t>(first)];
  for (int i = first + 1; i <= last; ++i) {
    if (!inside[static_cast<size_t>(i)]) continue;
    if (reach <= i) result.push_back(i);  // nothing before it is read after it
    reach = std::max(reach, furthest[static_cast<size_t>(i)]);
  }
  return result;
}

}  // namespace

const std::vector<std::string>& inversion_presets() {
  static const std::vector<std::string> names = {"mahendran2015", "mahendran2016", "lbfgs"};
  return names;
}

CodeLayer code_layer(const Model& model, std::string_view name) {
  if (name == kLogProbabilities || name == "log_probabilities" || name == "logprob")
    return {score_layer(model).node, kLogProbabilities, true};
  const UnitLayer layer = unit_layer(model, name);
  const std::vector<bool> used = reachable(model.graph, std::vector<Value>{{model.graph.find(layer.node), 0}});
  require(used[static_cast<size_t>(picture_input(model).node)], ErrorKind::usage,
          "layer \"{}\" does not depend on the picture", name);
  return {layer.node, std::string(name), false};
}

std::vector<CodeLayer> ladder_layers(const Model& model) {
  const Graph& graph = model.graph;
  const std::vector<int> all = bottlenecks(model);
  std::vector<CodeLayer> result;
  for (size_t k = 0; k < all.size(); ++k) {
    const Node& node = graph.node(all[k]);
    const Shape& shape = node.outputs[0].shape;
    if (passes_values_on(node.op->name) || node.outputs[0].dtype != DType::f32) continue;
    if (shape.rank() != 4 && shape.rank() != 2) continue;
    if (k + 1 < all.size() && completes(graph.node(all[k + 1]).op->name)) continue;
    result.push_back({node.name, node.name, false});
  }
  result.push_back(code_layer(model, kLogProbabilities));
  return result;
}

PictureObjective reconstruction(const CodeLayer& layer) {
  return {"reconstruction(" + layer.name + ")", {layer.node}, [layer](Graph& graph, const Taps& taps) {
            const Value code = code_of(graph, taps, layer);
            const Value target = input(graph, kCode, graph.type(code));
            Ints axes;
            for (int64_t k = 1; k < graph.shape(code).rank(); ++k) axes.push_back(k);
            const auto squares = [&](Value v) { return reduce(graph, mul(graph, v, v), {.axes = axes}); };
            return neg(graph, div(graph, squares(sub(graph, code, target)), squares(target)));
          }};
}

InversionPlan inversion_plan(const Model& model, const CodeLayer& layer, const InversionSettings& s) {
  const auto& names = inversion_presets();
  require(std::find(names.begin(), names.end(), s.preset) != names.end(), ErrorKind::usage,
          "there is no preset \"{}\"; known: {}{}", s.preset, fmt::join(names, ", "), did_you_mean(s.preset, names));
  require(s.steps >= 0 && s.strength >= 0 && s.variation >= 0 && s.norm >= 0 && s.bound >= 0 && s.starts >= 1,
          ErrorKind::usage, "steps, strength, weights of penalties or bound below 0, or no start");
  const Shape& shape = model.graph.shape(picture_input(model));
  const double share = seen_share(model, layer.node), pixels = static_cast<double>(shape[2] * shape[3]);
  InversionPlan plan;
  plan.descent.parametrisation = {.kind = "pixels", .bounds = "none"};
  if (s.preset == "mahendran2015") {
    require(s.bound == 0, ErrorKind::usage, "a bound of colours goes with mahendran2016; that of 2015 has none");
    const double square = pixels * static_cast<double>(shape[1]) * kNaturalLevel * kNaturalLevel;  // σ²
    plan.variation_form = {s.beta, "half"};
    plan.norm_form = {s.alpha, "sum"};
    plan.strength = s.strength > 0 ? s.strength : 1;
    plan.variation = s.variation * by_depth(share, 1, 10, 100, 100) / square * std::pow(255, s.beta);
    plan.norm = s.norm * 8e-10 / 2 / square * std::pow(255, s.alpha);
    plan.descent.update = "momentum";
    plan.descent.parametrisation.deviation = kNaturalLevel / 255;
    const double rate = 0.004 * square;
    plan.descent.stages = shared({{100, rate}, {200, rate / 10}, {100, rate / 100}}, s.steps);
    return plan;
  }
  plan.variation_form = {s.beta, "mean"};
  plan.norm_form = {s.alpha, "pixel"};
  plan.strength = s.strength > 0 ? s.strength : by_depth(share, 300, 100, 20, 20);
  plan.variation = s.variation * std::pow(255 / neighbour_difference(std::sqrt(pixels)), s.beta);
  const double bound = s.bound > 0 ? s.bound : kBound, b = bound / 2;  // nnpreimage's x0_max and x0_sigma
  plan.norm = s.norm * std::pow(255 / b, s.alpha);
  plan.descent.parametrisation.deviation = b / std::sqrt(3.0) / 255;
  if (s.preset == "lbfgs") {
    require(s.bound == 0, ErrorKind::usage, "a bound of colours goes with mahendran2016; lbfgs bounds by a sigmoid");
    plan.norm = s.norm * std::pow(255 / kBound, s.alpha);
    plan.descent.update = "lbfgs";
    plan.descent.parametrisation.bounds = "sigmoid";
    plan.descent.stages = {{s.steps > 0 ? s.steps : 200, 1}};
    return plan;
  }
  const double rate = 0.05 * b * b / s.alpha * pixels;
  plan.descent.update = "adaptive";
  plan.descent.bound = bound;
  plan.descent.robust.jitter = std::max(0.0, std::round((stride_of(model, layer.node) / 4 - 1) / 2));
  plan.descent.margin = static_cast<int64_t>(plan.descent.robust.jitter);
  plan.descent.stages = shared({{300, rate}, {50, rate / 10, true}}, s.steps);
  return plan;
}

double psnr(const Image& a, const Image& b) {
  require(a.width() == b.width() && a.height() == b.height() && a.channels() == b.channels() && !a.empty(),
          ErrorKind::usage, "the PSNR of pictures of {}x{}x{} and {}x{}x{}", a.height(), a.width(), a.channels(),
          b.height(), b.width(), b.channels());
  double squares = 0;
  for (int y = 0; y < a.height(); ++y)
    for (int x = 0; x < a.width(); ++x)
      for (int c = 0; c < a.channels(); ++c) {
        const double d = a.at(x, y, c) - b.at(x, y, c);
        squares += d * d;
      }
  if (squares == 0) return std::numeric_limits<double>::infinity();
  return 10 * std::log10(255.0 * 255 * a.width() * a.height() * a.channels() / squares);
}

namespace {

PictureObjective inversion_objective(const CodeLayer& layer, const InversionPlan& plan) {
  PictureObjective sum = plan.strength * reconstruction(layer);
  if (plan.variation > 0) sum = sum - plan.variation * total_variation(plan.variation_form);
  if (plan.norm > 0) sum = sum - plan.norm * alpha_norm(plan.norm_form);
  return sum;
}

// The layer's answer to one picture's levels: a graph of its own with plain pixels.
struct CodeProgram {
  CodeProgram(const Model& model, const CodeLayer& layer, Backend& backend, const CompileOptions& options)
      : preimage(model, reconstruction(layer), {}, plain(), 1) {
    const PreimageGraph& built = preimage.built();
    const Value target{built.graph.find(kCode), 0};
    Value code;  // what the target is subtracted from
    for (const Node& node : built.graph.nodes())
      if (node.op == &ops::sub && node.inputs[1] == target) code = node.inputs[0];
    Graph graph;
    const std::vector<bool> used = reachable(built.graph, std::vector<Value>{code});
    const Mapping mapping = copy(built.graph, graph, {}, &used);
    program = compile(graph, std::vector<Value>{mapping(code)}, model.weights, backend, options);
  }
  static PreimageSettings plain() {
    PreimageSettings s;
    s.parametrisation = {.kind = "pixels", .bounds = "none"};
    return s;
  }
  Tensor operator()(const Image& picture, const Preprocess& how) {
    return program.run({{kParameter, image_levels(picture, how)}})[0];
  }
  Preimage preimage;
  Program program;
};

double relative_error(const Tensor& code, const Tensor& target) {
  double difference = 0, whole = 0;
  for (int64_t i = 0; i < target.count(); ++i) {
    const double d = code.at(i) - target.at(i);
    difference += d * d;
    whole += target.at(i) * target.at(i);
  }
  return std::sqrt(difference / whole);
}

Tensor repeated(const Tensor& one, int64_t times) {
  Shape shape = one.shape();
  shape[0] = times;
  Tensor result(DType::f32, shape);
  const auto from = one.data<float>();
  auto to = result.data<float>();
  for (int64_t n = 0; n < times; ++n) std::copy(from.begin(), from.end(), to.begin() + n * one.count());
  return result;
}

}  // namespace

Inversion::~Inversion() = default;

Inversion::Inversion(const Model& model, const CodeLayer& layer, const InversionSettings& settings)
    : model_(model), layer_(layer), settings_(settings), plan_(inversion_plan(model, layer, settings)) {
  // L-BFGS would join the starts' curvatures: each runs alone.
  batch_ = settings.preset == "lbfgs" ? 1 : settings.starts;
  try {
    preimage_ = std::make_unique<Preimage>(model, inversion_objective(layer, plan_), std::vector<PictureObjective>{},
                                           plan_.descent, batch_);
  } catch (const Error& e) {
    if (batch_ == 1 || e.message().find("at once") == std::string::npos) throw;
    batch_ = 1;
    preimage_ = std::make_unique<Preimage>(model, inversion_objective(layer, plan_), std::vector<PictureObjective>{},
                                           plan_.descent, 1);
  }
}

size_t Inversion::memory_estimate() const { return preimage_->memory_estimate(); }

std::vector<Inverted> Inversion::operator()(const Context& context, const Image& fitted, Backend& backend,
                                            const CompileOptions& options) {
  const Preprocess& how = *model_.meaning.preprocess;
  CodeProgram code(model_, layer_, backend, options);
  const Tensor target = code(fitted, how);
  double squares = 0;
  for (const double v : target.to_doubles()) squares += v * v;
  require(std::isfinite(squares) && squares > 0, ErrorKind::usage,
          "layer \"{}\" answers to the picture with {}: there is nothing to invert", layer_.name,
          squares == 0 ? "nothing but zeros" : "numbers that are not finite");
  preimage_->prepare(backend, options);
  std::vector<Inverted> result;
  for (int64_t first = 0; first < settings_.starts && !context.cancelled(); first += batch_) {
    std::vector<Rng> starts;
    for (int64_t n = first; n < first + batch_; ++n)
      starts.push_back(Rng(context.seed).fork("start").fork(static_cast<uint64_t>(n)));
    const Preimages made =
        preimage_->run(context, starts, Rng(context.seed).fork("views"), {{kCode, repeated(target, batch_)}});
    step_seconds_ = made.step_seconds;
    for (int64_t n = 0; n < batch_; ++n) {
      Inverted inverted{level_image(made.levels, n, how), 0, 0, made.values[static_cast<size_t>(n)]};
      for (float& v : inverted.loss) v = -v;
      inverted.error = relative_error(code(inverted.image, how), target);
      inverted.psnr = psnr(inverted.image, how.colour == "grey" ? fitted.to_grey() : fitted.to_rgb());
      result.push_back(std::move(inverted));
    }
  }
  return result;
}

}  // namespace fovea
