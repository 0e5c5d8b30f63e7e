// NumPy arrays: .npy (versions 1 to 3) and .npz (a zip of them).
#pragma once

#include <string_view>

#include "fovea/base/bytes.h"
#include "fovea/formats/weights_file.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

// Whether the first bytes are those of a .npy file.
bool is_npy(const Bytes& file);

// The array of a .npy file; both orders of bytes and of axes are read, elements are bool, i1 to i8, u1 to u8, f2 to f8.
// Throws Error{format} for damage and sizes that do not fit, Error{unsupported} naming other element types.
Tensor read_npy(const Bytes& file);

// Every array of a .npz file, by the names without ".npy".
WeightsFile read_npz(const Bytes& file);

// An array in memory as NumPy describes it: `element` is its type string ("<f4"), `fortran` whether the first axis runs
// fastest. Throws as read_npy does.
Tensor tensor_from_numpy(const Bytes& data, std::string_view element, const Shape& shape, bool fortran);

}  // namespace fovea
