// A network for more pictures at once than it was made for.
#pragma once

#include <cstdint>

#include "fovea/model/model.h"

namespace fovea {

// The model for `batch` inputs at once: the first axis of every input that is not bound and has more than one axis.
// Throws Error{usage} when its shapes are fixed to another number, or when its class scores would have another first
// axis (a batch that the network folds away would mix pictures).
Model for_pictures(const Model& model, int64_t batch);

}  // namespace fovea
