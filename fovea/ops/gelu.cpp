// gelu: y = x Φ(x), Φ(x) = (1 + erf(x / √2)) / 2; dy/dx = Φ(x) + x e^(-x²/2) / √(2π).
// approximate = "tanh": y = x (1 + t) / 2, t = tanh(u), u = √(2/π) (x + 0.044715 x³); dy/dx = (1 + t) / 2 + x (1 - t²)
// u' / 2. gelu_gradient: d dy/dx; it is a step of its own because the thirteen of its composition, each as long as the
// memory they go through, took a quarter of a training step. Source: ONNX Gelu-20; Hendrycks, Gimpel, "Gaussian error
// linear units", 2016.
#include "fovea/ops/gelu.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/ops/add.h"
#include "fovea/ops/arithmetic.h"
#include "fovea/ops/erf.h"
#include "fovea/ops/exp.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/tanh.h"

namespace fovea {

namespace {

constexpr double kCubic = 0.044715;

Inferred infer(const Inference& in) {
  const std::string& approximate = in.as<GeluAttributes>().approximate;
  require(approximate == "none" || approximate == "tanh", ErrorKind::usage,
          "approximate is '{}', expected none or tanh", approximate);
  return infer_same_float(in);
}

std::vector<Value> differentiate(const Differentiation& d) {
  return {gelu_gradient(d.graph, d.d_output(), d.input(0), d.as<GeluAttributes>())};
}

// d dy/dx as others' nodes.
Value composed_gradient(Graph& g, Value dy, Value x, const GeluAttributes& a) {
  const Value square = mul(g, x, x);
  if (a.approximate == "none") {
    const Value phi = scale(g, shift(g, erf(g, scale(g, x, std::sqrt(0.5))), 1), 0.5);
    const Value density = scale(g, exp(g, scale(g, square, -0.5)), 1 / std::sqrt(2 * std::numbers::pi));
    return mul(g, dy, add(g, phi, mul(g, x, density)));
  }
  const double root = std::sqrt(2 / std::numbers::pi);
  const Value t = tanh(g, scale(g, mul(g, x, shift(g, scale(g, square, kCubic), 1)), root));
  const Value du = scale(g, shift(g, scale(g, square, 3 * kCubic), 1), root);
  const Value slope = mul(g, mul(g, x, shift(g, neg(g, mul(g, t, t)), 1)), du);
  return mul(g, dy, scale(g, add(g, shift(g, t, 1), slope), 0.5));
}

void reference(const Call& call) {
  const auto& a = call.as<GeluAttributes>();
  map_float(call, [&](auto x) {
    using T = decltype(x);
    if (a.approximate == "none") return T(0.5) * x * (T(1) + std::erf(x * T(std::sqrt(0.5))));
    return T(0.5) * x * (T(1) + std::tanh(T(std::sqrt(2 / std::numbers::pi)) * (x + T(kCubic) * x * x * x)));
  });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const GeluAttributes& a : std::vector<GeluAttributes>{{}, {.approximate = "tanh"}})
    for (Case& c : unary_cases(-3, 3, 1e30)) {
      c.attributes = a;
      result.push_back(std::move(c));
    }
  return result;
}

Cost cost(const Node& node, std::span<const Type>) {
  return {.flops = 25 * static_cast<double>(node.outputs[0].shape.count())};
}

Inferred infer_gradient(const Inference& in) {
  require(in.type(0) == in.type(1), ErrorKind::shape, "gradient is {}, input is {}", to_string(in.type(0)),
          to_string(in.type(1)));
  return infer(in);
}

// Linear in d. In x by the second derivative: φ (2 − x²), and (1 − t²) (u' + x (u''/2 − t u'²)).
std::vector<Value> differentiate_gradient(const Differentiation& d) {
  Graph& g = d.graph;
  const Value x = d.input(1), dy = d.d_output();
  const auto& a = d.as<GeluAttributes>();
  const Value through = gelu_gradient(g, dy, x, a);
  if (!d.wanted[1]) return {through, {}};
  const Value both = mul(g, dy, d.input(0)), square = mul(g, x, x);
  if (a.approximate == "none") {
    const Value density = scale(g, exp(g, scale(g, square, -0.5)), 1 / std::sqrt(2 * std::numbers::pi));
    return {through, mul(g, both, mul(g, density, shift(g, neg(g, square), 2)))};
  }
  const double root = std::sqrt(2 / std::numbers::pi);
  const Value t = tanh(g, scale(g, mul(g, x, shift(g, scale(g, square, kCubic), 1)), root));
  const Value du = scale(g, shift(g, scale(g, square, 3 * kCubic), 1), root);
  const Value bend = sub(g, scale(g, x, 3 * kCubic * root), mul(g, t, mul(g, du, du)));  // u''/2 − t u'²
  const Value rest = shift(g, neg(g, mul(g, t, t)), 1);
  return {through, mul(g, both, mul(g, rest, add(g, du, mul(g, x, bend))))};
}

void reference_gradient(const Call& call) {
  const bool exact = call.as<GeluAttributes>().approximate == "none";
  const auto slope = [&](auto x) {
    using T = decltype(x);
    if (exact) {
      const T density = std::exp(T(-0.5) * x * x) * T(1 / std::sqrt(2 * std::numbers::pi));
      return T(0.5) * (T(1) + std::erf(x * T(std::sqrt(0.5)))) + x * density;
    }
    const T near = std::clamp(x, T(-30), T(30)), root = T(std::sqrt(2 / std::numbers::pi));
    const T t = std::tanh(root * (near + T(kCubic) * near * near * near));
    return T(0.5) * (T(1) + t + x * (T(1) - t * t) * root * (T(1) + T(3 * kCubic) * near * near));
  };
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto d = call.inputs[0].data<T>(), x = call.inputs[1].data<T>();
    const auto y = call.outputs[0].data<T>();
    for (size_t i = 0; i < x.size(); ++i)
      y[i] = T(static_cast<Compute<T>>(d[i]) * slope(static_cast<Compute<T>>(x[i])));
  });
}

std::vector<Case> gradient_cases() {
  std::vector<Case> result;
  for (const GeluAttributes& a : std::vector<GeluAttributes>{{}, {.approximate = "tanh"}})
    for (const Shape& shape : {Shape{2, 3, 5, 7}, Shape{1, 16, 9, 8}}) {
      const Case::Input input{.type = {DType::f32, shape}, .low = -3, .high = 3};
      result.push_back({.name = a.approximate, .inputs = {input, input}, .attributes = a});
    }
  return result;
}

std::vector<Value> decompose_gradient(Graph& graph, const Node& node, std::span<const Value> inputs) {
  return {composed_gradient(graph, inputs[0], inputs[1], node.attributes.as<GeluAttributes>())};
}

Cost gradient_cost(const Node& node, std::span<const Type>) {
  return {.flops = 30 * static_cast<double>(node.outputs[0].shape.count())};
}

}  // namespace

namespace ops {
const Op gelu = {
    .name = "gelu",
    .doc = "x times the normal distribution function of x",
    .attributes = &GeluAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = cost,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
const Op gelu_gradient = {
    .name = "gelu_gradient",
    .doc = "d times the derivative of gelu at x",
    .attributes = &GeluAttributes::info,
    .infer = infer_gradient,
    .gradient = differentiate_gradient,
    .reference = reference_gradient,
    .cases = gradient_cases,
    .cost = gradient_cost,
    .decompose = decompose_gradient,
    .zero_in_zero_out = 1,
    .elementwise = true,
};
}  // namespace ops

Value gelu(Graph& graph, Value x, GeluAttributes attributes) { return graph.add(ops::gelu, {x}, attributes); }
Value gelu_gradient(Graph& graph, Value d, Value x, GeluAttributes attributes) {
  return graph.add(ops::gelu_gradient, {d, x}, attributes);
}

}  // namespace fovea
