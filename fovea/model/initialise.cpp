#include "fovea/model/initialise.h"

#include <cmath>

#include "fovea/base/parallel.h"
#include "fovea/base/rng.h"
#include "fovea/graph/op.h"

namespace fovea {

namespace {

struct Start {
  double mean = 0, deviation = 0;
};

Start he(int64_t fan_in) { return {0, std::sqrt(2.0 / static_cast<double>(std::max<int64_t>(1, fan_in)))}; }

// What a parameter starts from, told by the node that reads it at position `input`.
Start start_of(const Node& user, int input, const Shape& shape) {
  const std::string_view op = user.op->name;
  if (op == "batch_norm" || op == "batch_norm_training") return {input == 1 || input == 4 ? 1.0 : 0.0, 0};
  if (op == "prelu" && input == 1) return {0.25, 0};
  if (op == "mul") return {1, 0};  // a learnt scale
  if (input != 1 || shape.rank() < 2) return {};
  if (op == "conv" || op == "fused_conv") return he(shape.count(1, shape.rank()));
  if (op == "conv_input_gradient" || op == "conv_transpose") return he(shape[0] * shape.count(2, shape.rank()));
  if (op == "locally_connected") return he(shape.count(2, shape.rank()));
  if (op == "gemm" || op == "matmul") {
    const int64_t outputs = user.outputs[0].shape.back();
    return he(shape.count() / std::max<int64_t>(1, outputs));
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

}  // namespace

Weights initial_weights(const Graph& graph, uint64_t seed) {
  Weights weights;
  const auto users = uses(graph);
  for (const Value p : graph.parameters()) {
    const Node& node = graph.node(p);
    const auto& readers = users[static_cast<size_t>(p.node)][0];
    Start start =
        readers.empty() ? Start{} : start_of(graph.node(readers[0].node), readers[0].input, node.outputs[0].shape);
    if (!readers.empty() && readers[0].input == 2 && is_transform_gate(graph, users, readers[0].node)) start.mean = -2;
    Tensor value(DType::f32, node.outputs[0].shape);
    const auto data = value.data<float>();
    const Rng rng = Rng(seed).fork(node.name);
    parallel_for(node.outputs[0].shape.count(), 1 << 14, [&](int64_t i) {
      const double spread = start.deviation > 0 ? start.deviation * rng.normal(static_cast<uint64_t>(i)) : 0;
      data[static_cast<size_t>(i)] = static_cast<float>(start.mean + spread);
    });
    weights[node.name] = node.outputs[0].dtype == DType::f32 ? value : value.cast(node.outputs[0].dtype);
  }
  return weights;
}

}  // namespace fovea
