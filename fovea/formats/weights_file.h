// Files that hold named tensors and no network: PyTorch checkpoints, safetensors, NumPy archives.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/tensor/weights.h"

namespace fovea {

struct WeightsFile {
  std::string kind;                             // "PyTorch checkpoint (zip)", "safetensors", "NumPy archive"
  Weights weights;                              // by the names in the file
  std::vector<std::string> order;               // the names as they stand in the file
  std::map<std::string, std::string> metadata;  // what else it says: "epoch" → "90", "__metadata__" of safetensors
  std::vector<std::string> notes;  // what was passed over, a sentence each: "the optimiser's state is left out"
};

// Whether the first bytes look like such a file.
bool is_weights_file(const Bytes& file);

// Reads any of them, by content; a stream compressed with xz or gzip is unpacked first. Throws Error{io} when it cannot
// be read, Error{format} naming the tensor or byte at fault, Error{unsupported} for what fovea will not read (a pickle
// that calls something foreign).
WeightsFile read_weights(const std::filesystem::path& path);
WeightsFile read_weights(const Bytes& file);

}  // namespace fovea
