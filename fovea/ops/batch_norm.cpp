// batch_norm: y[n,c,p] = (x[n,c,p] − mean[c]) · r[c] · scale[c] + bias[c],  r = (variance + ε)^(−1/2), all given.
// With z = (x − mean) · r: dx = d · scale · r, dscale = Σ d z, dbias = Σ d, dmean = −Σ d · scale · r,
// dvariance = −½ Σ d · scale · z · r². The gradients are compositions, so any order exists.
// Source: ONNX BatchNormalization-15; Ioffe & Szegedy, "Batch normalization", ICML 2015, algorithm 2.
#include "fovea/ops/batch_norm.h"

#include <cmath>

#include "fovea/ops/add.h"
#include "fovea/ops/div.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/sum_to.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.dtype(0) == DType::f32 || in.dtype(0) == DType::f64, ErrorKind::type, "computes in f32; the input is {}",
          to_string(in.dtype(0)));
  require(in.shape(0).rank() >= 2, ErrorKind::shape, "expected N and C axes, got {}", to_string(in.shape(0)));
  const Type expected{in.dtype(0), {in.shape(0)[1]}};
  constexpr std::string_view names[] = {"x", "scale", "bias", "mean", "variance"};
  for (size_t i = 1; i < 5; ++i)
    require(in.type(i) == expected, ErrorKind::shape, "{} is {}, expected {}", names[i], to_string(in.type(i)),
            to_string(expected));
  return in.type(0);
}

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Shape x = g.shape(d.input(0));
  const DType dtype = g.dtype(d.input(0));
  Shape channel(x.size(), 1);
  channel[1] = x[1];
  const auto column = [&](size_t i) { return reshape(g, d.input(i), channel); };
  const auto sum = [&](Value v) { return reshape(g, sum_to(g, v, channel), Shape{x[1]}); };
  const Value dy = d.d_output();
  const Value spread = add(g, column(4), scalar(g, d.as<BatchNormAttributes>().epsilon, dtype));
  const Value r = div(g, scalar(g, 1, dtype), sqrt(g, spread));
  std::vector<Value> result(5);
  const bool scaled = d.wanted[0] || d.wanted[3] || d.wanted[4];
  const Value slope = scaled ? mul(g, dy, mul(g, column(1), r)) : Value{};
  const Value z = d.wanted[1] || d.wanted[4] ? mul(g, sub(g, d.input(0), column(3)), r) : Value{};
  if (d.wanted[0]) result[0] = slope;
  if (d.wanted[1]) result[1] = sum(mul(g, dy, z));
  if (d.wanted[2]) result[2] = sum(dy);
  if (d.wanted[3]) result[3] = neg(g, sum(slope));
  if (d.wanted[4]) result[4] = sum(mul(g, mul(g, slope, z), mul(g, r, scalar(g, -0.5, dtype))));
  return result;
}

void reference(const Call& call) {
  const double epsilon = call.as<BatchNormAttributes>().epsilon;
  const Shape& shape = call.inputs[0].shape();
  const int64_t inner = shape.count(2, shape.rank());
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto x = call.inputs[0].data<T>(), scale = call.inputs[1].data<T>(), bias = call.inputs[2].data<T>();
    const auto mean = call.inputs[3].data<T>(), variance = call.inputs[4].data<T>();
    const auto y = call.outputs[0].data<T>();
    for (size_t i = 0; i < x.size(); ++i) {
      const size_t c = static_cast<size_t>(static_cast<int64_t>(i) / inner % shape[1]);
      const double r = 1 / std::sqrt(double(variance[c]) + epsilon);
      y[i] = T((double(x[i]) - double(mean[c])) * r * double(scale[c]) + double(bias[c]));
    }
  });
}

std::vector<Case> cases() {
  auto make = [](std::string name, Shape x, double epsilon) {
    const Case::Input c{.type = {DType::f32, {x[1]}}};
    const Case::Input variance{.type = {DType::f32, {x[1]}}, .low = 0.3, .high = 2};
    return Case{.name = std::move(name),
                .inputs = {{.type = {DType::f32, std::move(x)}}, c, c, c, variance},
                .attributes = BatchNormAttributes{epsilon}};
  };
  return {make("odd", {2, 3, 5, 7}, 1e-5), make("wide", {1, 32, 5, 4}, 1e-3), make("matrix", {4, 5}, 1e-5),
          make("3d", {2, 2, 3, 2, 3}, 0.1)};
}

Cost cost(const Node&, std::span<const Type> in) { return {.flops = 2 * static_cast<double>(in[0].shape.count())}; }

}  // namespace

namespace ops {
const Op batch_norm = {.name = "batch_norm",
                       .doc = "(x - mean) / sqrt(variance + epsilon) * scale + bias, per channel",
                       .attributes = &BatchNormAttributes::info,
                       .infer = infer,
                       .gradient = differentiate,
                       .reference = reference,
                       .cases = cases,
                       .cost = cost};
}

Value batch_norm(Graph& graph, Value x, Value scale, Value bias, Value mean, Value variance,
                 BatchNormAttributes attributes) {
  return graph.add(ops::batch_norm, {x, scale, bias, mean, variance}, attributes);
}

}  // namespace fovea
