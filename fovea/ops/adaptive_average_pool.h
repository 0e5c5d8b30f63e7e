#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct AdaptiveAveragePoolAttributes {
  Ints sizes;  // spatial sizes of the result
  FOVEA_FIELDS(AdaptiveAveragePoolAttributes, sizes)
};

namespace ops {
extern const Op adaptive_average_pool, adaptive_average_pool_gradient;
}

// x [N,C,spatial] → [N,C,sizes]: averages over windows that cover the input evenly, whatever its size. f32 or f64. What
// lets AlexNet and VGG take pictures of any size. Throws Error{shape} when the number of sizes is not that of the
// spatial axes or a size is below 1. Source: PyTorch adaptive_avg_pool2d.
Value adaptive_average_pool(Graph& graph, Value x, Ints sizes);
// Its adjoint: spreads d [N,C,spatial'] evenly over the windows: [N,C,sizes].
Value adaptive_average_pool_gradient(Graph& graph, Value d, Ints sizes);

}  // namespace fovea
