// relu: y = max(0, x). NaN stays NaN. Its gradient at 0 is 0, as in every framework.
// Source: ONNX Relu-14. Nair & Hinton, "Rectified linear units improve restricted Boltzmann machines", ICML 2010.
#include "fovea/ops/relu.h"

#include "fovea/ops/elementwise.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  return {relu_gradient(d.graph, d.d_output(), d.outputs[0])};
}

void reference(const Call& call) {
  map_number(call, [](auto x) { return x < decltype(x)(0) ? decltype(x)(0) : x; });
}

std::vector<Case> cases() { return unary_cases(-3, 3, 0); }

Inferred infer_gradient(const Inference& in) {
  require(in.type(0) == in.type(1), ErrorKind::shape, "gradient is {}, output is {}", to_string(in.type(0)),
          to_string(in.type(1)));
  return in.type(0);
}

// Linear in d, piecewise constant in y.
std::vector<Value> differentiate_gradient(const Differentiation& d) {
  return {relu_gradient(d.graph, d.d_output(), d.input(1)), {}};
}

void reference_gradient(const Call& call) {
  map_pair(call, [](auto d, auto y) { return y > decltype(y)(0) ? d : decltype(d)(0); });
}

std::vector<Case> gradient_cases() {
  const Type type{DType::f32, {2, 3, 5, 7}};
  return {{.name = "odd", .inputs = {{.type = type}, {.type = type, .kink = 0}}}};
}

}  // namespace

namespace ops {
const Op relu = {.name = "relu",
                 .doc = "max(0, x)",
                 .infer = infer_same,
                 .gradient = differentiate,
                 .reference = reference,
                 .cases = cases,
                 .zero_in_zero_out = 1,
                 .elementwise = true};
const Op relu_gradient = {.name = "relu_gradient",
                          .doc = "d where y > 0, else 0",
                          .infer = infer_gradient,
                          .gradient = differentiate_gradient,
                          .reference = reference_gradient,
                          .cases = gradient_cases,
                          .zero_in_zero_out = 1,
                          .elementwise = true};
}  // namespace ops

Value relu(Graph& graph, Value x) { return graph.add(ops::relu, {x}); }
Value relu_gradient(Graph& graph, Value d, Value y) { return graph.add(ops::relu_gradient, {d, y}); }

}  // namespace fovea
