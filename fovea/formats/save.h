// Model → a file of any kind that fovea writes, told by its name's ending.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

struct SaveOptions {
  bool half = false;  // store floating-point weights as f16
};

// The endings that can be written: .onnx .pth .pt .safetensors .npz .caffemodel.
const std::vector<std::string>& saved_endings();

// Writes the model whole or not at all. ONNX and Caffe (a .prototxt of the same name beside the .caffemodel) hold the
// network; the others its weights only, by name, in the network's order. Returns the files written. Throws Error{usage}
// for another ending, Error{unsupported} for a network that the format cannot express, Error{io}.
std::vector<std::filesystem::path> save_model(const Model& model, const std::filesystem::path& path,
                                              const SaveOptions& options = {});

}  // namespace fovea
