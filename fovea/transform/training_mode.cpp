// With batch mean μ and biased variance v over M values a channel, and momentum m:
//   running mean ← (1 − m) · running mean + m · μ,   running variance ← (1 − m) · running variance + m · v · M / (M −
//   1)
// (without the factor where unbiased is false); behind a gate, running ← running + gate(new − running).
// Synchronised over K ranks, M = K M_r:
//   μ = mean over ranks of Σx/M_r,  c = x − μ,  v = mean over ranks of Σc²/M_r,  y = c · scale · (v + ε)^(−1/2) + bias:
// two sums over ranks forward and two backward. (One would do with Σx and Σx², but x² − μ² loses every digit of v where
// |μ| is large.) The key of a dropout layer is the step's key plus a constant of 64 bits
// made from the layer's name, so that the keys of steps that count up do not meet those of other layers.
#include "fovea/transform/training_mode.h"

#include <map>

#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/ops/add.h"
#include "fovea/ops/all_reduce.h"
#include "fovea/ops/batch_norm_training.h"
#include "fovea/ops/div.h"
#include "fovea/ops/dropout.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"
#include "fovea/transform/gated_nodes.h"
#include "fovea/transform/rewrite.h"

namespace fovea {

namespace {

constexpr std::string_view kKeyName = "dropout key";

class TrainingRewriter {
 public:
  TrainingRewriter(const Graph& source, std::span<const Value> wants, const TrainingMode& mode, Graph& target)
      : source_(source), mode_(mode), g_(target), gates_(gates_behind(source, wants)) {}

  // The values standing for a node's outputs; empty: it is copied.
  std::vector<Value> replaced(int index, std::span<const Value> inputs) {
    const Node& node = source_.node(index);
    if (node.op == &ops::batch_norm && !mode_.frozen_statistics && !mode_.frozen.contains(node.name) &&
        is_parameter(inputs[3]) && is_parameter(inputs[4]))
      return normalised(node, inputs, gate_of(index));
    const bool keyless = node.op == &ops::dropout && (inputs.size() < 2 || !inputs[1]);
    return keyless && node.attributes.as<DropoutAttributes>().rate > 0 ? dropped(node, inputs[0])
                                                                       : std::vector<Value>{};
  }

  std::vector<RunningStatistic> statistics() const {
    std::vector<RunningStatistic> result;
    for (const auto& [current, next] : running_) result.push_back({next, current});
    return result;
  }
  Value key() const { return key_; }

 private:
  bool is_parameter(Value v) const { return v && g_.node(v).op == &ops::parameter; }

  // The gate's boolean in the new graph; not given where none decides over the node, or it is known too late.
  Value gate_of(int index) const {
    const Value open = gates_[static_cast<size_t>(index)];
    const int found = open && open.output == 0 ? g_.find(source_.node(open).name) : -1;
    return found >= 0 ? Value{found, 0} : Value{};
  }

  std::vector<Value> normalised(const Node& node, std::span<const Value> inputs, Value open) {
    const Shape shape = g_.shape(inputs[0]);
    const int64_t count = mode_.ranks * shape.count() / std::max<int64_t>(1, shape[1]);
    require(count > 1, ErrorKind::shape,
            "batch_norm \"{}\": {} gives one value a channel, whose variance is 0 in training; take more pictures a "
            "step, larger ones, or frozen statistics",
            node.name, to_string(shape));
    const Normalised own = mode_.ranks > 1 ? synchronised(node, inputs) : alone(node, inputs);
    const double values = static_cast<double>(count);
    update(inputs[3], own.mean, 1, open);
    update(inputs[4], own.variance, mode_.unbiased ? values / (values - 1) : 1, open);
    return {own.y};
  }

  struct Normalised {
    Value y, mean, variance;  // the statistics are [C]
  };

  Normalised alone(const Node& node, std::span<const Value> inputs) {
    const Value y = g_.add(ops::batch_norm_training, {inputs[0], inputs[1], inputs[2]},
                           node.attributes.as<BatchNormAttributes>(), node.name, node.origin);
    return {y, {y.node, 1}, {y.node, 2}};
  }

  Normalised synchronised(const Node& node, std::span<const Value> inputs) {
    const Shape shape = g_.shape(inputs[0]);
    Shape channel(shape.size(), 1);
    channel[1] = shape[1];
    Ints others = Ints{0};
    for (int64_t axis = 2; axis < shape.rank(); ++axis) others.push_back(axis);
    const auto over_all = [&](Value x) {  // the mean of each channel, over all ranks
      const Value own = reduce(g_, x, {.kind = "mean", .axes = others});
      return all_reduce(g_, own, {.kind = "mean", .ranks = mode_.ranks});
    };
    const auto column = [&](Value v) { return reshape(g_, v, channel); };
    const Value mean = over_all(inputs[0]);
    const Value centred = sub(g_, inputs[0], column(mean));
    const Value variance = over_all(mul(g_, centred, centred));
    const double epsilon = node.attributes.as<BatchNormAttributes>().epsilon;
    const Value factor = div(g_, inputs[1], sqrt(g_, shift(g_, variance, epsilon)));
    const Value y = add(g_, mul(g_, centred, column(factor)), column(inputs[2]));
    g_.rename(y.node, node.name);
    g_.set_origin(y.node, node.origin);
    return {y, mean, variance};
  }

  // (1 − m) · running + m · factor · batch
  void update(Value parameter, Value batch, double factor, Value open) {
    const auto found = running_.find(parameter);
    const Value before = found == running_.end() ? parameter : found->second;
    Value next = add(g_, scale(g_, before, 1 - mode_.momentum), scale(g_, batch, mode_.momentum * factor));
    if (open) next = add(g_, before, gate(g_, sub(g_, next, before), open));
    g_.rename(next.node, g_.node(parameter).name + ".next");
    running_[parameter] = next;
  }

  std::vector<Value> dropped(const Node& node, Value x) {
    if (!key_) key_ = input(g_, std::string(kKeyName), {DType::u64, {}});
    const Value own = constant(g_, Tensor::scalar(Rng().fork(node.name).key()));
    const Value y =
        g_.add(ops::dropout, {x, add(g_, key_, own)}, node.attributes.as<DropoutAttributes>(), node.name, node.origin);
    return {y, {y.node, 1}};
  }

  const Graph& source_;
  const TrainingMode mode_;
  Graph& g_;
  const std::vector<Value> gates_;
  std::map<Value, Value> running_;  // parameter → its newest value
  Value key_;
};

}  // namespace

TrainingGraph training_mode(const Graph& graph, std::span<const Value> wants, const TrainingMode& mode) {
  require(mode.momentum >= 0 && mode.momentum <= 1, ErrorKind::usage, "the momentum is {}, expected 0 to 1",
          mode.momentum);
  require(mode.ranks >= 1, ErrorKind::usage, "{} ranks, expected at least 1", mode.ranks);
  Rewritten rewritten;
  TrainingRewriter rewriter(graph, wants, mode, rewritten.graph);
  const Replace replace = [&](int index, std::span<const Value> inputs) { return rewriter.replaced(index, inputs); };
  rewrite(graph, wants, replace, rewritten);
  return {std::move(rewritten.graph), std::move(rewritten.map), rewriter.statistics(), rewriter.key()};
}

}  // namespace fovea
