// gelu: y = x Φ(x), Φ(x) = (1 + erf(x / √2)) / 2; dy/dx = Φ(x) + x e^(-x²/2) / √(2π).
// approximate = "tanh": y = x (1 + t) / 2, t = tanh(u), u = √(2/π) (x + 0.044715 x³); dy/dx = (1 + t) / 2 + x (1 - t²)
// u' / 2. Source: ONNX Gelu-20; Hendrycks, Gimpel, "Gaussian error linear units", 2016.
#include "fovea/ops/gelu.h"

#include <numbers>

#include "fovea/ops/add.h"
#include "fovea/ops/arithmetic.h"
#include "fovea/ops/erf.h"
#include "fovea/ops/exp.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/scale.h"
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
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value dy = d.d_output();
  const auto& a = d.as<GeluAttributes>();
  const Value square = mul(g, x, x);
  if (a.approximate == "none") {
    const Value phi = scale(g, shift(g, erf(g, scale(g, x, std::sqrt(0.5))), 1), 0.5);
    const Value density = scale(g, exp(g, scale(g, square, -0.5)), 1 / std::sqrt(2 * std::numbers::pi));
    return {mul(g, dy, add(g, phi, mul(g, x, density)))};
  }
  const double root = std::sqrt(2 / std::numbers::pi);
  const Value t = tanh(g, scale(g, mul(g, x, shift(g, scale(g, square, kCubic), 1)), root));
  const Value du = scale(g, shift(g, scale(g, square, 3 * kCubic), 1), root);
  const Value slope = mul(g, mul(g, x, shift(g, neg(g, mul(g, t, t)), 1)), du);
  return {mul(g, dy, scale(g, add(g, shift(g, t, 1), slope), 0.5))};
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
}

Value gelu(Graph& graph, Value x, GeluAttributes attributes) { return graph.add(ops::gelu, {x}, attributes); }

}  // namespace fovea
