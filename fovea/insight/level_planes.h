// Pictures as levels [1,C,H,W] (see insight/parametrisation.h) in other sizes and places, without rounding.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/tensor/tensor.h"

namespace fovea {

//   zoom    y[i] lies at i · (n − 1)/(m − 1) and is interpolated linearly, the ends on each other: scipy.ndimage.zoom
//           with order = 1 and mode = nearest. Nothing is smoothed before the picture shrinks.
//   linear  the triangle of bilinear interpolation, antialiased where the picture shrinks; makes no new extremes
//   smooth  bicubic, and antialiased where the picture shrinks (image/resize.h)
const std::vector<std::string>& level_resizes();

// Throws Error{usage} for an unknown way, Error{shape} for another rank and sizes below 1.
Tensor resized_levels(const Tensor& levels, int64_t height, int64_t width, const std::string& how);

// Shifted down and to the right, what leaves at one side returning at the other: numpy.roll.
Tensor rolled_levels(const Tensor& levels, int64_t down, int64_t right);

// The middle (1 − share) of the picture enlarged to its size: y[i] lies at (1 − share) · i + n · share/2, interpolated
// linearly, as scipy.ndimage.affine_transform with order = 1 does in the zoom loop of google/deepdream.
Tensor enlarged_middle(const Tensor& levels, double share);

}  // namespace fovea
