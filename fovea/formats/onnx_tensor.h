// ONNX element types and tensors ↔ ours.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "fovea/formats/onnx_wire.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

// Our element type for an ONNX data_type number. Throws Error{unsupported} by name for those we do not store (strings,
// complex, 8-bit floats, 4- and 2-bit integers), Error{format} for numbers that mean nothing.
DType dtype_from_onnx(int data_type);
int dtype_to_onnx(DType dtype);
std::string onnx_type_name(int data_type);  // "FLOAT8E4M3FN"

// Where tensors' data may lie.
struct TensorSource {
  Bytes file;                    // the file of the message; payloads are ranges of it
  std::filesystem::path folder;  // external data lie in this folder or below; empty: external data are refused
};

// The tensor, over the mapped file where its data are aligned there. Sizes are checked against the data before anything
// is allocated. Throws Error{format, unsupported, io}; messages begin with the tensor's name.
Tensor tensor_from_onnx(const onnx::TensorProto& proto, const TensorSource& source);

}  // namespace fovea
