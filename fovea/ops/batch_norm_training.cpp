// batch_norm_training: per channel over the M = N · positions elements: μ = Σx/M, v = Σ(x − μ)²/M (biased),
//   z = (x − μ) · r, r = (v + ε)^(−1/2), y = scale · z + bias. Outputs y, μ, v.
// batch_norm_training_gradient: dbias = Σd, dscale = Σ d z, dx = scale · r · (d − Σd/M − z · Σ(d z)/M).
// Gradients that reach μ and v themselves add dμ/M and 2 (x − μ) dv/M to dx.
// Source: ONNX BatchNormalization-15 (training_mode 1); Ioffe & Szegedy, "Batch normalization", ICML 2015, section 3.
#include "fovea/ops/batch_norm_training.h"

#include <cmath>

#include "fovea/ops/add.h"
#include "fovea/ops/expand.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

void check(const Inference& in, size_t x, size_t first, size_t last) {
  require(in.dtype(x) == DType::f32 || in.dtype(x) == DType::f64, ErrorKind::type, "computes in f32; the input is {}",
          to_string(in.dtype(x)));
  require(in.shape(x).rank() >= 2 && in.shape(x).count() > 0, ErrorKind::shape,
          "expected a batch with N and C axes, got {}", to_string(in.shape(x)));
  const Type expected{in.dtype(x), {in.shape(x)[1]}};
  for (size_t i = first; i < last; ++i)
    require(in.type(i) == expected, ErrorKind::shape, "input {} is {}, expected {}", i, to_string(in.type(i)),
            to_string(expected));
}

Inferred infer(const Inference& in) {
  check(in, 0, 1, 3);
  return std::vector<Type>{in.type(0), in.type(1), in.type(1)};
}

Inferred infer_gradient(const Inference& in) {
  check(in, 1, 2, 5);
  require(in.type(0) == in.type(1), ErrorKind::shape, "gradient is {}, input is {}", to_string(in.type(0)),
          to_string(in.type(1)));
  return std::vector<Type>{in.type(1), in.type(2), in.type(2)};
}

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Shape shape = g.shape(x);
  const DType dtype = g.dtype(x);
  std::vector<Value> result(3);
  if (d.d_outputs[0]) {
    const auto a = d.as<BatchNormAttributes>();
    const Value dx = batch_norm_training_gradient(g, d.d_outputs[0], x, d.input(1), d.outputs[1], d.outputs[2], a);
    result = {dx, {dx.node, 1}, {dx.node, 2}};
  }
  if (!d.d_outputs[1] && !d.d_outputs[2]) return result;
  Shape channel(shape.size(), 1);
  channel[1] = shape[1];
  const double each = static_cast<double>(shape[1]) / static_cast<double>(shape.count());
  const auto spread = [&](Value v, double factor) {
    return mul(g, reshape(g, v, channel), scalar(g, factor * each, dtype));
  };
  const auto add_to_dx = [&](Value v) { result[0] = result[0] ? add(g, result[0], v) : v; };
  if (d.d_outputs[1]) add_to_dx(expand(g, spread(d.d_outputs[1], 1), shape));
  if (d.d_outputs[2]) add_to_dx(mul(g, sub(g, x, reshape(g, d.outputs[1], channel)), spread(d.d_outputs[2], 2)));
  return result;
}

// Calls f(channel, c's elements: g(f') calls f'(index) for each).
template <class F>
void for_each_channel(const Shape& shape, F f) {
  const int64_t inner = shape.count(2, shape.rank());
  for (int64_t c = 0; c < shape[1]; ++c)
    f(static_cast<size_t>(c), [&](auto each) {
      for (int64_t n = 0; n < shape[0]; ++n)
        for (int64_t p = 0; p < inner; ++p) each(static_cast<size_t>((n * shape[1] + c) * inner + p));
    });
}

void reference(const Call& call) {
  const double epsilon = call.as<BatchNormAttributes>().epsilon;
  const Shape& shape = call.inputs[0].shape();
  const double count = static_cast<double>(shape.count()) / static_cast<double>(shape[1]);
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto x = call.inputs[0].data<T>(), scale = call.inputs[1].data<T>(), bias = call.inputs[2].data<T>();
    const auto y = call.outputs[0].data<T>(), mean = call.outputs[1].data<T>(), variance = call.outputs[2].data<T>();
    for_each_channel(shape, [&](size_t c, auto elements) {
      double sum = 0, squares = 0;
      elements([&](size_t i) { sum += double(x[i]); });
      const double mu = sum / count;
      elements([&](size_t i) { squares += (double(x[i]) - mu) * (double(x[i]) - mu); });
      const double r = 1 / std::sqrt(squares / count + epsilon);
      elements([&](size_t i) { y[i] = T((double(x[i]) - mu) * r * double(scale[c]) + double(bias[c])); });
      mean[c] = T(mu);
      variance[c] = T(squares / count);
    });
  });
}

void reference_gradient(const Call& call) {
  const double epsilon = call.as<BatchNormAttributes>().epsilon;
  const Shape& shape = call.inputs[1].shape();
  const double count = static_cast<double>(shape.count()) / static_cast<double>(shape[1]);
  dispatch_float(call.inputs[1].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto d = call.inputs[0].data<T>(), x = call.inputs[1].data<T>(), scale = call.inputs[2].data<T>();
    const auto mean = call.inputs[3].data<T>(), variance = call.inputs[4].data<T>();
    const auto dx = call.outputs[0].data<T>(), dscale = call.outputs[1].data<T>(), dbias = call.outputs[2].data<T>();
    for_each_channel(shape, [&](size_t c, auto elements) {
      const double mu = double(mean[c]), r = 1 / std::sqrt(double(variance[c]) + epsilon);
      double sum = 0, sum_z = 0;
      elements([&](size_t i) {
        sum += double(d[i]);
        sum_z += double(d[i]) * (double(x[i]) - mu) * r;
      });
      elements([&](size_t i) {
        const double z = (double(x[i]) - mu) * r;
        dx[i] = T(double(scale[c]) * r * (double(d[i]) - sum / count - z * sum_z / count));
      });
      dscale[c] = T(sum_z);
      dbias[c] = T(sum);
    });
  });
}

std::vector<Shape> shapes() { return {{2, 3, 5, 7}, {3, 16, 2, 3}, {6, 5}, {2, 2, 3, 2, 3}}; }

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const Shape& x : shapes()) {
    const Case::Input c{.type = {DType::f32, {x[1]}}};
    result.push_back({.name = fmt::format("rank{}_{}", x.rank(), x[1]),
                      .inputs = {{.type = {DType::f32, x}}, c, c},
                      .attributes = BatchNormAttributes{x.rank() == 2 ? 0.1 : 1e-5}});
  }
  return result;
}

std::vector<Case> gradient_cases() {
  std::vector<Case> result;
  for (const Shape& x : shapes()) {
    const Case::Input c{.type = {DType::f32, {x[1]}}};
    const Case::Input variance{.type = {DType::f32, {x[1]}}, .low = 0.3, .high = 2};
    result.push_back({.name = fmt::format("rank{}_{}", x.rank(), x[1]),
                      .inputs = {{.type = {DType::f32, x}}, {.type = {DType::f32, x}}, c, c, variance}});
  }
  for (Case& test : result) test.attributes = BatchNormAttributes{};
  return result;
}

Cost cost(const Node&, std::span<const Type> in) { return {.flops = 7 * static_cast<double>(in[0].shape.count())}; }

}  // namespace

namespace ops {
const Op batch_norm_training = {.name = "batch_norm_training",
                                .doc = "normalises by the batch's own mean and variance",
                                .attributes = &BatchNormAttributes::info,
                                .infer = infer,
                                .gradient = differentiate,
                                .reference = reference,
                                .cases = cases,
                                .cost = cost};
const Op batch_norm_training_gradient = {
    .name = "batch_norm_training_gradient",
    .doc = "the gradient of batch_norm_training",
    .attributes = &BatchNormAttributes::info,
    .infer = infer_gradient,
    .no_gradient = "nobody needs the second derivative of a batch norm in training yet; build it from reduce and mul",
    .reference = reference_gradient,
    .cases = gradient_cases,
    .cost = cost,
    .zero_in_zero_out = 1};
}  // namespace ops

Value batch_norm_training(Graph& graph, Value x, Value scale, Value bias, BatchNormAttributes attributes) {
  return graph.add(ops::batch_norm_training, {x, scale, bias}, attributes);
}
Value batch_norm_training_gradient(Graph& graph, Value d, Value x, Value scale, Value mean, Value variance,
                                   BatchNormAttributes attributes) {
  return graph.add(ops::batch_norm_training_gradient, {d, x, scale, mean, variance}, attributes);
}

}  // namespace fovea
