// ONNX files → Model. Opsets 1 to 28 of the operators in the tables of onnx_node.h; whatever else is refused by name.
#pragma once

#include <map>
#include <string>

#include "fovea/base/bytes.h"
#include "fovea/model/model.h"

namespace fovea {

struct OnnxOptions {
  std::map<std::string, Tensor>
      bound;  // values of run-time inputs that determine shapes (Reshape's shape, Resize's scales, axes)
  std::map<std::string, Type> input_types;  // types of inputs, in place of what the file declares
};

// The model in a file. Its label is the file's path: external data are looked for beside it, and messages begin with
// it. Large weights stay in the mapping. Sizes that the file leaves open become 224 for the picture's height and width
// and 1 otherwise, recorded in the metadata; respecialise() chooses others. Throws Error{format} for bytes that are no
// ONNX model or contradict themselves, {unsupported} for an operator, attribute, element type or version that fovea
// does not know, {shape, type} for operands that do not fit, {io} for missing external data.
Model read_onnx(const Bytes& file, const OnnxOptions& options = {});

// Highest version of the default operator set that is read.
constexpr int64_t kOnnxNewestOpset = 28;

}  // namespace fovea
