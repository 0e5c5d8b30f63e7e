#include "fovea/ops/add.h"
#include "fovea/ops/channel_affine.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/fused_conv.h"
#include "fovea/ops/relu.h"
#include "fovea/transform/rewrite.h"

namespace fovea {

namespace {

// What one convolution or channel_affine swallows: the nodes after it, and the residual operand.
struct Chain {
  int head = -1;  // the convolution
  int add = -1, relu = -1;
  Value residual;
  int last() const { return relu >= 0 ? relu : add >= 0 ? add : head; }
};

class Fuser {
 public:
  Fuser(const Graph& graph, std::span<const Value> wants)
      : graph_(graph), uses_(uses(graph)), wanted_(wants.begin(), wants.end()) {
    taken_.resize(static_cast<size_t>(graph.size()), false);
    for (int i = graph.size(); i-- > 0;)
      find_chain(i);  // last first: of two convolutions that are added, the later one absorbs the sum
  }
  // The chain that ends in a node, or null.
  const Chain* ending_at(int node) const {
    const auto found = by_last_.find(node);
    return found == by_last_.end() ? nullptr : &found->second;
  }
  // The chain that swallows an addition, or null.
  const Chain* adding_at(int node) const {
    const auto found = by_add_.find(node);
    return found == by_add_.end() ? nullptr : &by_last_.at(found->second);
  }
  // Swallowed into a chain that ends later.
  bool inside(int node) const { return taken_[static_cast<size_t>(node)] && !by_last_.contains(node); }

 private:
  // The only user of a node's only used output, or -1.
  int only_user(int node) const {
    const auto& outputs = uses_[static_cast<size_t>(node)];
    if (wanted_.contains({node, 0}) || outputs[0].size() != 1) return -1;
    return outputs[0][0].node;
  }

  void find_chain(int index) {
    const Node& node = graph_.node(index);
    const bool convolution = node.op == &ops::conv;
    if ((!convolution && node.op != &ops::channel_affine) || node.outputs[0].dtype != DType::f32) return;
    Chain chain{index};
    int user = only_user(index);
    if (convolution && user >= 0 && graph_.node(user).op == &ops::add && !taken_[static_cast<size_t>(user)]) {
      const auto& operands = graph_.node(user).inputs;
      const Value other = operands[0].node == index ? operands[1] : operands[0];
      if (other.node != index && graph_.type(other) == node.outputs[0]) {
        chain.add = user;
        chain.residual = other;
        user = only_user(user);
      }
    }
    if (user >= 0 && graph_.node(user).op == &ops::relu && !taken_[static_cast<size_t>(user)]) chain.relu = user;
    for (const int n : {chain.head, chain.add, chain.relu})
      if (n >= 0) taken_[static_cast<size_t>(n)] = true;
    by_last_[chain.last()] = chain;
    if (chain.add >= 0) by_add_[chain.add] = chain.last();
  }

  const Graph& graph_;
  std::vector<std::vector<std::vector<Use>>> uses_;
  std::set<Value> wanted_;
  std::vector<bool> taken_;
  std::map<int, Chain> by_last_;
  std::map<int, int> by_add_;  // addition → last node of its chain
};

}  // namespace

Rewritten fuse(const Graph& graph, std::span<const Value> wants) {
  const Fuser fuser(graph, wants);
  Rewritten result;
  std::map<int, std::vector<Value>> operands;  // of the heads, by old index
  std::map<int, Value> residuals;              // of the heads, by old index
  rewrite(
      graph, wants,
      [&](int index, std::span<const Value> inputs) -> std::vector<Value> {
        const Node& node = graph.node(index);
        if (node.op == &ops::conv || node.op == &ops::channel_affine)
          operands[index].assign(inputs.begin(), inputs.end());
        if (const Chain* chain = fuser.adding_at(index))
          residuals[chain->head] = inputs[node.inputs[0] == chain->residual ? 0 : 1];
        if (fuser.inside(index)) return {inputs[0]};  // never looked at
        const Chain* chain = fuser.ending_at(index);
        if (!chain) return {};
        const Node& head = graph.node(chain->head);
        std::vector<Value> of_head = operands.at(chain->head);
        if (head.op == &ops::channel_affine) {
          ChannelAffineAttributes a = head.attributes.as<ChannelAffineAttributes>();
          if (chain->relu >= 0) a.activation = "relu";
          return {result.graph.add(ops::channel_affine, of_head, a, head.name, head.origin)};
        }
        const auto& a = head.attributes.as<ConvAttributes>();
        of_head.resize(3);
        if (chain->add >= 0) of_head.push_back(residuals.at(chain->head));
        else if (!of_head[2]) of_head.pop_back();
        return {result.graph.add(
            ops::fused_conv, of_head,
            FusedConvAttributes{a.stride, a.dilation, a.pad, a.groups, a.auto_pad, chain->relu >= 0 ? "relu" : ""},
            head.name, head.origin)};
      },
      result);
  return result;
}

}  // namespace fovea
