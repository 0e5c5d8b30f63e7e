// Index tensors of the gathering and scattering operators.
#pragma once

#include <vector>

#include "fovea/graph/op.h"

namespace fovea {

// Throws Error{type} unless input i is i32 or i64; Error{shape} when its values are known and not all in [-size, size).
void check_indices(const Inference& in, size_t i, int64_t size);

// The indices in [0, size). Throws Error{usage} for one outside of [-size, size): nothing is ever read or written out
// of bounds.
std::vector<int64_t> normal_indices(const Tensor& indices, int64_t size);

}  // namespace fovea
