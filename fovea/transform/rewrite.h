// What every Graph → Graph transform returns, and the simple ones.
#pragma once

#include <set>
#include <span>

#include "fovea/graph/graph.h"
#include "fovea/tensor/weights.h"

namespace fovea {

struct Rewritten {
  Graph graph;
  Mapping map;  // old value → new value
};

// Copies what `wants` need (and all inputs: they are the program's interface) with some nodes replaced, as copy() in
// graph/graph.h.
void rewrite(const Graph& graph, std::span<const Value> wants, const Replace& replace, Rewritten& result);

// Drops every node that no want depends on.
Rewritten eliminate_dead_code(const Graph& graph, std::span<const Value> wants);

// Merges nodes with the same operator, attributes and inputs.
Rewritten eliminate_common_subexpressions(const Graph& graph, std::span<const Value> wants);

// Removes nodes that do nothing: identities, dropout at inference, reshapes and expansions to the same shape, adding 0,
// multiplying by 1; adaptive average pools become ordinary ones where their windows are all alike, and the gradient of
// a bias before a batch norm in training becomes the 0 that it is.
Rewritten simplify(const Graph& graph, std::span<const Value> wants);

// Replaces what depends only on constants and on bound parameters (names in `weights`, not in `variable`) by constants,
// or, where it is large, by new parameters whose values are added to `weights`. Values that would grow far beyond what
// they are computed from are left alone.
Rewritten fold_constants(const Graph& graph, std::span<const Value> wants, Weights& weights,
                         const std::set<std::string>& variable);

// Inference batch norms disappear into the weights of the convolution or matrix product before them; the others become
// channel_affine. Source: ordinary algebra: scale / sqrt(variance + epsilon) · (conv(x) − mean) + shift is a
// convolution again.
Rewritten fold_batch_norm(const Graph& graph, std::span<const Value> wants, const Weights& weights,
                          const std::set<std::string>& variable);

// conv (+ add) (+ relu) → fused_conv; channel_affine + relu → channel_affine with activation.
Rewritten fuse(const Graph& graph, std::span<const Value> wants);

// batch_norm_training (+ add) (+ relu) → fused_batch_norm_training; the gradient of a ReLU (and the sum before it) with
// that of the batch norm before it → fused_batch_norm_training_gradient(_of_sum). The order of nodes may change. A
// graph in which a norm's residual depends on the norm itself is left as it is.
Rewritten fuse_batch_norm_training(const Graph& graph, std::span<const Value> wants);

// The same nodes in another order: every all_reduce stands right behind the last of its inputs, so that it is under way
// while the nodes after it are computed.
Rewritten hoist_sums(const Graph& graph);

}  // namespace fovea
