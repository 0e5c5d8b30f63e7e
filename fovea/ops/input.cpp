// input, parameter and constant: the leaves of a graph. They compute nothing: `compile` binds their memory.
#include "fovea/ops/input.h"

namespace fovea {

namespace {

Inferred infer_input(const Inference& in) {
  const auto& a = in.as<InputAttributes>();
  Inferred result(Type{a.dtype, a.shape});
  if (a.bound) {
    require(a.value.dtype() == a.dtype && a.value.shape() == Shape(a.shape), ErrorKind::internal,
            "bound value is {}[{}]", to_string(a.value.dtype()), to_string(a.value.shape()));
    result.known = {a.value};
  }
  return result;
}

Inferred infer_parameter(const Inference& in) {
  const auto& a = in.as<ParameterAttributes>();
  return Type{a.dtype, a.shape};
}

Inferred infer_constant(const Inference& in) {
  const Tensor& value = in.as<ConstantAttributes>().value;
  Inferred result(Type{value.dtype(), value.shape()});
  result.known = {value};
  return result;
}

void copy_constant(const Call& call) {
  const Tensor& value = call.as<ConstantAttributes>().value;
  if (value.bytes() > 0) std::memcpy(call.outputs[0].raw(), value.raw(), value.bytes());
}

std::vector<Case> constant_cases() {
  return {{.name = "vector",
           .inputs = {},
           .attributes = ConstantAttributes{Tensor::of<float>({3}, {1, 2, 3})},
           .gradient = false}};
}

Cost no_cost(const Node&, std::span<const Type>) { return {}; }
std::vector<Case> no_cases() { return {}; }

}  // namespace

namespace ops {
const Op input = {.name = "input",
                  .doc = "A value given at each run.",
                  .attributes = &InputAttributes::info,
                  .infer = infer_input,
                  .no_gradient = "it is a leaf",
                  .cases = no_cases,
                  .cost = no_cost};
const Op parameter = {.name = "parameter",
                      .doc = "A weight, bound by name or carried from step to step.",
                      .attributes = &ParameterAttributes::info,
                      .infer = infer_parameter,
                      .no_gradient = "it is a leaf",
                      .cases = no_cases,
                      .cost = no_cost};
const Op constant = {.name = "constant",
                     .doc = "A tensor written in the graph.",
                     .attributes = &ConstantAttributes::info,
                     .infer = infer_constant,
                     .no_gradient = "it is a leaf",
                     .reference = copy_constant,
                     .cases = constant_cases,
                     .cost = no_cost};
}  // namespace ops

Value input(Graph& graph, std::string name, Type type) {
  return graph.add(ops::input, {}, InputAttributes{type.dtype, Ints(type.shape.begin(), type.shape.end()), {}, false},
                   std::move(name));
}

Value bound_input(Graph& graph, std::string name, const Tensor& value) {
  return graph.add(ops::input, {},
                   InputAttributes{value.dtype(), Ints(value.shape().begin(), value.shape().end()), value, true},
                   std::move(name));
}

Value parameter(Graph& graph, std::string name, Type type) {
  return graph.add(ops::parameter, {}, ParameterAttributes{type.dtype, Ints(type.shape.begin(), type.shape.end())},
                   std::move(name));
}

Value constant(Graph& graph, Tensor value, std::string name) {
  return graph.add(ops::constant, {}, ConstantAttributes{std::move(value)}, std::move(name));
}
Value scalar(Graph& graph, double value, DType dtype) { return constant(graph, Tensor::full(dtype, {}, value)); }
Value ints(Graph& graph, const std::vector<int64_t>& values) { return constant(graph, Tensor::ints(values)); }

}  // namespace fovea
