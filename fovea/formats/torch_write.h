// Tensors → a PyTorch checkpoint: a state dict in the zip form that torch.load reads (since PyTorch 1.4).
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea {

// The archive: entries stored, every storage at a multiple of 64 bytes. The metadata, when there are some, stand in an
// entry "metadata.json" of their own, which torch.load passes over. Throws Error{unsupported} naming a tensor whose
// elements PyTorch does not store (u16, u32, u64).
std::vector<std::byte> torch_bytes(const std::vector<std::pair<std::string, Tensor>>& tensors,
                                   const std::map<std::string, std::string>& metadata);

}  // namespace fovea
