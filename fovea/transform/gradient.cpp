#include "fovea/transform/gradient.h"

#include <algorithm>

#include "fovea/ops/add.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

// For each node, whether it depends on any of the values (the values' own nodes count).
std::vector<bool> depends_on(const Graph& graph, std::span<const Value> values, int end) {
  std::vector<bool> result(static_cast<size_t>(end), false);
  for (const Value v : values)
    if (v.node < end) result[static_cast<size_t>(v.node)] = true;
  for (int i = 0; i < end; ++i)
    for (const Value input : graph.node(i).inputs)
      if (input && result[static_cast<size_t>(input.node)]) result[static_cast<size_t>(i)] = true;
  return result;
}

}  // namespace

std::vector<Value> gradient(Graph& graph, Value loss, std::span<const Value> wrt, const Rules& rules, Value seed) {
  const Type loss_type = graph.type(loss);
  require(is_float(loss_type.dtype), ErrorKind::type, "the gradient of a {} value does not exist",
          to_string(loss_type.dtype));
  require(seed || loss_type.shape.count() == 1, ErrorKind::shape,
          "the loss must be one number, it is {}; reduce it first", to_string(loss_type.shape));
  if (!seed) seed = constant(graph, Tensor::full(loss_type.dtype, loss_type.shape, 1.0));
  const int end = loss.node + 1;
  const std::vector<bool> needed = depends_on(graph, wrt, end);
  std::vector<std::vector<Value>> accumulated(static_cast<size_t>(end));
  for (int i = 0; i < end; ++i) accumulated[static_cast<size_t>(i)].resize(graph.node(i).outputs.size());
  accumulated[static_cast<size_t>(loss.node)][static_cast<size_t>(loss.output)] = seed;

  for (int i = end; i-- > 0;) {
    const auto d_outputs = accumulated[static_cast<size_t>(i)];
    if (!needed[static_cast<size_t>(i)] ||
        std::none_of(d_outputs.begin(), d_outputs.end(), [](Value v) { return bool(v); }))
      continue;
    const Node node = graph.node(i);
    std::vector<bool> wanted;
    for (const Value input : node.inputs)
      wanted.push_back(input && needed[static_cast<size_t>(input.node)] && is_float(graph.dtype(input)));
    if (std::none_of(wanted.begin(), wanted.end(), [](bool w) { return w; })) continue;
    const auto rule = rules.find(node.op->name);
    const GradientFunction function = rule != rules.end() ? rule->second : node.op->gradient;
    require(function != nullptr, ErrorKind::unsupported, "{} \"{}\" has no gradient: {}", node.op->name, node.name,
            node.op->no_gradient);
    std::vector<Value> outputs;
    for (size_t k = 0; k < node.outputs.size(); ++k) outputs.push_back({i, static_cast<int>(k)});
    const std::vector<Value> d_inputs = function({graph, node, outputs, d_outputs, wanted});
    require(d_inputs.size() <= node.inputs.size(), ErrorKind::internal, "{}: gradient returned {} values for {} inputs",
            node.op->name, d_inputs.size(), node.inputs.size());
    for (size_t k = 0; k < d_inputs.size(); ++k) {
      if (!d_inputs[k] || !wanted[k]) continue;
      const Value input = node.inputs[k];
      require(graph.type(d_inputs[k]) == graph.type(input), ErrorKind::internal,
              "{}: gradient of input {} is {}, the input is {}", node.op->name, k, to_string(graph.type(d_inputs[k])),
              to_string(graph.type(input)));
      Value& sum = accumulated[static_cast<size_t>(input.node)][static_cast<size_t>(input.output)];
      sum = sum ? add(graph, sum, d_inputs[k]) : d_inputs[k];
    }
  }

  std::vector<Value> result;
  for (const Value v : wrt) {
    const Value found =
        v.node < end ? accumulated[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)] : Value{};
    result.push_back(found ? found : constant(graph, Tensor(graph.dtype(v), graph.shape(v))));
  }
  return result;
}

}  // namespace fovea
