// lrn_gradient in any layout.
#include "fovea/backend/cpu/kernels/lrn_gradient.h"

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/base/parallel.h"
#include "fovea/ops/lrn.h"

namespace fovea::cpu {

std::string lower_lrn_gradient(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type& x = request.type(1);
  if (x.dtype != DType::f32) return "not f32";
  if (x.shape.count() == 0) return "the tensor has no elements";
  const auto& a = request.op_node().attributes.as<LrnAttributes>();
  Format format = format_of(request.inputs[1]);
  if (format == Format::other) format = Format::plain;
  const Layout layout = layout_in(format, x);
  if (layout.is_plain()) format = Format::plain;
  const int64_t channels = x.shape[1], pixels = x.shape.count(2, x.shape.rank()), block = block_of(format);
  kernels::PixelStrides strides{channels * pixels, 1, pixels, 1};
  if (format == Format::channels_last) strides = {channels * pixels, channels, channels, channels};
  if (block > 1) strides = {(channels + block - 1) / block * pixels * block, block, pixels * block, block};
  const kernels::LrnShape shape{x.shape[0],
                                channels,
                                pixels,
                                (a.size - 1) / 2,
                                a.size / 2,
                                static_cast<float>(a.alpha / static_cast<double>(a.size)),
                                static_cast<float>(a.beta),
                                static_cast<float>(a.bias),
                                strides};
  const int threads = thread_count();
  Lowering lowering;
  lowering.implementation = kernel_name("lrn_gradient");
  lowering.inputs = {layout, layout};
  lowering.outputs = {layout};
  lowering.scratch = kernels::lrn_gradient_scratch(shape, threads) * sizeof(float);
  lowering.in_place = {{0, 0}, {1, 0}};
  lowering.run = [shape, threads](const Buffers& b) {
    kernels::lrn_gradient(shape, reinterpret_cast<const float*>(b.in[0]), reinterpret_cast<const float*>(b.in[1]),
                          reinterpret_cast<float*>(b.out[0]), reinterpret_cast<float*>(b.scratch), threads);
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
