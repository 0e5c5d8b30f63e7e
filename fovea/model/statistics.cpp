#include "fovea/model/statistics.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "fovea/model/conventions.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

std::vector<Value> output_values(const Graph& graph) {
  std::vector<Value> wants;
  for (const NamedValue& output : graph.outputs) wants.push_back(output.value);
  return wants;
}

// The mean and variance that a batch norm has gathered are no trainable parameters.
bool is_running_statistic(const Graph& graph, Value v, const Node& user) {
  return user.op == &ops::batch_norm && graph.node(v).op == &ops::parameter &&
         (user.inputs[3] == v || user.inputs[4] == v);
}

std::vector<Type> input_types(const Graph& graph, const Node& node) {
  std::vector<Type> types;
  for (const Value v : node.inputs) types.push_back(v ? graph.type(v) : Type{DType::f32, {0}});
  return types;
}

// Elements of the weights that each node reads, directly or through nodes that do not depend on an input; each counted
// once.
class WeightCounter {
 public:
  explicit WeightCounter(const Graph& graph) : graph_(graph), dynamic_(static_cast<size_t>(graph.size()), false) {
    for (int i = 0; i < graph.size(); ++i) {
      const Node& node = graph.node(i);
      bool depends = node.op == &ops::input && !node.attributes.as<InputAttributes>().bound;
      for (const Value v : node.inputs) depends = depends || (v && dynamic(v.node));
      dynamic_[static_cast<size_t>(i)] = depends;
    }
  }
  bool dynamic(int node) const { return dynamic_[static_cast<size_t>(node)]; }
  int64_t first_used_by(int index) {
    int64_t total = 0;
    for (const Value v : graph_.node(index).inputs)
      if (v && !dynamic(v.node)) total += claim(v.node, index);
    return total;
  }

 private:
  int64_t claim(int index, int user) {
    if (is_running_statistic(graph_, {index, 0}, graph_.node(user))) return 0;
    if (!seen_.insert(index).second) return 0;
    const Node& node = graph_.node(index);
    if (node.op == &ops::parameter) return node.outputs[0].shape.count();
    // Files may hold weights as constants: those of layers that multiply and add count.
    if (node.op == &ops::constant && is_float(node.outputs[0].dtype) && node.outputs[0].shape.rank() > 0 &&
        is_layer(user))
      return node.outputs[0].shape.count();
    int64_t total = 0;
    for (const Value v : node.inputs)
      if (v) total += claim(v.node, user);
    return total;
  }
  bool is_layer(int index) const {
    const Node& node = graph_.node(index);
    const auto types = input_types(graph_, node);
    return (node.op->cost && node.op->cost(node, types).macs > 0) ||
           node.op->name.find("norm") != std::string_view::npos;
  }
  const Graph& graph_;
  std::vector<bool> dynamic_;
  std::set<int> seen_;
};

size_t peak_activations(const Graph& graph, const std::vector<bool>& needed, const WeightCounter& weights) {
  std::vector<int> last(static_cast<size_t>(graph.size()), -1);
  for (int i = 0; i < graph.size(); ++i)
    if (needed[static_cast<size_t>(i)])
      for (const Value v : graph.node(i).inputs)
        if (v) last[static_cast<size_t>(v.node)] = i;
  for (const NamedValue& output : graph.outputs) last[static_cast<size_t>(output.value.node)] = graph.size();
  size_t alive = 0, peak = 0;
  for (int i = 0; i < graph.size(); ++i) {
    if (!needed[static_cast<size_t>(i)] || !weights.dynamic(i)) continue;
    alive += graph.node(i).outputs[0].bytes();
    peak = std::max(peak, alive);
    for (int j = 0; j <= i; ++j)
      if (last[static_cast<size_t>(j)] == i && weights.dynamic(j)) alive -= graph.node(j).outputs[0].bytes();
  }
  return peak;
}

}  // namespace

ModelStatistics statistics_of(const Model& model) {
  const Graph& graph = model.graph;
  const std::vector<Value> wants = output_values(graph);
  const std::vector<bool> needed = reachable(graph, wants);
  std::vector<std::vector<ReceptiveField>> fields(static_cast<size_t>(graph.size()));
  const auto inputs = graph.inputs();
  if (const int named = graph.find(model.meaning.input); named >= 0) fields = receptive_fields(graph, {named, 0});
  else if (!inputs.empty()) fields = receptive_fields(graph, inputs[0]);
  ModelStatistics result;
  WeightCounter weights(graph);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (!needed[static_cast<size_t>(i)] || !weights.dynamic(i) || node.op == &ops::input) continue;
    LayerStatistics layer;
    layer.node = i;
    layer.parameters = weights.first_used_by(i);
    const Cost cost = node.op->cost ? node.op->cost(node, input_types(graph, node))
                                    : Cost{static_cast<double>(node.outputs[0].shape.count()), 0};
    layer.macs = cost.macs;
    layer.flops = cost.flops;
    layer.receptive_field = fields[static_cast<size_t>(i)];
    result.parameters += layer.parameters;
    result.macs += layer.macs;
    result.flops += layer.flops;
    result.layers.push_back(std::move(layer));
  }
  for (const auto& [name, tensor] : model.weights) result.weight_bytes += tensor.bytes();
  for (const Value p : graph.parameters())  // a network that has no weights yet
    if (!model.weights.contains(graph.node(p).name)) result.weight_bytes += graph.type(p).bytes();
  result.activation_bytes = peak_activations(graph, needed, weights);
  return result;
}

WeightStatistics statistics_of(const std::string& name, const Tensor& weight, int bins) {
  WeightStatistics s;
  s.name = name;
  s.shape = weight.shape();
  s.histogram.assign(static_cast<size_t>(bins), 0);
  const int64_t count = weight.count();
  if (count == 0) return s;
  const Tensor values = weight.dtype() == DType::f32 ? weight : weight.cast(DType::f32);
  const auto data = values.data<float>();
  double sum = 0, squares = 0;
  int64_t zeros = 0;
  s.min = s.max = data[0];
  for (const float v : data) {
    sum += v;
    squares += static_cast<double>(v) * v;
    zeros += v == 0;
    s.min = std::min<double>(s.min, v);
    s.max = std::max<double>(s.max, v);
  }
  s.mean = sum / static_cast<double>(count);
  s.std = std::sqrt(std::max(0.0, squares / static_cast<double>(count) - s.mean * s.mean));
  s.zeros = static_cast<double>(zeros) / static_cast<double>(count);
  const double width = s.max - s.min;
  for (const float v : data) {
    const double t = width > 0 ? (v - s.min) / width * bins : 0;
    s.histogram[static_cast<size_t>(std::isfinite(t) ? std::clamp<double>(t, 0, bins - 1) : 0)]++;
  }
  return s;
}

}  // namespace fovea
