// The part of the demo that trains: a small network that learns drawn shapes in well under a minute.
#pragma once

#include "fovea/base/context.h"
#include "fovea/model/model.h"

namespace fovea {

struct TrainedShapes {
  Model model;
  int64_t errors = 0, count = 0;  // on shapes that training never saw
};

// Trains `steps` updates of 32 pictures each. Throws Error{usage} when the context is cancelled.
TrainedShapes train_on_shapes(const Context& context, int64_t steps, uint64_t seed);

// Side of its pictures in pixels, and pictures an update.
inline constexpr int kShapesSide = 48;
inline constexpr int64_t kShapesBatch = 32;

}  // namespace fovea
