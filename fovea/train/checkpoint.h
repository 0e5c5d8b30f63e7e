// A training run as it stands at one step: all that is needed to go on to the same bits.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "fovea/data/batches.h"
#include "fovea/model/model.h"
#include "fovea/tensor/weights.h"

namespace fovea {

struct Checkpoint {
  Weights states;      // everything that is carried: weights, the optimiser's state, running statistics
  int64_t step = 0;    // updates done
  BatchPosition next;  // the batch that comes next
  std::string model;   // fingerprint of the network, see fingerprint()
  std::string recipe;  // the run's settings as text: a run goes on under the settings that it began with
  std::string plan;    // how the step was compiled, see Program::plan(); empty: not recorded
  int threads = 0;     // that computed it: weight gradients depend on their number
  std::map<std::string, double> numbers;  // what the run has counted so far: running losses, the best epoch
};

// A safetensors file whose metadata hold everything but the tensors; written whole or not at all, with a SHA-256 of
// it all. Throws Error{io}: no folder, no permission, a full disk; the file that was there is then untouched.
void write_checkpoint(const Checkpoint& checkpoint, const std::filesystem::path& path);

// Throws Error{io} when it cannot be read, Error{format} for a file that is no checkpoint or is damaged (its tensors
// are compared with their SHA-256), Error{unsupported} for one of another version.
Checkpoint read_checkpoint(const std::filesystem::path& path);

// Whether a safetensors file's metadata say that it is a checkpoint.
bool is_checkpoint(const std::map<std::string, std::string>& metadata);

// A short text that is equal for equal networks: operators, what feeds them, attributes, and shapes of all weights.
// The batch and the picture's size do not count.
std::string fingerprint(const Model& model);

}  // namespace fovea
