#include "fovea/graph/op.h"
#include "fovea/ops/input.h"
#include "fovea/transform/rewrite.h"

namespace fovea {

namespace {

// Larger results become parameters, so that their memory can be let go once they are prepared.
constexpr int64_t kSmall = 1024;

class Folder {
 public:
  Folder(const Graph& graph, const Weights& weights, const std::set<std::string>& variable)
      : graph_(graph), weights_(weights) {
    foldable_.resize(static_cast<size_t>(graph.size()));
    values_.resize(static_cast<size_t>(graph.size()));
    for (int i = 0; i < graph.size(); ++i) foldable_[static_cast<size_t>(i)] = is_foldable(i, variable);
  }

  bool foldable(int node) const { return foldable_[static_cast<size_t>(node)]; }

  // Lets go of a node's value; it would be computed anew.
  void forget(int node) { values_[static_cast<size_t>(node)].clear(); }

  // The value of a foldable node's output; computed on first use.
  const Tensor& value(Value v) {
    auto& outputs = values_[static_cast<size_t>(v.node)];
    if (outputs.empty()) outputs = compute(v.node);
    return outputs[static_cast<size_t>(v.output)];
  }

 private:
  bool is_foldable(int index, const std::set<std::string>& variable) const {
    const Node& node = graph_.node(index);
    if (graph_.known({index, 0}) && node.outputs.size() == 1) return node.op != &ops::input;
    if (node.op == &ops::parameter) return weights_.contains(node.name) && !variable.contains(node.name);
    if (node.inputs.empty() || !node.op->reference) return false;
    size_t from = 0, to = 0;
    for (const Value input : node.inputs) {
      if (!input) continue;
      if (!foldable(input.node)) return false;
      from += graph_.type(input).bytes();
    }
    for (const Type& type : node.outputs) to += type.bytes();
    return to <= 2 * from + (size_t{1} << 16);
  }

  std::vector<Tensor> compute(int index) {
    const Node& node = graph_.node(index);
    if (const Tensor* known = graph_.known({index, 0}); known && node.outputs.size() == 1) return {*known};
    if (node.op == &ops::parameter) return {weights_.find(node.name)->second};
    std::vector<Tensor> inputs, outputs;
    for (const Value input : node.inputs) inputs.push_back(input ? value(input) : Tensor());
    for (const Type& type : node.outputs) outputs.emplace_back(type.dtype, type.shape);
    node.op->reference({node, inputs, outputs});
    for (const Tensor& input : inputs) input.release_pages(0, input.bytes());
    return outputs;
  }

  const Graph& graph_;
  const Weights& weights_;
  std::vector<bool> foldable_;
  std::vector<std::vector<Tensor>> values_;
};

}  // namespace

Rewritten fold_constants(const Graph& graph, std::span<const Value> wants, Weights& weights,
                         const std::set<std::string>& variable) {
  Folder folder(graph, weights, variable);
  // A foldable node becomes a constant only where something that is not foldable uses it.
  std::vector<bool> needed(static_cast<size_t>(graph.size()), false);
  for (const Value want : wants) needed[static_cast<size_t>(want.node)] = true;
  for (int i = 0; i < graph.size(); ++i)
    if (!folder.foldable(i))
      for (const Value input : graph.node(i).inputs)
        if (input) needed[static_cast<size_t>(input.node)] = true;
  Rewritten result;
  Weights additions;
  rewrite(
      graph, wants,
      [&](int index, std::span<const Value>) -> std::vector<Value> {
        const Node& node = graph.node(index);
        if (!folder.foldable(index) || node.op == &ops::parameter || node.op == &ops::constant) return {};
        if (!needed[static_cast<size_t>(index)]) return {Value{0, 0}};  // never looked at
        std::vector<Value> folded;
        for (size_t k = 0; k < node.outputs.size(); ++k) {
          const Tensor& value = folder.value({index, static_cast<int>(k)});
          const std::string name = k == 0 ? node.name : fmt::format("{}:{}", node.name, k);
          if (value.count() <= kSmall) {
            folded.push_back(constant(result.graph, value, name));
          } else {
            folded.push_back(parameter(result.graph, name, node.outputs[k]));
            additions[result.graph.node(folded.back()).name] = value;
          }
        }
        folder.forget(index);
        return folded;
      },
      result);
  for (auto& [name, value] : additions) weights[name] = std::move(value);
  return result;
}

}  // namespace fovea
