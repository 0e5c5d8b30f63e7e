// Small ONNX models built for tests, and what reading them says.
#pragma once

#include <string>
#include <vector>

#include "fovea/formats/onnx_read.h"
#include "onnx.pb.h"

namespace fovea {

inline onnx::ValueInfoProto& declare(onnx::ValueInfoProto& info, const std::string& name,
                                     const std::vector<int64_t>& shape, int type = 1) {
  info.set_name(name);
  info.mutable_type()->mutable_tensor_type()->set_elem_type(type);
  info.mutable_type()->mutable_tensor_type()->mutable_shape();
  for (const int64_t size : shape)
    info.mutable_type()->mutable_tensor_type()->mutable_shape()->add_dim()->set_dim_value(size);
  return info;
}

inline onnx::NodeProto& add_node(onnx::ModelProto& model, const std::string& op, const std::vector<std::string>& inputs,
                                 const std::vector<std::string>& outputs) {
  onnx::NodeProto& node = *model.mutable_graph()->add_node();
  node.set_op_type(op);
  node.set_name(op + "_" + outputs[0]);
  for (const auto& input : inputs) node.add_input(input);
  for (const auto& output : outputs) node.add_output(output);
  return node;
}

inline onnx::TensorProto& add_tensor(onnx::ModelProto& model, const std::string& name,
                                     const std::vector<int64_t>& shape, const std::vector<float>& values) {
  onnx::TensorProto& tensor = *model.mutable_graph()->add_initializer();
  tensor.set_name(name);
  tensor.set_data_type(1);
  for (const int64_t size : shape) tensor.add_dims(size);
  for (const float value : values) tensor.add_float_data(value);
  return tensor;
}

// An empty model with input x [1,3,8,8] and output y [1,2,8,8].
inline onnx::ModelProto frame(int64_t opset = 17) {
  onnx::ModelProto model;
  model.set_ir_version(8);
  model.add_opset_import()->set_version(opset);
  model.mutable_graph()->set_name("test");
  declare(*model.mutable_graph()->add_input(), "x", {1, 3, 8, 8});
  declare(*model.mutable_graph()->add_output(), "y", {1, 2, 8, 8});
  return model;
}

// conv 1x1 → relu.
inline onnx::ModelProto small_model() {
  onnx::ModelProto model = frame();
  add_tensor(model, "w", {2, 3, 1, 1}, {1, 2, 3, 4, 5, 6});
  add_tensor(model, "b", {2}, {0.5f, -0.5f});
  add_node(model, "Conv", {"x", "w", "b"}, {"c"});
  add_node(model, "Relu", {"c"}, {"y"});
  return model;
}

inline Bytes bytes_of(const onnx::ModelProto& model) { return Bytes::copy(model.SerializeAsString(), "test.onnx"); }

// The message of the Error that reading throws; "" when it does not.
inline std::string error_of(const Bytes& bytes, ErrorKind* kind = nullptr) {
  try {
    read_onnx(bytes);
  } catch (const Error& error) {
    if (kind) *kind = error.kind();
    return error.message();
  }
  return {};
}

}  // namespace fovea
