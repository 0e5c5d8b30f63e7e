// The picture that a run of picture-making begins with.
#pragma once

#include <string>

#include "fovea/base/context.h"
#include "fovea/base/rng.h"
#include "fovea/model/model.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

// Levels [1,C,H,W] (see insight/parametrisation.h) of a picture's file, whole and in its own shape, or of "noise":
// grey 100 and up to one level more, as google/deepdream begins, of size x size pixels (0: 512). `size` above 0: the
// longest side becomes this; below 0: it becomes at most −size; 0: as it is. Transparency is dropped and 16 bits are
// reduced to 8, which is noted. Throws what reading throws, and, before memory is taken for it,
// Error{usage} for a picture of which `memory` (bytes; 0: no limit) would not hold eight.
Tensor start_levels(const Context& context, const std::string& name, int64_t size, const Preprocess& how,
                    const Rng& noise, size_t memory = 0);

}  // namespace fovea
