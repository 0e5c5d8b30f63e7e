// The leaves of a graph: what is fed at each run, what is bound once (weights), and constants.
#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct InputAttributes {
  DType dtype = DType::f32;
  Ints shape;
  Tensor value;  // a bound value: shape-determining inputs are known while building
  bool bound = false;
  FOVEA_FIELDS(InputAttributes, dtype, shape, value, bound)
};

struct ParameterAttributes {
  DType dtype = DType::f32;
  Ints shape;
  FOVEA_FIELDS(ParameterAttributes, dtype, shape)
};

struct ConstantAttributes {
  Tensor value;
  FOVEA_FIELDS(ConstantAttributes, value)
};

namespace ops {
extern const Op input, parameter, constant;
}

// A value given at each run, by name.
Value input(Graph& graph, std::string name, Type type);
// An input whose value is also known now (ONNX models may feed shapes, axes or scales at run time).
Value bound_input(Graph& graph, std::string name, const Tensor& value);
// A weight, bound by name from the model's Weights when the graph is compiled, or carried from step to step when it is
// trained.
Value parameter(Graph& graph, std::string name, Type type);
Value constant(Graph& graph, Tensor value, std::string name = {});
// A constant of rank 0.
Value scalar(Graph& graph, double value, DType dtype = DType::f32);
// A constant vector of i64: shapes, axes.
Value ints(Graph& graph, const std::vector<int64_t>& values);

}  // namespace fovea
