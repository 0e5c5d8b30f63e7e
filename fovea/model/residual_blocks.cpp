// Where a graph has residual blocks: from both terms of a sum back to the value where they part. The nodes stand in
// topological order, so the later of two is never needed by the earlier, and stepping back from the later one meets
// the other at the fork. This takes as many steps as the block has nodes.
// Source of the form: He et al., "Deep residual learning for image recognition", CVPR 2016, equations 1 and 2.
#include "fovea/model/residual_blocks.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string_view>

#include "fovea/graph/op.h"

namespace fovea {

namespace {

// Longer branches are taken for another thing: a limit on the work, far above any known block (a dozen nodes).
constexpr int kLongestBranch = 4096;

// Known without a picture.
bool is_leaf(const Graph& graph, Value v) {
  const std::string_view op = graph.node(v).op->name;
  return op == "parameter" || op == "constant" || graph.known(v);
}

bool is_parameter(const Graph& graph, Value v) { return v && graph.node(v).op->name == "parameter"; }

bool is_norm(const Node& node) { return node.op->name == "batch_norm" || node.op->name == "batch_norm_training"; }

// A layer with weights.
bool is_layer(const Graph& graph, const Node& node) {
  static constexpr std::string_view kLayers[] = {"conv", "fused_conv", "conv_input_gradient", "locally_connected",
                                                 "gemm", "matmul"};
  return std::find(std::begin(kLayers), std::end(kLayers), node.op->name) != std::end(kLayers) &&
         is_parameter(graph, node.inputs[1]);
}

// What a shortcut may do to its values besides one layer: no activation, and no product of two.
bool may_be_shortcut(const Graph& graph, const Node& node) {
  static constexpr std::string_view kPlain[] = {
      "identity",  "pad",        "slice",   "reshape",        "flatten",
      "transpose", "concat",     "dropout", "gate",           "average_pool",
      "max_pool",  "batch_norm", "resize",  "channel_affine", "batch_norm_training"};
  const std::string_view op = node.op->name;
  if (op == "mul") return is_leaf(graph, node.inputs[0]) || is_leaf(graph, node.inputs[1]);
  return std::find(std::begin(kPlain), std::end(kPlain), op) != std::end(kPlain);
}

// One term of a sum, and what was met on the way back from it.
struct Term {
  Value at;
  int layers = 0;
  bool shortcut = true;  // so far
  Value scale = {};      // the first met on the way back
  bool norm = false;

  // Steps back to the first input that is not a leaf; false where there is none. Of the factors of a product to the
  // earlier one: the other is made from it (squeeze and excitation).
  bool step(const Graph& graph) {
    const Node& node = graph.node(at);
    const bool layer = is_layer(graph, node);
    layers += layer;
    if (!layer && !may_be_shortcut(graph, node)) shortcut = false;
    if (!scale && is_norm(node) && is_parameter(graph, node.inputs[1])) scale = node.inputs[1], norm = true;
    if (!scale && layer) scale = node.inputs[1];
    Value next;
    for (const Value v : node.inputs)
      if (v && !is_leaf(graph, v) && (!next || (node.op->name == "mul" && v < next))) next = v;
    if (next) at = next;
    return static_cast<bool>(next);
  }
};

}  // namespace

std::vector<ResidualBlock> residual_blocks(const Graph& graph) {
  std::vector<ResidualBlock> blocks;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.op->name != "add" || is_leaf(graph, node.inputs[0]) || is_leaf(graph, node.inputs[1])) continue;
    std::array<Term, 2> terms = {Term{node.inputs[0]}, Term{node.inputs[1]}};
    int steps = 0;
    bool more = true;
    while (more && terms[0].at != terms[1].at && ++steps <= kLongestBranch)
      more = terms[terms[0].at < terms[1].at ? 1 : 0].step(graph);
    if (terms[0].at != terms[1].at) continue;
    const size_t longer = terms[0].layers < terms[1].layers ? 1 : 0;
    const Term &branch = terms[longer], &shortcut = terms[1 - longer];
    if (!shortcut.shortcut || shortcut.layers > 1 || branch.layers <= shortcut.layers || !branch.scale) continue;
    blocks.push_back({i, branch.scale, branch.norm, longer});
  }
  return blocks;
}

}  // namespace fovea
