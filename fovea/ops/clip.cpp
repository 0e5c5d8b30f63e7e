// clip: y = min(max, max(min, x)), so that max wins where min > max. Bounds are attributes, or inputs 1 and 2, which
// then replace them.
// dy/dx = 1 where y = x (both ends included, as in PyTorch); the gradient of other elements goes to the bound that they
// met. NaN stays NaN. Source: ONNX Clip-13, and Clip-6 for the attributes.
#include "fovea/ops/clip.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/equal.h"
#include "fovea/ops/greater.h"
#include "fovea/ops/input.h"
#include "fovea/ops/less.h"
#include "fovea/ops/sum_to.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  for (const size_t i : {size_t{1}, size_t{2}}) {
    if (!in.has(i)) continue;
    require(in.shape(i).count() == 1 && in.shape(i).rank() <= 1, ErrorKind::shape,
            "bound {} must be one number, it is {}", i, to_string(in.shape(i)));
    require(in.dtype(i) == in.dtype(0), ErrorKind::type, "bound {} is {}, the input is {}", i, to_string(in.dtype(i)),
            to_string(in.dtype(0)));
  }
  return infer_number(in);
}

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0), y = d.outputs[0], dy = d.d_output();
  const Value zero = scalar(g, 0, g.dtype(x));
  std::vector<Value> result(d.node.inputs.size());
  if (d.wanted[0]) result[0] = where(g, equal(g, x, y), dy, zero);
  for (size_t i = 1; i < result.size(); ++i) {
    if (!d.input(i) || !d.wanted[i]) continue;
    const Value clipped = i == 1 ? less(g, x, y) : greater(g, x, y);
    result[i] = sum_to(g, where(g, clipped, dy, zero), d.shape(d.input(i)));
  }
  return result;
}

void reference(const Call& call) {
  const auto& a = call.as<ClipAttributes>();
  const auto bound = [&](size_t i, double otherwise) {
    return call.has(i) ? call.inputs[i].reshaped({}) : Tensor::full(call.inputs[0].dtype(), {}, otherwise);
  };
  const Tensor low_tensor = bound(1, a.min), high_tensor = bound(2, a.max);
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    const auto x = call.inputs[0].data<T>();
    const auto y = call.outputs[0].data<T>();
    const C low = static_cast<C>(low_tensor.data<T>()[0]), high = static_cast<C>(high_tensor.data<T>()[0]);
    for (size_t i = 0; i < x.size(); ++i) {
      const C raised = static_cast<C>(x[i]) < low ? low : static_cast<C>(x[i]);
      y[i] = T(raised > high ? high : raised);
    }
  });
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {2, 3, 5, 7}}, .low = -3, .high = 3, .kink = 1};
  const Case::Input integers{.type = {DType::i8, {2, 3, 5}}, .low = -100, .high = 100};
  // One random bound on either side of nothing in particular: clear of the elements with probability one.
  const Case::Input low{.type = {DType::f32, {}}, .low = -1, .high = -0.5},
      high{.type = {DType::f32, {1}}, .low = 0.5, .high = 1};
  const Case::Input none{.given = false};
  const ClipAttributes both{-1, 1}, open;
  return {{.name = "attributes", .inputs = {x}, .attributes = both},
          {.name = "open", .inputs = {x}, .attributes = open},
          {.name = "upper", .inputs = {x}, .attributes = ClipAttributes{.max = 1}},
          {.name = "inputs", .inputs = {x, low, high}, .attributes = open},
          {.name = "input_above", .inputs = {x, none, high}, .attributes = open},
          {.name = "i8", .inputs = {integers}, .attributes = ClipAttributes{-20, 30}, .gradient = false}};
}

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 2 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op clip = {
    .name = "clip",
    .doc = "min(max, max(min, x))",
    .attributes = &ClipAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .elementwise = true,
};
}

Value clip(Graph& graph, Value x, ClipAttributes attributes) { return graph.add(ops::clip, {x}, attributes); }
Value clip(Graph& graph, Value x, Value min, Value max) {
  return graph.add(ops::clip, {x, min, max}, ClipAttributes{});
}

}  // namespace fovea
