// Anything that names a network → Model: a file by its content, not its name, or the zoo's name for one.
#pragma once

#include <string>

#include "fovea/formats/onnx_read.h"
#include "fovea/model/model.h"
#include "fovea/model/zoo/network_builder.h"

namespace fovea {

struct OpenOptions {
  OnnxOptions onnx;
  std::string weights;       // a file whose weights replace the network's own
  std::string architecture;  // the zoo's name for a file that holds weights only; empty: recognised
  std::string prototxt;      // the network of a .caffemodel, or of any file that holds weights only
  ZooOptions zoo;            // sizes of a network from the zoo
  bool keep_half = false;    // weights that an ONNX file holds as f16 or bf16 stay so; see model/widened.h
  uint64_t seed = 0;         // of random weights
};

// Opens what `name` says:
//   zoo:NAME                   an architecture of the zoo with random weights
//   builtin:NAME               a trained network that the program carries inside itself (formats/builtin.h)
//   .onnx                      graph and weights
//   .pth .pt .th .tar          a PyTorch checkpoint: its architecture is recognised by names and shapes
//   .safetensors .npz          the same
//   .caffemodel                with the network of options.prototxt, else of the one .prototxt beside it, else
//   recognised .prototxt                  the network alone: weights from options.weights, else random
//   .toml                      a text description (formats/network_description.h): weights likewise
// Throws Error{io} when a file cannot be read, Error{usage} for an unknown name of the zoo or of a built-in network,
// Error{unsupported} for kinds of files that are known but not read, and Error{format} for anything else, saying what
// the file looks like.
Model open_model(const std::string& name, const OpenOptions& options = {});

}  // namespace fovea
