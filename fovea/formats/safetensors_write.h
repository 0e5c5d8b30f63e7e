// Tensors → a safetensors file.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea {

// The table of contents keeps the order given; the data are laid out by falling element size, so that every tensor is
// aligned. Throws Error{unsupported} when a name is no UTF-8 or the header passes 100 MB.
std::vector<std::byte> safetensors_bytes(const std::vector<std::pair<std::string, Tensor>>& tensors,
                                         const std::map<std::string, std::string>& metadata);

}  // namespace fovea
