// fused_conv: y = activation(conv(x, w, bias) + residual). A fused operator: its meaning is its decomposition.
#include "fovea/ops/fused_conv.h"

#include "fovea/ops/add.h"
#include "fovea/ops/relu.h"

namespace fovea {

namespace {

ConvAttributes conv_attributes(const FusedConvAttributes& a) {
  return {a.stride, a.dilation, a.pad, a.groups, a.auto_pad};
}

Inferred infer(const Inference& in) {
  const auto& a = in.as<FusedConvAttributes>();
  require(a.activation.empty() || a.activation == "relu", ErrorKind::usage, "unknown activation '{}'", a.activation);
  const Attributes plain = conv_attributes(a);
  const size_t operands = std::min<size_t>(in.count(), 3);
  Inferred result =
      ops::conv.infer({in.inputs.first(operands), in.types.first(operands), in.known.first(operands), plain});
  if (in.has(3))
    require(in.type(3) == result.types[0], ErrorKind::shape, "residual is {}, the convolution gives {}",
            to_string(in.type(3)), to_string(result.types[0]));
  return result;
}

std::vector<Value> decompose(Graph& g, const Node& node, std::span<const Value> inputs) {
  const auto& a = node.attributes.as<FusedConvAttributes>();
  Value y = conv(g, inputs[0], inputs[1], inputs.size() > 2 ? inputs[2] : Value{}, conv_attributes(a));
  if (inputs.size() > 3 && inputs[3]) y = add(g, y, inputs[3]);
  if (a.activation == "relu") y = relu(g, y);
  return {y};
}

void reference(const Call& call) {
  const auto& a = call.as<FusedConvAttributes>();
  Node plain = call.node;
  plain.op = &ops::conv;
  plain.attributes = conv_attributes(a);
  plain.inputs.resize(std::min<size_t>(plain.inputs.size(), 3));
  ops::conv.reference({plain, call.inputs.first(plain.inputs.size()), call.outputs});
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto y = call.outputs[0].data<T>();
    if (call.has(3)) {
      const auto r = call.inputs[3].data<T>();
      for (size_t i = 0; i < y.size(); ++i) y[i] += r[i];
    }
    if (a.activation == "relu")
      for (T& v : y) v = v < T(0) ? T(0) : v;
  });
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {1, 16, 9, 7}}}, w{.type = {DType::f32, {32, 16, 3, 3}}},
      b{.type = {DType::f32, {32}}}, r{.type = {DType::f32, {1, 32, 9, 7}}};
  const Case::Input none{.type = {}, .given = false};
  return {{.name = "relu", .inputs = {x, w, b}, .attributes = FusedConvAttributes{.pad = 1, .activation = "relu"}},
          {.name = "residual", .inputs = {x, w, b, r}, .attributes = FusedConvAttributes{.pad = 1}},
          {.name = "residual_relu",
           .inputs = {x, w, b, r},
           .attributes = FusedConvAttributes{.pad = 1, .activation = "relu"}},
          {.name = "residual_no_bias",
           .inputs = {x, w, none, r},
           .attributes = FusedConvAttributes{.pad = 1, .activation = "relu"}},
          {.name = "image_relu",
           .inputs = {{.type = {DType::f32, {1, 3, 20, 21}}},
                      {.type = {DType::f32, {16, 3, 3, 3}}},
                      {.type = {DType::f32, {16}}}},
           .attributes = FusedConvAttributes{.stride = 2, .activation = "relu"}},
          {.name = "few_outputs",
           .inputs = {{.type = {DType::f32, {3, 1, 12, 11}}},
                      {.type = {DType::f32, {6, 1, 5, 5}}},
                      {.type = {DType::f32, {6}}}},
           .attributes = FusedConvAttributes{.pad = 2, .activation = "relu"}}};
}

Cost cost(const Node& node, std::span<const Type> in) {
  const double macs = static_cast<double>(node.outputs[0].shape.count()) *
                      static_cast<double>(in[1].shape.count(1, in[1].shape.rank()));
  return {.flops = 2 * macs + 2 * static_cast<double>(node.outputs[0].shape.count()), .macs = macs};
}

}  // namespace

namespace ops {
const Op fused_conv = {.name = "fused_conv",
                       .doc = "activation(conv(x, w, bias) + residual)",
                       .attributes = &FusedConvAttributes::info,
                       .infer = infer,
                       .no_gradient = "fusing comes after differentiation",
                       .reference = reference,
                       .cases = cases,
                       .cost = cost,
                       .decompose = decompose};
}

Value fused_conv(Graph& graph, Value x, Value weight, Value bias, Value residual, FusedConvAttributes attributes) {
  std::vector<Value> inputs{x, weight};
  if (bias || residual) inputs.push_back(bias);
  if (residual) inputs.push_back(residual);
  return graph.add(ops::fused_conv, std::move(inputs), std::move(attributes));
}

}  // namespace fovea
