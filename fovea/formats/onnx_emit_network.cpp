// Convolutions, products, pooling, normalisation and resizing → ONNX.
#include "fovea/formats/onnx_emit.h"
#include "fovea/ops/adaptive_average_pool.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/dropout.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/lrn.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/resize.h"
#include "fovea/ops/softmax.h"
#include "fovea/ops/window.h"

namespace fovea {

namespace {

// One value an axis, all written out.
Ints spread(const Ints& values, size_t axes, int64_t otherwise) {
  Ints result;
  for (size_t k = 0; k < axes; ++k) result.push_back(axis_value(values, k, otherwise));
  return result;
}

// All begins, then all ends.
Ints spread_pads(const Ints& pad, size_t axes) {
  if (pad.size() == 2 * axes) return pad;
  Ints result = spread(pad, axes, 0);
  const Ints once = result;
  result.insert(result.end(), once.begin(), once.end());
  return result;
}

void add_window(OnnxEmitted& node, size_t axes, const Ints& stride, const Ints& pad, std::string_view auto_pad) {
  node.ints("strides", spread(stride, axes, 1));
  if (auto_pad == "same_upper") node.text("auto_pad", "SAME_UPPER");
  else if (auto_pad == "same_lower") node.text("auto_pad", "SAME_LOWER");
  else if (auto_pad == "valid") node.text("auto_pad", "VALID");
  else node.ints("pads", spread_pads(pad, axes));
}

size_t spatial_axes(const OnnxEmission& e) { return e.shape(0).size() - 2; }

void conv_(OnnxEmission& e) {
  const auto& a = e.as<ConvAttributes>();
  const size_t axes = spatial_axes(e);
  OnnxEmitted node = e.final("Conv", e.all());
  node.ints("kernel_shape", Ints(e.shape(1).begin() + 2, e.shape(1).end()))
      .ints("dilations", spread(a.dilation, axes, 1))
      .integer("group", a.groups);
  add_window(node, axes, a.stride, a.pad, a.auto_pad);
}

// The adjoint is a transposed convolution; what its formula leaves open is output padding.
void conv_transpose_(OnnxEmission& e) {
  const auto& a = e.as<ConvAdjointAttributes>();
  const size_t axes = spatial_axes(e);
  const Ints pads = spread_pads(a.pad, axes);
  Ints extra;
  for (size_t k = 0; k < axes; ++k) {
    const int64_t stride = axis_value(a.stride, k, 1);
    const int64_t extent = (e.shape(1)[k + 2] - 1) * axis_value(a.dilation, k, 1) + 1;
    extra.push_back(a.sizes[k] - ((e.shape(0)[k + 2] - 1) * stride + extent - pads[k] - pads[k + axes]));
  }
  OnnxEmitted node = e.final("ConvTranspose", e.all());
  node.ints("kernel_shape", Ints(e.shape(1).begin() + 2, e.shape(1).end()))
      .ints("dilations", spread(a.dilation, axes, 1))
      .integer("group", a.groups);
  node.ints("output_padding", extra);
  add_window(node, axes, a.stride, pads, "");
}

void gemm_(OnnxEmission& e) {
  const auto& a = e.as<GemmAttributes>();
  e.final("Gemm", e.all())
      .real("alpha", a.alpha)
      .real("beta", a.beta)
      .integer("transA", a.trans_a ? 1 : 0)
      .integer("transB", a.trans_b ? 1 : 0);
}

std::string swapped(OnnxEmission& e, size_t i) {
  const size_t rank = e.shape(i).size();
  Ints order;
  for (size_t k = 0; k < rank; ++k) order.push_back(static_cast<int64_t>(k));
  std::swap(order[rank - 1], order[rank - 2]);
  return e.step("Transpose", {e.in(i)}).ints("perm", order).output();
}

void matmul_(OnnxEmission& e) {
  const auto& a = e.as<MatmulAttributes>();
  const std::string left = a.transpose_a ? swapped(e, 0) : e.in(0);
  e.final("MatMul", {left, a.transpose_b ? swapped(e, 1) : e.in(1)});
}

// Our switches count inside a plane and are i32; ONNX's indices count in the whole tensor.
void max_pool_(OnnxEmission& e) {
  const auto& a = e.as<MaxPoolAttributes>();
  const size_t axes = spatial_axes(e);
  const std::string indices = e.wants(1) ? e.fresh("Indices") : "";
  OnnxEmitted node =
      indices.empty() ? e.final("MaxPool", {e.in(0)}) : e.named("MaxPool", {e.in(0)}, {e.out(0), indices});
  node.ints("kernel_shape", spread(a.kernel, axes, 1))
      .ints("dilations", spread(a.dilation, axes, 1))
      .integer("ceil_mode", a.ceil ? 1 : 0);
  add_window(node, axes, a.stride, a.pad, a.auto_pad);
  if (indices.empty()) return;
  const std::string local = e.step("Mod", {indices, e.ints({e.shape(0).count(2, e.shape(0).rank())})}).output();
  e.named("Cast", {local}, {e.out(1)}).integer("to", dtype_to_onnx(DType::i32));
}

void average_pool_(OnnxEmission& e) {
  const auto& a = e.as<AveragePoolAttributes>();
  const size_t axes = spatial_axes(e);
  int64_t window = 1;
  for (size_t k = 0; k < axes; ++k) {
    if (axis_value(a.dilation, k, 1) != 1) e.refuse("ONNX 17 has no dilated average pooling");
    window *= axis_value(a.kernel, k, 1);
  }
  if (a.sum && a.ceil) e.refuse("ONNX has no sum pooling with rounding up");
  OnnxEmitted node = a.sum ? e.step("AveragePool", {e.in(0)}) : e.final("AveragePool", {e.in(0)});
  node.ints("kernel_shape", spread(a.kernel, axes, 1))
      .integer("ceil_mode", a.ceil ? 1 : 0)
      .integer("count_include_pad", a.include_pad || a.sum ? 1 : 0);
  add_window(node, axes, a.stride, a.pad, a.auto_pad);
  const std::string average = node.output();
  if (a.sum) e.final("Mul", {average, e.number(static_cast<double>(window), e.type(0).dtype)});
}

void global_average(OnnxEmission& e) { e.final("GlobalAveragePool", e.all()); }

// [N,C,spatial] as [N,C,positions], which ScatterElements and GatherElements take along the last axis.
std::string flat_planes(OnnxEmission& e, size_t i) {
  return e.step("Reshape", {e.in(i), e.ints({e.shape(i)[0], e.shape(i)[1], e.shape(i).count(2, e.shape(i).rank())})})
      .output();
}

std::string flat_switches(OnnxEmission& e, size_t i) {
  return e.step("Cast", {flat_planes(e, i)}).integer("to", dtype_to_onnx(DType::i64)).output();
}

void unpool_(OnnxEmission& e) {
  const Shape& out = e.node.outputs[0].shape;
  const std::string zeros = e.step("ConstantOfShape", {e.ints({out[0], out[1], out.count(2, out.rank())})})
                                .tensor("value", Tensor(e.type(0).dtype, {1}))
                                .output();
  const std::string added = e.step("ScatterElements", {zeros, flat_switches(e, 1), flat_planes(e, 0)})
                                .integer("axis", 2)
                                .text("reduction", "add")
                                .output();
  e.final("Reshape", {added, e.ints(out)});
}

void take_switches_(OnnxEmission& e) {
  const std::string taken =
      e.step("GatherElements", {flat_planes(e, 0), flat_switches(e, 1)}).integer("axis", 2).output();
  e.final("Reshape", {taken, e.ints(e.node.outputs[0].shape)});
}

void batch_norm_(OnnxEmission& e) {
  e.final("BatchNormalization", e.all()).real("epsilon", e.as<BatchNormAttributes>().epsilon);
}

// Along one axis a product with the matrix of averages, [out,in].
Tensor averaging_matrix(int64_t in, int64_t out) {
  Tensor m(DType::f32, {out, in});
  for (int64_t p = 0; p < out; ++p) {
    const int64_t begin = p * in / out, end = ((p + 1) * in + out - 1) / out;
    for (int64_t k = begin; k < end; ++k) m.set(p * in + k, 1.0 / static_cast<double>(end - begin));
  }
  return m;
}

void adaptive_average_pool_(OnnxEmission& e) {
  const Shape &x = e.shape(0), &y = e.node.outputs[0].shape;
  if (x == y) {
    e.final("Identity", {e.in(0)});
    return;
  }
  Ints kernel;
  for (size_t k = 2; k < x.size(); ++k)
    if (x[k] % y[k] == 0) kernel.push_back(x[k] / y[k]);
  if (kernel.size() + 2 == x.size()) {
    e.final("AveragePool", {e.in(0)}).ints("kernel_shape", kernel).ints("strides", kernel);
    return;
  }
  if (x.rank() != 4 || e.type(0).dtype != DType::f32) e.refuse("its windows differ in size");
  const std::string rows = e.step("MatMul", {e.constant(averaging_matrix(x[2], y[2])), e.in(0)}).output();
  Tensor right(DType::f32, {x[3], y[3]});
  const Tensor left = averaging_matrix(x[3], y[3]);
  for (int64_t i = 0; i < x[3]; ++i)
    for (int64_t j = 0; j < y[3]; ++j) right.set(i * y[3] + j, left.at(j * x[3] + i));
  e.final("MatMul", {rows, e.constant(right)});
}

void dropout_(OnnxEmission& e) {
  if (e.has(1)) e.refuse("its random numbers are not defined there");
  e.final("Dropout", {e.in(0), e.number(e.as<DropoutAttributes>().rate, DType::f32)}, e.wants(1) ? 2 : 1);
}

void lrn_(OnnxEmission& e) {
  const auto& a = e.as<LrnAttributes>();
  e.final("LRN", e.all()).integer("size", a.size).real("alpha", a.alpha).real("beta", a.beta).real("bias", a.bias);
}

void softmax_(OnnxEmission& e) {
  e.final(e.node.op->name == "softmax" ? "Softmax" : "LogSoftmax", e.all())
      .integer("axis", e.as<SoftmaxAttributes>().axis);
}

// ONNX 17 resizes all axes: scales or sizes that speak of some are filled up.
void resize_(OnnxEmission& e) {
  const auto& a = e.as<ResizeAttributes>();
  if (a.antialias || a.aspect != "stretch" || a.coordinates == "half_pixel_symmetric")
    e.refuse("ONNX 17 has neither antialiasing, kept proportions nor half_pixel_symmetric");
  if (!a.axes.empty() && a.coordinates == "tf_crop_and_resize") e.refuse("ONNX 17 has no axes of Resize");
  std::string scales = e.in(2), sizes = e.in(3);
  if (!a.axes.empty() && !sizes.empty()) sizes = e.ints(e.node.outputs[0].shape);
  if (!a.axes.empty() && sizes.empty()) {
    const Tensor* known = e.graph.known(e.node.inputs[2]);
    std::vector<float> all(e.shape(0).size(), 1);
    for (size_t k = 0; k < a.axes.size(); ++k)
      all[static_cast<size_t>(normal_axis(a.axes[k], e.shape(0).rank(), "resize"))] =
          static_cast<float>(known->at(static_cast<int64_t>(k)));
    scales = e.constant(Tensor::of<float>({static_cast<int64_t>(all.size())}, all));
  }
  e.final("Resize", {e.in(0), e.in(1), sizes.empty() ? scales : "", sizes})
      .text("mode", a.mode)
      .text("coordinate_transformation_mode", a.coordinates)
      .text("nearest_mode", a.nearest)
      .real("cubic_coeff_a", a.cubic_coefficient)
      .integer("exclude_outside", a.exclude_outside ? 1 : 0)
      .real("extrapolation_value", a.extrapolation);
}

constexpr OnnxEmitter kEmitters[] = {
    {"adaptive_average_pool", adaptive_average_pool_},
    {"average_pool", average_pool_},
    {"batch_norm", batch_norm_},
    {"conv", conv_},
    {"conv_input_gradient", conv_transpose_},
    {"gemm", gemm_},
    {"global_average_pool", global_average},
    {"log_softmax", softmax_},
    {"dropout", dropout_},
    {"lrn", lrn_},
    {"matmul", matmul_},
    {"max_pool", max_pool_},
    {"resize", resize_},
    {"softmax", softmax_},
    {"take_switches", take_switches_},
    {"unpool", unpool_},
};

}  // namespace

std::span<const OnnxEmitter> onnx_network_emitters() { return kEmitters; }

}  // namespace fovea
