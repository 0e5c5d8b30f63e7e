// prelu: y = s x below 0, x elsewhere, s broadcast to x. dy/dx = s below 0, 1 elsewhere; dy/ds = x below 0, 0
// elsewhere.
// Source: ONNX PRelu-16; He et al., "Delving deep into rectifiers", ICCV 2015.
#include "fovea/ops/prelu.h"

#include "fovea/ops/elementwise.h"
#include "fovea/ops/input.h"
#include "fovea/ops/less.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/sum_to.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(is_float(in.dtype(0)), ErrorKind::type, "expected floating point, got {}", to_string(in.dtype(0)));
  const Inferred result = infer_broadcast(in);
  require(result.types[0].shape == in.shape(0), ErrorKind::shape, "slope {} does not broadcast to the input's shape {}",
          to_string(in.shape(1)), to_string(in.shape(0)));
  return result;
}

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0), slope = d.input(1), dy = d.d_output();
  const Value zero = scalar(g, 0, g.dtype(x));
  const Value negative = less(g, x, zero);
  std::vector<Value> result(2);
  if (d.wanted[0]) result[0] = where(g, negative, mul(g, dy, slope), dy);
  if (d.wanted[1]) result[1] = sum_to(g, where(g, negative, mul(g, dy, x), zero), d.shape(slope));
  return result;
}

void reference(const Call& call) {
  map_pair(call, [](auto x, auto slope) {
    using T = decltype(x);
    return x < T(0) ? static_cast<T>(slope * x) : x;
  });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const Shape& slope : {Shape{2, 3, 4, 5}, Shape{3, 1, 1}, Shape{1}, Shape{}})
    result.push_back({.name = fmt::format("slope_rank{}", slope.rank()),
                      .inputs = {{.type = {DType::f32, {2, 3, 4, 5}}, .low = -3, .high = 3, .kink = 0},
                                 {.type = {DType::f32, slope}}}});
  return result;
}

}  // namespace

namespace ops {
const Op prelu = {
    .name = "prelu",
    .doc = "slope * x below 0, x elsewhere",
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .zero_in_zero_out = 1,
};
}

Value prelu(Graph& graph, Value x, Value slope) { return graph.add(ops::prelu, {x, slope}); }

}  // namespace fovea
