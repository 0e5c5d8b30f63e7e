// Tensor → .npy, tensors → .npz, as NumPy reads them.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea {

// The first bytes of a .npy file, before the elements of such a tensor (not bf16); their number is a multiple of 64.
std::string npy_head(DType dtype, const Shape& shape);

// A .npy file, version 1, little-endian, row-major; elements begin at a multiple of 64 bytes. bf16, which NumPy does
// not have, becomes f32, exactly.
std::vector<std::byte> npy_bytes(const Tensor& tensor);

// A .npz file with stored (not compressed) entries in the order given. Throws Error{unsupported} for a name that no
// entry can bear.
std::vector<std::byte> npz_bytes(const std::vector<std::pair<std::string, Tensor>>& tensors);

}  // namespace fovea
