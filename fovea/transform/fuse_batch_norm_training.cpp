// The nodes around batch norms in training, gathered into groups that become one node each:
//   forward   batch_norm_training (+ add) (+ relu), each used by the next alone
//   backward  (add +) relu_gradient + the batch_norm_training_gradient that takes it
// A group is emitted when everything it takes is there: the order of the nodes changes where a residual is computed
// behind the norm, or where a norm's gradient moves up to its relu_gradient.
#include <queue>

#include "fovea/ops/add.h"
#include "fovea/ops/batch_norm_training.h"
#include "fovea/ops/fused_batch_norm_training.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/relu.h"
#include "fovea/transform/rewrite.h"

namespace fovea {

namespace {

struct Group {
  int norm = -1;            // batch_norm_training or its gradient
  int add = -1, relu = -1;  // relu or relu_gradient
  bool forward = true;
  Value bias;  // backward: by which the ReLU's condition is found again; not given: its output is read
  std::vector<int> members() const {
    std::vector<int> result{norm};
    if (add >= 0) result.push_back(add);
    if (relu >= 0) result.push_back(relu);
    return result;
  }
  // Where the group stands among the other nodes, as soon as it can.
  int place() const { return forward ? norm : relu; }
};

class Fuser {
 public:
  Fuser(const Graph& graph, std::span<const Value> wants)
      : graph_(graph), uses_(uses(graph)), wanted_(wants.begin(), wants.end()), keep_(reachable(graph, wants)) {
    for (const Value input : graph.inputs()) keep_[index(input.node)] = true;
    group_of_.resize(index(graph.size()), -1);
    for (const Node& node : graph.nodes()) gated_ |= node.op == &ops::gate;
    for (int i = 0; i < graph.size(); ++i)
      if (keep_[index(i)] && graph.node(i).op == &ops::batch_norm_training) add_group(forward_from(i));
    for (int i = 0; i < graph.size(); ++i)
      if (keep_[index(i)] && graph.node(i).op == &ops::batch_norm_training_gradient) add_group(backward_from(i));
  }

  // The graph with its groups as single nodes; nothing where they cannot be brought into an order.
  std::optional<Rewritten> fused() {
    count_edges();
    std::priority_queue<int, std::vector<int>, std::greater<>> ready;
    size_t left = 0;
    for (int i = 0; i < graph_.size(); ++i)
      if (keep_[index(i)] && place_of(i) == i) {
        ++left;
        if (pending_[index(i)] == 0) ready.push(i);
      }
    result_.map.map_.resize(index(graph_.size()));
    for (int i = 0; i < graph_.size(); ++i) result_.map.map_[index(i)].resize(graph_.node(i).outputs.size());
    while (!ready.empty()) {
      const int i = ready.top();
      ready.pop();
      --left;
      emit(i);
      for (const int user : users_[index(i)])
        if (--pending_[index(user)] == 0) ready.push(user);
    }
    if (left > 0) return std::nullopt;
    for (const NamedValue& output : graph_.outputs)
      if (const Value v = result_.map(output.value)) result_.graph.outputs.push_back({output.name, v});
    return std::move(result_);
  }

 private:
  static size_t index(int i) { return static_cast<size_t>(i); }

  void add_group(const Group& group) {
    if (group.norm < 0) return;
    for (const int member : group.members()) group_of_[index(member)] = static_cast<int>(groups_.size());
    groups_.push_back(group);
  }

  bool is_free(int node, const Op& op) const {
    return node >= 0 && graph_.node(node).op == &op && group_of_[index(node)] < 0;
  }

  // The only user of a node's first output, or -1.
  int only_user(int node) const {
    const auto& users = uses_[index(node)][0];
    return users.size() != 1 || wanted_.contains({node, 0}) ? -1 : users[0].node;
  }

  // The other operand of an addition of equals, or "not given".
  Value other_operand(int add, int node) const {
    const auto& operands = graph_.node(add).inputs;
    const Value other = operands[0].node == node ? operands[1] : operands[0];
    return other.node != node && graph_.type(other) == graph_.type({node, 0}) ? other : Value{};
  }

  Group forward_from(int norm) const {
    Group group{.norm = norm};
    int user = only_user(norm);
    if (!gated_ && is_free(user, ops::add) && other_operand(user, norm)) {
      group.add = user;
      user = only_user(user);
    }
    if (is_free(user, ops::relu)) group.relu = user;
    return group.add < 0 && group.relu < 0 ? Group{} : group;
  }

  Group backward_from(int norm) const {
    const Node& node = graph_.node(norm);
    const int relu = node.inputs[0].node;
    if (!is_free(relu, ops::relu_gradient)) return {};
    for (size_t i = 1; i < node.inputs.size(); ++i)
      if (node.inputs[i].node > relu) return {};
    Group group{.norm = norm, .relu = relu, .forward = false};
    const Node& rectifier = graph_.node(relu);
    const int sum = rectifier.inputs[0].node;
    if (!gated_ && is_free(sum, ops::add) && only_user(sum) == relu &&
        graph_.type(graph_.node(sum).inputs[0]) == graph_.type(graph_.node(sum).inputs[1]))
      group.add = sum;
    group.bias = bias_behind(rectifier.inputs[1], node);
    return group;
  }

  // The bias of the batch norm that a gradient belongs to, if the output of its ReLU is y without any residual.
  Value bias_behind(Value y, const Node& gradient) const {
    const int found = group_of_[index(y.node)];
    if (found < 0 || !groups_[index(found)].forward) return {};
    const Group& group = groups_[index(found)];
    const Node& norm = graph_.node(group.norm);
    const bool same = group.relu == y.node && group.add < 0 && norm.inputs[0] == gradient.inputs[1] &&
                      norm.inputs[1] == gradient.inputs[2] && gradient.inputs[3] == Value{group.norm, 1} &&
                      gradient.inputs[4] == Value{group.norm, 2} && norm.attributes == gradient.attributes;
    return same ? norm.inputs[2] : Value{};
  }

  // The node that a node, or its group, is emitted at.
  int place_of(int node) const {
    const int group = group_of_[index(node)];
    return group < 0 ? node : groups_[index(group)].place();
  }

  void count_edges() {
    pending_.assign(index(graph_.size()), 0);
    users_.resize(index(graph_.size()));
    for (int i = 0; i < graph_.size(); ++i)
      for (const Value input : graph_.node(i).inputs) {
        if (!input || !keep_[index(i)]) continue;
        const int from = place_of(input.node), to = place_of(i);
        if (from == to) continue;
        ++pending_[index(to)];
        users_[index(from)].push_back(to);
      }
  }

  void emit(int i) {
    const int group = group_of_[index(i)];
    if (group >= 0)
      return groups_[index(group)].forward ? emit_forward(groups_[index(group)]) : emit_backward(groups_[index(group)]);
    const Node& node = graph_.node(i);
    std::vector<Value> inputs;
    for (const Value input : node.inputs) inputs.push_back(result_.map(input));
    set_images(i, result_.graph.add(*node.op, std::move(inputs), node.attributes, node.name, node.origin));
  }

  void set_images(int node, Value first) {
    for (size_t k = 0; k < graph_.node(node).outputs.size(); ++k)
      result_.map.map_[index(node)][k] = {first.node, static_cast<int>(k)};
  }

  void emit_forward(const Group& group) {
    const Node& norm = graph_.node(group.norm);
    std::vector<Value> inputs;
    for (const Value input : norm.inputs) inputs.push_back(result_.map(input));
    if (group.add >= 0) inputs.push_back(result_.map(other_operand(group.add, group.norm)));
    const FusedBatchNormTrainingAttributes attributes{norm.attributes.as<BatchNormAttributes>().epsilon,
                                                      group.relu >= 0 ? "relu" : ""};
    const Value y =
        result_.graph.add(ops::fused_batch_norm_training, std::move(inputs), attributes, norm.name, norm.origin);
    set_images(group.norm, y);
    result_.map.map_[index(group.norm)][0] = {};  // nobody looks at it
    set_images(group.relu >= 0 ? group.relu : group.add, y);
  }

  void emit_backward(const Group& group) {
    const Node &norm = graph_.node(group.norm), &relu = graph_.node(group.relu);
    std::vector<Value> inputs;
    for (const Value input : norm.inputs) inputs.push_back(result_.map(input));
    inputs.push_back(result_.map(group.bias));
    inputs.push_back(group.bias ? Value{} : result_.map(relu.inputs[1]));
    inputs[0] = result_.map(relu.inputs[0]);
    if (group.add >= 0) {
      const Node& add = graph_.node(group.add);
      inputs[0] = result_.map(add.inputs[0]);
      inputs.push_back(result_.map(add.inputs[1]));
    }
    const Op& op =
        group.add >= 0 ? ops::fused_batch_norm_training_gradient_of_sum : ops::fused_batch_norm_training_gradient;
    const FusedBatchNormTrainingAttributes attributes{norm.attributes.as<BatchNormAttributes>().epsilon, "relu"};
    const Value dx = result_.graph.add(op, std::move(inputs), attributes, norm.name, norm.origin);
    set_images(group.norm, dx);
    result_.map.map_[index(group.relu)][0] = {dx.node, 3};
  }

  const Graph& graph_;
  std::vector<std::vector<std::vector<Use>>> uses_;
  std::set<Value> wanted_;
  std::vector<bool> keep_;
  bool gated_ = false;  // sums stay: the zeros of closed gates go through additions without being looked at
  std::vector<Group> groups_;
  std::vector<int> group_of_;  // by node, or -1
  std::vector<int> pending_;   // by place: how many inputs are not there yet
  std::vector<std::vector<int>> users_;
  Rewritten result_;
};

}  // namespace

Rewritten fuse_batch_norm_training(const Graph& graph, std::span<const Value> wants) {
  if (std::optional<Rewritten> fused = Fuser(graph, wants).fused()) return std::move(*fused);
  return eliminate_dead_code(graph, wants);
}

}  // namespace fovea
