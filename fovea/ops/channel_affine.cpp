// channel_affine: y[n,c,p] = activation(x[n,c,p] · scale[c] + shift[c]). A fused operator: its meaning is its
// decomposition.
#include "fovea/ops/channel_affine.h"

#include "fovea/ops/add.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const Shape& x = in.shape(0);
  const auto& activation = in.as<ChannelAffineAttributes>().activation;
  require(activation.empty() || activation == "relu", ErrorKind::usage, "unknown activation '{}'", activation);
  require(x.rank() >= 2 && in.shape(1) == Shape{x[1]} && in.shape(2) == Shape{x[1]}, ErrorKind::shape,
          "scale {} and shift {} do not fit the channels of {}", to_string(in.shape(1)), to_string(in.shape(2)),
          to_string(x));
  require(in.dtype(0) == in.dtype(1) && in.dtype(0) == in.dtype(2), ErrorKind::type, "operands of different types");
  return in.type(0);
}

std::vector<Value> decompose(Graph& g, const Node& node, std::span<const Value> inputs) {
  Shape column(g.shape(inputs[0]).size() - 1, 1);
  column[0] = g.shape(inputs[1])[0];
  const Value y = add(g, mul(g, inputs[0], reshape(g, inputs[1], column)), reshape(g, inputs[2], column));
  return {node.attributes.as<ChannelAffineAttributes>().activation == "relu" ? relu(g, y) : y};
}

void reference(const Call& call) {
  const Shape& shape = call.inputs[0].shape();
  const bool rectify = call.as<ChannelAffineAttributes>().activation == "relu";
  const int64_t channels = shape[1], plane = shape.count(2, shape.rank());
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto x = call.inputs[0].data<T>(), scale = call.inputs[1].data<T>(), shift = call.inputs[2].data<T>();
    const auto y = call.outputs[0].data<T>();
    for (size_t i = 0; i < y.size(); ++i) {
      const size_t c = static_cast<size_t>(static_cast<int64_t>(i) / plane % channels);
      const T v = x[i] * scale[c] + shift[c];
      y[i] = rectify && v < T(0) ? T(0) : v;
    }
  });
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {2, 17, 5, 3}}}, s{.type = {DType::f32, {17}}};
  return {
      {.name = "plain", .inputs = {x, s, s}, .attributes = ChannelAffineAttributes{}},
      {.name = "relu", .inputs = {x, s, s}, .attributes = ChannelAffineAttributes{"relu"}},
      {.name = "wide",
       .inputs = {{.type = {DType::f32, {1, 32, 6, 7}}}, {.type = {DType::f32, {32}}}, {.type = {DType::f32, {32}}}},
       .attributes = ChannelAffineAttributes{"relu"}}};
}

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 2 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op channel_affine = {.name = "channel_affine",
                           .doc = "activation(x * scale[c] + shift[c])",
                           .attributes = &ChannelAffineAttributes::info,
                           .infer = infer,
                           .no_gradient = "fusing comes after differentiation",
                           .reference = reference,
                           .cases = cases,
                           .cost = cost,
                           .decompose = decompose};
}

Value channel_affine(Graph& graph, Value x, Value scale, Value shift, ChannelAffineAttributes attributes) {
  return graph.add(ops::channel_affine, {x, scale, shift}, std::move(attributes));
}

}  // namespace fovea
