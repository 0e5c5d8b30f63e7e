// Weights: name → Tensor; the names are the checkpoint's own.
#pragma once

#include <map>
#include <string>

#include "fovea/tensor/tensor.h"

namespace fovea {

using Weights = std::map<std::string, Tensor, std::less<>>;

}  // namespace fovea
