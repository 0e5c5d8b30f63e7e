#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ResizeAttributes {
  std::string mode = "nearest";  // nearest, linear, cubic
  // half_pixel, half_pixel_symmetric, pytorch_half_pixel, align_corners, asymmetric, tf_crop_and_resize
  std::string coordinates = "half_pixel";
  std::string nearest = "round_prefer_floor";  // round_prefer_floor, round_prefer_ceil, floor, ceil
  double cubic_coefficient = -0.75;            // a of Keys's kernel: −0.75 PyTorch, −0.5 TensorFlow and Pillow
  bool exclude_outside = false;    // weights of positions outside of the input are 0 and the rest is rescaled
  double extrapolation = 0;        // what lies outside of the region with tf_crop_and_resize
  bool antialias = false;          // a wider kernel when shrinking (linear, cubic)
  Ints axes;                       // which axes roi, scales and sizes speak of; empty: all
  std::string aspect = "stretch";  // stretch; with sizes also not_larger, not_smaller (keep the proportions)
  Ints shape;                      // resize_gradient: the shape of the picture that was resized
  FOVEA_FIELDS(ResizeAttributes, mode, coordinates, nearest, cubic_coefficient, exclude_outside, extrapolation,
               antialias, axes, aspect, shape)
};

namespace ops {
extern const Op resize, resize_gradient;
}

// Either `scales` (floating point, one an axis) or `sizes` (i64, one an axis) is given and known while building; `roi`
// (all begins, then all ends, as fractions) only with tf_crop_and_resize. A tensor without elements counts as not
// given. x of any shape and numeric type; with scales the new size is ⌊size · scale⌋ (computed in f32, as ONNX's shape
// inference does). ONNX Upsample-7 and -9 are {.coordinates = "asymmetric", .nearest = "floor"} with scales. Throws
// Error{shape}, Error{usage} or Error{unsupported}: a number of scales, sizes or roi that does not fit the axes, an
// unknown mode, a scale that is not positive, an input known only at run time. Source: ONNX Resize-19.
Value resize(Graph& graph, Value x, Value roi, Value scales, Value sizes, ResizeAttributes attributes = {});
// Resizes the spatial axes (all but the first two) to the given sizes.
Value resize_to(Graph& graph, Value x, Ints sizes, ResizeAttributes attributes = {.mode = "linear"});
// The adjoint: d of the resized shape → a tensor of attributes.shape; roi, scales and sizes as in resize. The
// extrapolated part of the picture sends nothing back.
Value resize_gradient(Graph& graph, Value d, Value roi, Value scales, Value sizes, ResizeAttributes attributes);

}  // namespace fovea
