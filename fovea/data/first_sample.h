// What a set holds, told from one of its samples.
#pragma once

#include "fovea/data/dataset.h"

namespace fovea {

// The first sample; with `skip_broken`, the first that can be read. Throws Error{usage} for a set without samples, and
// what reading the first one throws.
Sample first_sample(const Dataset& set, bool skip_broken);

}  // namespace fovea
