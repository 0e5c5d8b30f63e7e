// max_pool whose switches are used, and what reads them: unpool and take_switches.
#include "fovea/backend/cpu/kernels/switches.h"

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/window.h"

namespace fovea::cpu {

namespace {

// A value as [planes, positions, lanes] of a format.
struct Planes {
  int64_t planes, lanes;
};
Planes planes_of(const Shape& shape, Format format) {
  if (format == Format::channels_last) return {shape[0], shape[1]};
  const int64_t block = block_of(format);
  return {shape[0] * ((shape[1] + block - 1) / block), block};
}

// The format of the switches an operator is handed, else of its floats.
Format format_with_switches(const Request& request) {
  for (const Format format : {Format::channels_last, Format::blocked8, Format::blocked16}) {
    const Layout layout = layout_in(format, {DType::f32, request.type(1).shape});
    if (!layout.is_plain() && switches_layout(request.type(1), layout).name == request.inputs[1].name) return format;
  }
  if (!request.constant[1]) return Format::plain;
  const Format format = format_of(request.inputs[0]);
  return format == Format::other ? Format::plain : format;
}

// Values of one position are called plain where that is the same in memory; then both sides must be.
bool agree(Format format, const Type& a, const Type& b) {
  return format == Format::plain || (!layout_in(format, a).is_plain() && !layout_in(format, b).is_plain());
}

}  // namespace

std::string lower_max_pool_switches(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const Type &x = request.type(0), &y = node.outputs[0];
  if (x.dtype != DType::f32) return "not f32";
  if (x.shape.rank() != 4) return "not two-dimensional";
  if (!request.used[1]) return "nobody uses the switches";
  const auto& a = node.attributes.as<MaxPoolAttributes>();
  const auto axes = window_axes(spatial_sizes(x.shape), {a.kernel, a.stride, a.dilation, a.pad, a.auto_pad, a.ceil});
  const WindowAxis &rows = axes[0], &columns = axes[1];
  Format format = format_of(request.inputs[0]);
  if (format == Format::other || !agree(format, x, y)) format = Format::plain;
  const auto [planes, lanes] = planes_of(x.shape, format);
  const kernels::PoolShape shape{
      planes,         rows.input,  columns.input,  lanes,         rows.output,      columns.output, rows.kernel,
      columns.kernel, rows.stride, columns.stride, rows.dilation, columns.dilation, rows.pad_begin, columns.pad_begin};
  const Layout to = layout_in(format, y);
  Lowering lowering;
  lowering.implementation = kernel_name("max_pool switches");
  lowering.inputs = {layout_in(format, x)};
  lowering.outputs = {to, switches_layout(node.outputs[1], to)};
  const size_t unused = request.used[0] ? 0 : to.bytes;
  lowering.scratch = unused;
  lowering.run = [shape](const Buffers& b) {
    kernels::max_pool(shape, reinterpret_cast<const float*>(b.in[0]),
                      reinterpret_cast<float*>(b.out[0] ? b.out[0] : b.scratch), reinterpret_cast<int32_t*>(b.out[1]));
  };
  choices.push_back(std::move(lowering));
  return {};
}

std::string lower_unpool(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type &d = request.type(0), &x = request.op_node().outputs[0];
  if (d.dtype != DType::f32) return "not f32";
  Format format = format_with_switches(request);
  if (!agree(format, d, x)) format = Format::plain;
  const auto [planes, lanes] = planes_of(d.shape, format);
  const bool rows = d.shape.rank() == 4 && x.shape.rank() == 4;
  const auto height_of = [&](const Shape& shape) { return rows ? shape[2] : 1; };
  const auto width_of = [&](const Shape& shape) { return shape.count(rows ? 3 : 2, shape.rank()); };
  const kernels::UnpoolShape shape{planes, height_of(x.shape), width_of(x.shape), height_of(d.shape), width_of(d.shape),
                                   lanes};
  const Layout from = layout_in(format, d);
  Lowering lowering;
  lowering.implementation = kernel_name("unpool");
  lowering.inputs = {from, switches_layout(request.type(1), from)};
  lowering.outputs = {layout_in(format, x)};
  lowering.run = [shape](const Buffers& b) {
    kernels::unpool(shape, reinterpret_cast<const float*>(b.in[0]), reinterpret_cast<const int32_t*>(b.in[1]),
                    reinterpret_cast<float*>(b.out[0]));
  };
  choices.push_back(std::move(lowering));
  return {};
}

std::string lower_take_switches(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type &x = request.type(0), &y = request.op_node().outputs[0];
  if (x.dtype != DType::f32) return "not f32";
  Format format = format_with_switches(request);
  if (!agree(format, x, y)) format = Format::plain;
  const auto [planes, lanes] = planes_of(x.shape, format);
  const int64_t positions = y.shape.count(2, y.shape.rank()), size = x.shape.count(2, x.shape.rank());
  const Layout to = layout_in(format, y);
  Lowering lowering;
  lowering.implementation = kernel_name("take_switches");
  lowering.inputs = {layout_in(format, x), switches_layout(request.type(1), to)};
  lowering.outputs = {to};
  lowering.run = [=, planes = planes, lanes = lanes](const Buffers& b) {
    kernels::take_switches(reinterpret_cast<const float*>(b.in[0]), reinterpret_cast<const int32_t*>(b.in[1]),
                           reinterpret_cast<float*>(b.out[0]), planes, positions, size, lanes);
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
