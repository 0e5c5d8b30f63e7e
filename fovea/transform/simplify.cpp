#include <algorithm>
#include <unordered_map>

#include "fovea/graph/op.h"
#include "fovea/ops/adaptive_average_pool.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/batch_norm_training.h"
#include "fovea/ops/input.h"
#include "fovea/ops/reduce.h"
#include "fovea/transform/rewrite.h"

namespace fovea {

namespace {

bool is_full_of(const Tensor* known, double value) {
  if (!known || known->count() == 0 || known->count() > 4096) return false;
  for (int64_t i = 0; i < known->count(); ++i)
    if (known->at(i) != value) return false;
  return true;
}

// The input that a node merely passes on, or "not given".
Value passed_on(const Graph& graph, const Node& node) {
  const std::string_view op = node.op->name;
  if (op == "identity" || op == "dropout")
    return node.outputs[0] == graph.type(node.inputs[0]) && (op == "identity" || node.inputs.size() < 2)
               ? node.inputs[0]
               : Value{};
  if (op == "reshape" || op == "expand" || op == "flatten" || op == "cast" || op == "squeeze" || op == "unsqueeze" ||
      op == "slice" || op == "pad" || op == "tile" || op == "adaptive_average_pool")
    return node.outputs[0] == graph.type(node.inputs[0]) && !(op == "pad" || op == "slice") ? node.inputs[0] : Value{};
  if (op == "concat" && node.inputs.size() == 1) return node.inputs[0];
  if (op == "add" || op == "mul")
    for (const size_t k : {0, 1})
      if (graph.type(node.inputs[1 - k]) == node.outputs[0] &&
          is_full_of(graph.known(node.inputs[k]), op == "add" ? 0 : 1))
        return node.inputs[1 - k];
  return {};
}

// Windows that divide the input evenly are those of an ordinary average pool.
std::vector<Value> as_average_pool(Graph& to, const Node& node, Value x) {
  const Shape &in = to.shape(x), &out = node.outputs[0].shape;
  AveragePoolAttributes a;
  for (size_t k = 2; k < in.size(); ++k) {
    if (in[k] % out[k] != 0) return {};
    a.kernel.push_back(in[k] / out[k]);
  }
  a.stride = a.kernel;
  const Value y = average_pool(to, x, a);
  to.rename(y.node, node.name);
  return {y};
}

// Whether a node sums a batch norm's gradient dx over all but the channels, as the gradient of a bias before it does:
// with dx = a (e − Σe/M − z Σ(e z)/M) and Σz = 0 that is 0, whatever e.
bool sums_gradient_of_norm(const Graph& graph, const Node& node) {
  if (node.op != &ops::reduce || node.inputs[0].output != 0) return false;
  const Node& gradient = graph.node(node.inputs[0]);
  if (gradient.op != &ops::batch_norm_training_gradient) return false;
  const Value mean = gradient.inputs[3], variance = gradient.inputs[4];
  const Node& norm = graph.node(mean);
  if (norm.op != &ops::batch_norm_training || mean.output != 1 || variance != Value{mean.node, 2} ||
      norm.inputs[0] != gradient.inputs[1])
    return false;
  const auto& a = node.attributes.as<ReduceAttributes>();
  const int64_t rank = gradient.outputs[0].shape.rank();
  std::set<int64_t> axes;
  for (const int64_t axis : a.axes) axes.insert(normal_axis(axis, rank, "reduce"));
  return a.kind == "sum" && static_cast<int64_t>(axes.size()) == rank - 1 && !axes.contains(1);
}

}  // namespace

void rewrite(const Graph& graph, std::span<const Value> wants, const Replace& replace, Rewritten& result) {
  std::vector<bool> keep = reachable(graph, wants);
  for (const Value input : graph.inputs()) keep[static_cast<size_t>(input.node)] = true;
  result.map = copy(graph, result.graph, replace, &keep);
  for (const NamedValue& output : graph.outputs)
    if (keep[static_cast<size_t>(output.value.node)])
      result.graph.outputs.push_back({output.name, result.map(output.value)});
}

Rewritten eliminate_dead_code(const Graph& graph, std::span<const Value> wants) {
  Rewritten result;
  rewrite(graph, wants, {}, result);
  return result;
}

Rewritten simplify(const Graph& graph, std::span<const Value> wants) {
  Rewritten result;
  const auto every_use = uses(graph);
  const Replace replace = [&](int index, std::span<const Value> inputs) -> std::vector<Value> {
    const Node& node = graph.node(index);
    if (sums_gradient_of_norm(graph, node))
      return {constant(result.graph, Tensor(node.outputs[0].dtype, node.outputs[0].shape))};
    const Value through = passed_on(graph, node);
    if (!through && node.op == &ops::adaptive_average_pool) return as_average_pool(result.graph, node, inputs[0]);
    if (!through) return {};
    for (size_t k = 1; k < node.outputs.size(); ++k)
      if (!every_use[static_cast<size_t>(index)][k].empty()) return {};  // a second output (a mask) is in use
    for (size_t k = 0; k < node.inputs.size(); ++k)
      if (node.inputs[k] == through) return {inputs[k]};
    return {};
  };
  rewrite(graph, wants, replace, result);
  return result;
}

Rewritten eliminate_common_subexpressions(const Graph& graph, std::span<const Value> wants) {
  // Works on old indices: same[i] is the earliest node equal to i.
  std::vector<int> same(static_cast<size_t>(graph.size()));
  std::unordered_multimap<size_t, int> seen;
  const auto canonical = [&](Value v) { return v ? Value{same[static_cast<size_t>(v.node)], v.output} : v; };
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    same[static_cast<size_t>(i)] = i;
    if (node.op->name == "input" || node.op->name == "parameter") continue;
    size_t hash = node.attributes.hash() ^ std::hash<std::string_view>{}(node.op->name);
    for (const Value input : node.inputs)
      hash = hash * 1000003 + static_cast<size_t>(canonical(input).node * 8 + input.output);
    const auto [begin, end] = seen.equal_range(hash);
    for (auto it = begin; it != end; ++it) {
      const Node& other = graph.node(it->second);
      if (other.op != node.op || other.inputs.size() != node.inputs.size() || !(other.attributes == node.attributes))
        continue;
      bool equal = true;
      for (size_t k = 0; k < node.inputs.size(); ++k)
        equal = equal && canonical(node.inputs[k]) == canonical(other.inputs[k]);
      if (equal) {
        same[static_cast<size_t>(i)] = it->second;
        break;
      }
    }
    if (same[static_cast<size_t>(i)] == i) seen.emplace(hash, i);
  }
  Rewritten result;
  std::vector<std::vector<Value>> images(static_cast<size_t>(graph.size()));
  const Replace replace = [&](int index, std::span<const Value> inputs) -> std::vector<Value> {
    const int first = same[static_cast<size_t>(index)];
    if (first != index && !images[static_cast<size_t>(first)].empty()) return images[static_cast<size_t>(first)];
    const Node& node = graph.node(index);
    const Value added =
        result.graph.add(*node.op, {inputs.begin(), inputs.end()}, node.attributes, node.name, node.origin);
    for (size_t k = 0; k < node.outputs.size(); ++k)
      images[static_cast<size_t>(index)].push_back({added.node, static_cast<int>(k)});
    return images[static_cast<size_t>(index)];
  };
  rewrite(graph, wants, replace, result);
  return result;
}

}  // namespace fovea
