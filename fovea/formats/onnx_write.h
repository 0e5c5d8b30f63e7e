// Model → ONNX file, operator set 17, IR version 8.
#pragma once

#include <cstddef>
#include <filesystem>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

// The whole file. Weights keep their names and bits and lie at multiples of 64 bytes, so that fovea maps them when it
// reads the file; class names, preprocessing and the rest of the meaning go into the metadata properties. Operators
// that ONNX lacks are written as compositions. Throws Error{unsupported} "… cannot be written as ONNX" naming the node
// for what has no such form (training-time operators, antialiased resizing), and for files above 2 GiB; Error{usage}
// when a weight is missing or of another type.
std::vector<std::byte> write_onnx(const Model& model);
// The same into a file, whole or not at all (see write_file).
void write_onnx(const Model& model, const std::filesystem::path& path);

constexpr int64_t kOnnxWrittenOpset = 17;

}  // namespace fovea
