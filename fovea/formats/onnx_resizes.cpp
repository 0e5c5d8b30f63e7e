// ONNX Resize and its forerunner Upsample.
#include "fovea/formats/onnx_node.h"
#include "fovea/ops/input.h"
#include "fovea/ops/resize.h"

namespace fovea {

namespace {

// Empty tensors and missing inputs both mean "not given".
Value given(OnnxNode& n, size_t i) { return n.has(i) && n.shape(i).count() > 0 ? n.in(i) : Value{}; }

// Before opset 11: scales only, and positions without the half-pixel shift.
std::vector<Value> old_resize(OnnxNode& n, Value scales) {
  const std::string mode = n.text("mode", "nearest");
  require(mode == "nearest" || mode == "linear" || mode == "bilinear", ErrorKind::unsupported,
          "unsupported mode \"{}\"", mode);
  return {resize(n.graph, n.in(0), {}, scales, {},
                 {.mode = mode == "nearest" ? "nearest" : "linear", .coordinates = "asymmetric", .nearest = "floor"})};
}

std::vector<Value> upsample(OnnxNode& n) {
  if (n.opset >= 9) return old_resize(n, n.in(1));
  std::vector<double> scales = n.reals("scales");
  if (n.opset < 7) scales = {1, 1, n.real("height_scale", 1), n.real("width_scale", 1)};
  require(!scales.empty(), ErrorKind::format, "attribute scales is missing");
  const std::vector<float> values(scales.begin(), scales.end());
  return old_resize(n, constant(n.graph, Tensor::of<float>({static_cast<int64_t>(values.size())}, values)));
}

std::vector<Value> resized(OnnxNode& n) {
  if (n.opset < 11) return old_resize(n, n.in(1));
  ResizeAttributes a;
  a.mode = n.text("mode", "nearest");
  a.coordinates = n.text("coordinate_transformation_mode", "half_pixel");
  a.nearest = n.text("nearest_mode", "round_prefer_floor");
  a.cubic_coefficient = n.real("cubic_coeff_a", -0.75);
  a.exclude_outside = n.flag("exclude_outside", false);
  a.extrapolation = n.real("extrapolation_value", 0);
  a.antialias = n.flag("antialias", false);
  a.axes = n.ints("axes");
  a.aspect = n.text("keep_aspect_ratio_policy", "stretch");
  const bool crops = a.coordinates == "tf_crop_and_resize";
  return {resize(n.graph, n.in(0), crops ? given(n, 1) : Value{}, given(n, 2), given(n, 3), std::move(a))};
}

constexpr OnnxOperator kOperators[] = {{"Resize", resized}, {"Upsample", upsample}};

}  // namespace

std::span<const OnnxOperator> onnx_resize_operators() { return kOperators; }

}  // namespace fovea
