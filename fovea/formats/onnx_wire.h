// The outer layer of ONNX files: protobuf's wire format, read so that large tensor data stay where they are in the
// file.
#pragma once

#include "fovea/base/bytes.h"
#include "onnx.pb.h"

namespace fovea {

// Parses a ModelProto; raw tensor data of kPayloadThreshold bytes and more are not copied but named by payload_offset
// and payload_size. Throws Error{format} for anything that is not such a message, saying what the file looks like.
onnx::ModelProto parse_onnx_model(const Bytes& file);

// The same for a file that holds one TensorProto (a test vector).
onnx::TensorProto parse_onnx_tensor(const Bytes& file);

constexpr size_t kPayloadThreshold = 1024;

// What some bytes look like, for messages: "a PNG picture", "an HTML page", "empty", "bytes 12 34 56 78".
std::string looks_like(const Bytes& file);

}  // namespace fovea
