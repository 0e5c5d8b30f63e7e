// N(0, gain² · v / fan), the uniform distribution of the same variance, or gain · an orthogonal matrix; see the header
// for kinds and sources. Fans: with g groups and a window of k positions, an output of a convolution I → O sums over
// I/g · k weights, and an input reaches O/g · k of them.
#include "fovea/model/initialise.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <span>
#include <string_view>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/base/parallel.h"
#include "fovea/base/rng.h"
#include "fovea/base/wildcard.h"
#include "fovea/graph/op.h"
#include "fovea/model/orthogonal.h"
#include "fovea/model/residual_blocks.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/fused_conv.h"

namespace fovea {

namespace {

struct Kind {
  std::string_view name;
  double variance = 1;  // times the fan
  bool mean_fan = false;
  enum Draw { normal, uniform, orthogonal } draw = normal;
};
constexpr Kind kKinds[] = {{"he_normal", 2, false, Kind::normal},     {"he_uniform", 2, false, Kind::uniform},
                           {"xavier_normal", 1, true, Kind::normal},  {"xavier_uniform", 1, true, Kind::uniform},
                           {"lecun_normal", 1, false, Kind::normal},  {"lecun_uniform", 1, false, Kind::uniform},
                           {"orthogonal", 1, false, Kind::orthogonal}};

// A layer's weights as `matrices` row-major matrices, one after another.
struct LayerWeights {
  int64_t fan_in = 1, fan_out = 1;
  int64_t matrices = 1, rows = 1, columns = 1;
};

// What a parameter starts from: one value, unless it is a layer's weights.
struct Start {
  double mean = 0;
  bool layer = false;
  LayerWeights weights = {};
};

int64_t groups_of(const Node& node) {
  const std::string_view op = node.op->name;
  if (op == "conv") return node.attributes.as<ConvAttributes>().groups;
  if (op == "fused_conv") return node.attributes.as<FusedConvAttributes>().groups;
  return node.attributes.as<ConvAdjointAttributes>().groups;
}

Start layer(int64_t fan_in, int64_t fan_out, int64_t matrices, int64_t rows, int64_t columns) {
  const auto one = [](int64_t n) { return std::max<int64_t>(1, n); };
  return {0, true, {one(fan_in), one(fan_out), one(matrices), rows, columns}};
}

// A weight [A, B/g, window]: of g matrices A/g × (B/g · window).
Start convolution(const Node& user, const Shape& shape, bool transposed) {
  const int64_t groups = std::max<int64_t>(1, groups_of(user)), window = shape.count(2, shape.rank());
  const int64_t first = shape[0] / groups * window, second = shape[1] * window;
  return layer(transposed ? first : second, transposed ? second : first, groups, shape[0] / groups, second);
}

// What a parameter starts from, told by the node that reads it at position `input`.
Start start_of(const Node& user, int input, const Shape& shape) {
  const std::string_view op = user.op->name;
  if (op == "batch_norm" || op == "batch_norm_training") return {input == 1 || input == 4 ? 1.0 : 0.0};
  if (op == "prelu" && input == 1) return {0.25};
  if (op == "mul") return {1};  // a learnt scale
  if (input != 1 || shape.rank() < 2) return {};
  if (op == "conv" || op == "fused_conv") return convolution(user, shape, false);
  if (op == "conv_input_gradient") return convolution(user, shape, true);
  if (op == "locally_connected") {  // P,O,I,window
    const int64_t sums = shape.count(2, shape.rank());
    return layer(sums, shape[1] * shape.count(3, shape.rank()), shape[0], shape[1], sums);
  }
  if (op == "gemm" || op == "matmul") {
    const int64_t rows = shape[shape.size() - 2], columns = shape.back();
    const int64_t outputs = std::max<int64_t>(1, user.outputs[0].shape.back());
    return layer(rows * columns / outputs, outputs, shape.count(0, shape.rank() - 2), rows, columns);
  }
  return {};
}

// Whether the layer is the transform gate T of a highway layer: its sigmoid is also used as 1 − T.
bool is_transform_gate(const Graph& graph, const std::vector<std::vector<std::vector<Use>>>& users, int layer) {
  for (const Use& sigmoid : users[static_cast<size_t>(layer)][0]) {
    if (graph.node(sigmoid.node).op->name != "sigmoid") continue;
    for (const Use& use : users[static_cast<size_t>(sigmoid.node)][0]) {
      const Node& node = graph.node(use.node);
      const Tensor* one = node.op->name == "sub" && use.input == 1 ? graph.known(node.inputs[0]) : nullptr;
      if (one && one->count() == 1 && one->at(0) == 1) return true;
    }
  }
  return false;
}

const Kind& checked(const Initialisation& how) {
  const Kind* kind = nullptr;
  for (const Kind& k : kKinds)
    if (k.name == how.kind) kind = &k;
  require(kind, ErrorKind::usage, "there is no initialisation \"{}\"{}", how.kind,
          did_you_mean(how.kind, initialisation_kinds()));
  require(how.fan == "in" || how.fan == "out" || how.fan == "mean", ErrorKind::usage,
          "the fan is \"{}\", expected in, out or mean", how.fan);
  require(how.gain > 0 && std::isfinite(how.gain), ErrorKind::usage, "the gain is {}, expected above 0", how.gain);
  return *kind;
}

// Factors of the parameters that scale residual branches, by node index; none for those that start as any other.
std::map<int, double> branch_factors(const Graph& graph, const std::string& rule) {
  require(rule == "one" || rule == "zero" || rule == "depth" || rule == "auto", ErrorKind::usage,
          "the residual scale is \"{}\", expected one, zero, depth or auto", rule);
  constexpr size_t kDeep = 60;  // blocks; 50 in ResNet-152, 54 in the CIFAR networks of 110 layers
  std::map<int, double> factors;
  if (rule == "one") return factors;
  const std::vector<ResidualBlock> blocks = residual_blocks(graph);
  if (rule == "auto" && blocks.size() <= kDeep) return factors;
  const double factor = rule == "zero" ? 0 : 1 / std::sqrt(static_cast<double>(blocks.size()));
  for (const ResidualBlock& block : blocks) factors[block.scale.node] = factor;
  return factors;
}

double deviation_of(const LayerWeights& weights, const Kind& kind, const Initialisation& how) {
  const auto in = static_cast<double>(weights.fan_in), out = static_cast<double>(weights.fan_out);
  const bool mean = kind.mean_fan || how.fan == "mean";
  return how.gain * std::sqrt(kind.variance / (mean ? (in + out) / 2 : how.fan == "out" ? out : in));
}

void draw(std::span<float> data, const Kind& kind, double deviation, const Rng& rng) {
  const double limit = std::sqrt(3.0) * deviation;
  parallel_for(static_cast<int64_t>(data.size()), 1 << 14, [&](int64_t i) {
    const auto at = static_cast<uint64_t>(i);
    const double x = kind.draw == Kind::uniform ? limit * (2 * rng.uniform_double(at) - 1) : deviation * rng.normal(at);
    data[static_cast<size_t>(i)] = static_cast<float>(x);
  });
}

void draw_orthogonal(std::span<float> data, const LayerWeights& weights, double factor, const Rng& rng) {
  const int64_t rows = weights.rows, columns = weights.columns, size = rows * columns;
  const bool tall = rows > columns;  // then the columns are made orthonormal
  std::vector<double> matrix(static_cast<size_t>(size));
  const auto place = [&](int64_t i) { return static_cast<size_t>(tall ? i % columns * rows + i / columns : i); };
  for (int64_t first = 0; size > 0 && first + size <= static_cast<int64_t>(data.size()); first += size) {
    parallel_for(size, 1 << 14, [&](int64_t i) { matrix[place(i)] = rng.normal(static_cast<uint64_t>(first + i)); });
    orthonormalise(matrix, std::min(rows, columns), std::max(rows, columns));
    for (int64_t i = 0; i < size; ++i)
      data[static_cast<size_t>(first + i)] = static_cast<float>(factor * matrix[place(i)]);
  }
}

// Each group's first outputs pass its inputs on.
void pass_maps_on(Tensor& weight, int64_t groups) {
  const Shape& s = weight.shape();  // O, I/g, window
  const int64_t outputs = s[0] / std::max<int64_t>(1, groups), inputs = s[1], window = s.count(2, s.rank());
  int64_t middle = 0;
  for (int64_t axis = 2; axis < static_cast<int64_t>(s.rank()); ++axis) middle = middle * s[axis] + s[axis] / 2;
  const auto data = weight.data<float>();
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t o = 0; o < std::min(outputs, inputs); ++o) {
      const auto filter =
          data.subspan(static_cast<size_t>((g * outputs + o) * inputs * window), static_cast<size_t>(inputs * window));
      std::fill(filter.begin(), filter.end(), 0.0f);
      filter[static_cast<size_t>(o * window + middle)] = 1;
    }
}

// Sees to it that every pattern speaks of a weight.
void check_patterns(const Graph& graph, const std::vector<std::string>& patterns) {
  const auto users = uses(graph);
  for (const std::string& pattern : patterns) {
    std::vector<std::string> names;
    bool found = false;
    for (const Value p : graph.parameters()) {
      const auto& readers = users[static_cast<size_t>(p.node)][0];
      if (readers.empty() || readers[0].input != 1 || graph.node(readers[0].node).op->name != "conv") continue;
      names.push_back(graph.node(p).name);
      found = found || fits(pattern, names.back());
    }
    require(found, ErrorKind::usage, "initialisation.identity: no convolution's weight is called \"{}\"{}", pattern,
            did_you_mean(pattern, names));
  }
}

}  // namespace

const std::vector<std::string>& initialisation_kinds() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Kind& k : kKinds) all.emplace_back(k.name);
    return all;
  }();
  return names;
}

Weights initial_weights(const Graph& graph, uint64_t seed, const Initialisation& how) {
  const Kind& kind = checked(how);
  const std::map<int, double> factors = branch_factors(graph, how.residual_scale);
  Weights weights;
  check_patterns(graph, how.identity);
  const auto users = uses(graph);
  for (const Value p : graph.parameters()) {
    const Node& node = graph.node(p);
    const auto& readers = users[static_cast<size_t>(p.node)][0];
    Start start =
        readers.empty() ? Start{} : start_of(graph.node(readers[0].node), readers[0].input, node.outputs[0].shape);
    if (!readers.empty() && readers[0].input == 2 && is_transform_gate(graph, users, readers[0].node)) start.mean = -2;
    const auto scale = factors.find(p.node);
    const double factor = scale == factors.end() ? 1 : scale->second;
    Tensor value(DType::f32, node.outputs[0].shape);
    const auto data = value.data<float>();
    const Rng rng = Rng(seed).fork(node.name);
    if (!start.layer) std::fill(data.begin(), data.end(), static_cast<float>(factor * start.mean));
    else if (kind.draw == Kind::orthogonal) draw_orthogonal(data, start.weights, factor * how.gain, rng);
    else draw(data, kind, factor * deviation_of(start.weights, kind, how), rng);
    const bool convolves = start.layer && graph.node(readers[0].node).op == &ops::conv;
    if (convolves && fits_any(how.identity, node.name)) pass_maps_on(value, groups_of(graph.node(readers[0].node)));
    weights[node.name] = node.outputs[0].dtype == DType::f32 ? value : value.cast(node.outputs[0].dtype);
  }
  return weights;
}

}  // namespace fovea
