// reduce (sum, mean, max and min) and the gradient of an extreme: over neighbouring axes, over the positions of each
// channel, or, for sums, over everything but the channels.
#include "fovea/backend/cpu/kernels/reduce.h"
#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/ops/reduce.h"

namespace fovea::cpu {

namespace {

// x as [outer, reduced, inner] → [outer, inner]; then, where `batch` is above 1, that as [batch, the rest] → [the
// rest].
struct Passes {
  int64_t outer, reduced, inner, batch = 1;
};

// `reduced`: which axes, those of size 1 counting as either.
std::optional<Passes> passes_of(const Type& x, const Layout& layout, const std::vector<bool>& reduced) {
  const Shape& shape = x.shape;
  const int64_t rank = shape.rank();
  const auto is_reduced = [&](int64_t axis) { return reduced[static_cast<size_t>(axis)]; };
  const auto size = [&](int64_t axis) { return shape[static_cast<size_t>(axis)]; };
  bool all = true;
  for (int64_t axis = 0; axis < rank; ++axis) all = all && (is_reduced(axis) || size(axis) == 1);
  if (all) return Passes{1, static_cast<int64_t>(layout.bytes / sizeof(float)), 1};  // padding adds zeros
  if (!layout.is_plain()) {
    if (is_padded(x, layout)) return std::nullopt;
    bool positions = !is_reduced(1);
    for (int64_t axis = 2; axis < rank; ++axis) positions = positions && (is_reduced(axis) || size(axis) == 1);
    if (!positions) return std::nullopt;
    const int64_t plane = shape.count(2, rank), block = block_of(format_of(layout));
    const bool batch = is_reduced(0) && size(0) > 1;
    if (format_of(layout) == Format::channels_last)
      return batch ? Passes{1, size(0) * plane, size(1)} : Passes{size(0), plane, size(1)};
    return Passes{size(0) * size(1) / block, plane, block, batch ? size(0) : 1};
  }
  int64_t first = 0, end = rank;
  while (first < end && (!is_reduced(first) || size(first) == 1)) ++first;
  while (end > first && (!is_reduced(end - 1) || size(end - 1) == 1)) --end;
  bool one_group = true;
  for (int64_t axis = first; axis < end; ++axis) one_group = one_group && (is_reduced(axis) || size(axis) == 1);
  if (one_group) return Passes{shape.count(0, first), shape.count(first, end), shape.count(end, rank)};
  // The gradient of a bias: everything but the channels.
  bool bias = rank >= 3 && is_reduced(0) && !is_reduced(1);
  for (int64_t axis = 2; axis < rank; ++axis) bias = bias && (is_reduced(axis) || size(axis) == 1);
  if (bias) return Passes{size(0) * size(1), shape.count(2, rank), 1, size(0)};
  return std::nullopt;
}

// The passes in a layout, or in plain layout, which it then becomes. One pass only where `single`, and no padding.
std::optional<Passes> passes_in(const Type& x, Layout& layout, const std::vector<bool>& reduced, bool single) {
  const auto fitting = [&]() -> std::optional<Passes> {
    const auto passes = passes_of(x, layout, reduced);
    return passes && single && (passes->batch > 1 || is_padded(x, layout)) ? std::nullopt : passes;
  };
  auto passes = fitting();
  if (passes || layout.is_plain()) return passes;
  layout = plain_layout(x);
  return fitting();
}

}  // namespace

std::string lower_reduce(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const auto& a = request.op_node().attributes.as<ReduceAttributes>();
  const Type &x = request.type(0), &y = request.op_node().outputs[0];
  if (x.dtype != DType::f32) return "not f32";
  const bool extreme = a.kind == "max" || a.kind == "min";
  if (!extreme && a.kind != "sum" && a.kind != "mean") return "a product";
  if (x.shape.count() == 0) return "empty";
  std::vector<bool> reduced(x.shape.size(), a.axes.empty());
  for (const int64_t axis : a.axes) reduced[static_cast<size_t>(normal_axis(axis, x.shape.rank(), "reduce"))] = true;
  const Format format = format_of(request.inputs[0]);
  Layout layout = layout_in(format, x);
  const auto passes = passes_in(x, layout, reduced, extreme);
  if (!passes) return "reduced axes are not neighbours";
  const double scale =
      a.kind == "mean" ? static_cast<double>(y.shape.count()) / static_cast<double>(x.shape.count()) : 1;
  Lowering lowering;
  lowering.implementation = kernel_name("reduce");
  lowering.inputs = {layout};
  lowering.outputs = {plain_layout(y)};
  if (extreme) {
    lowering.run = [p = *passes, largest = a.kind == "max"](const Buffers& b) {
      kernels::reduce_extreme(reinterpret_cast<const float*>(b.in[0]), reinterpret_cast<float*>(b.out[0]), p.outer,
                              p.reduced, p.inner, largest);
    };
    choices.push_back(std::move(lowering));
    return {};
  }
  if (passes->batch > 1) lowering.scratch = static_cast<size_t>(passes->outer * passes->inner) * sizeof(float);
  lowering.run = [p = *passes, scale](const Buffers& b) {
    const auto* from = reinterpret_cast<const float*>(b.in[0]);
    auto* to = reinterpret_cast<float*>(b.out[0]);
    auto* between = reinterpret_cast<float*>(b.scratch);
    if (p.batch <= 1) return kernels::reduce_sum(from, to, p.outer, p.reduced, p.inner, scale);
    kernels::reduce_sum(from, between, p.outer, p.reduced, p.inner);
    kernels::reduce_sum(between, to, 1, p.batch, p.outer * p.inner / p.batch, scale);
  };
  choices.push_back(std::move(lowering));
  return {};
}

std::string lower_reduce_extreme_gradient(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type &d = request.type(0), &x = request.type(1);
  if (x.dtype != DType::f32) return "not f32";
  if (x.shape.count() == 0) return "empty";
  std::vector<bool> reduced;
  for (size_t k = 0; k < x.shape.size(); ++k) reduced.push_back(d.shape[k] != x.shape[k]);
  Layout layout = layout_in(format_of(request.inputs[1]), x);
  const auto passes = passes_in(x, layout, reduced, true);
  if (!passes) return "reduced axes are not neighbours";
  Lowering lowering;
  lowering.implementation = kernel_name("reduce");
  lowering.inputs = {plain_layout(d), layout, plain_layout(d)};
  lowering.outputs = {layout};
  lowering.in_place = {{1, 0}};
  lowering.run = [p = *passes](const Buffers& b) {
    const auto in = [&](size_t i) { return reinterpret_cast<const float*>(b.in[i]); };
    kernels::reduce_extreme_gradient(in(0), in(1), in(2), reinterpret_cast<float*>(b.out[0]), p.outer, p.reduced,
                                     p.inner);
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
