// conv_input_gradient to an image of 1 to 4 channels.
#include "fovea/backend/cpu/kernels/image_gradient.h"

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/window.h"

namespace fovea::cpu {

std::string lower_image_gradient(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const auto& a = node.attributes.as<ConvAdjointAttributes>();
  const Type &d = request.type(0), &w = request.type(1), &x = node.outputs[0];
  if (d.dtype != DType::f32) return "not f32";
  if (d.shape.rank() != 4) return "not two-dimensional";
  if (a.groups != 1) return "grouped";
  if (x.shape[1] > kernels::kImageChannelsMost)
    return fmt::format("{} channels, at most {}", x.shape[1], kernels::kImageChannelsMost);
  if (w.shape[2] * w.shape[3] > kernels::kImageTapsMost) return "a kernel of too many elements";
  const Ints kernel(w.shape.begin() + 2, w.shape.end());
  const auto axes = window_axes(spatial_sizes(x.shape), {kernel, a.stride, a.dilation, a.pad});
  const WindowAxis &rows = axes[0], &columns = axes[1];
  const bool last = format_of(request.inputs[0]) == Format::channels_last && d.shape[1] % 16 == 0;
  const auto strides = last ? kernels::strides_nhwc : kernels::strides_nChw16c;
  const kernels::ImageGradientShape shape{
      x.shape[0],       x.shape[1],     rows.input,        columns.input,
      d.shape[1],       rows.output,    columns.output,    rows.kernel,
      columns.kernel,   rows.stride,    columns.stride,    rows.dilation,
      columns.dilation, rows.pad_begin, columns.pad_begin, strides(d.shape[1], rows.output, columns.output)};
  Lowering lowering;
  lowering.implementation = kernel_name("image_gradient");
  const Layout from = layout_in(last ? Format::channels_last : Format::blocked16, d);
  lowering.inputs = {from,
                     prepared_layout("image_gradient", kernels::image_gradient_weight_floats(shape) * sizeof(float),
                                     [shape](const std::byte* plain, std::byte* prepared) {
                                       kernels::image_gradient_weights(shape, reinterpret_cast<const float*>(plain),
                                                                       reinterpret_cast<float*>(prepared));
                                     })};
  lowering.outputs = {plain_layout(x)};
  lowering.run = [shape](const Buffers& b) {
    kernels::image_gradient(shape, reinterpret_cast<const float*>(b.in[0]), reinterpret_cast<const float*>(b.in[1]),
                            reinterpret_cast<float*>(b.out[0]));
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
