// How resizing weighs the elements of one axis.
#pragma once

#include <vector>

#include "fovea/ops/resize.h"

namespace fovea {

// What each output position of one axis reads: y[o] = Σ_k weights[o][k] · x[indices[o][k]].
struct ResizeAxis {
  size_t axis = 0;
  int64_t input = 0, output = 0;
  std::vector<std::vector<int64_t>> indices;
  std::vector<std::vector<double>> weights;  // empty where `outside`
  std::vector<bool> outside;                 // beyond the region of tf_crop_and_resize
};

// The axes that change, in order. The shape of the result is the input's with each axis's output size.
// Throws what `resize` documents. Empty roi, scales or sizes count as not given.
std::vector<ResizeAxis> resize_axes(const Shape& shape, const std::vector<double>& roi,
                                    const std::vector<double>& scales, const std::vector<int64_t>& sizes,
                                    const ResizeAttributes& attributes);

// The sizes alone: no weights are computed.
Shape resized_shape(const Shape& shape, const std::vector<double>& scales, const std::vector<int64_t>& sizes,
                    const ResizeAttributes& attributes);

}  // namespace fovea
