// Any file that holds a network → Model, by its content, not its name.
#pragma once

#include <filesystem>

#include "fovea/formats/onnx_read.h"
#include "fovea/model/model.h"

namespace fovea {

struct OpenOptions {
  OnnxOptions onnx;
};

// Opens a model file. Throws Error{io} when it cannot be read, Error{unsupported} for kinds of files that are
// recognised but not read (PyTorch checkpoints, safetensors, Caffe, Keras), and Error{format} for anything else, saying
// what the file looks like.
Model open_model(const std::filesystem::path& path, const OpenOptions& options = {});

}  // namespace fovea
