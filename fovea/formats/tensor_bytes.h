// Raw element bytes in a file → Tensor: byte order, booleans, bounds. What every container of tensors shares.
#pragma once

#include <string_view>

#include "fovea/base/bytes.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

// The same bytes with the order within each element of 2, 4 or 8 bytes reversed; a copy.
Bytes swapped(const Bytes& bytes, size_t element);

// A tensor over little-endian elements, without a copy where the bytes are aligned. Booleans other than 0 and 1
// become 1. Throws Error{format} when the bytes are not exactly as many as the shape needs, or the shape is negative or
// overflows.
Tensor tensor_over(const Bytes& bytes, DType dtype, const Shape& shape);

// A name from a file as a message may show it: at most 200 characters, without control characters.
std::string shown(std::string_view name);

}  // namespace fovea
