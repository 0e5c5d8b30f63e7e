// gram and gram_gradient of f32 maps in blocks of 16 channels, or with channels last.
#include "fovea/backend/cpu/kernels/gram.h"

#include <algorithm>

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/kernels/gemm_rows.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/backend/cpu/onednn.h"
#include "fovea/base/parallel.h"
#include "fovea/ops/gram.h"

namespace fovea::cpu {

namespace {

using onednn::Dims;

struct Maps {
  Layout layout;
  kernels::GramShape shape;
};

Maps maps_of(const Request& request) {
  const Type& x = request.type(0);
  const bool last = format_of(request.inputs[0]) == Format::channels_last && x.shape[1] % 16 == 0;
  const auto strides = last ? kernels::strides_nhwc : kernels::strides_nChw16c;
  return {layout_in(last ? Format::channels_last : Format::blocked16, x),
          {x.shape[0], x.shape[1], x.shape[2], x.shape[3], strides(x.shape[1], x.shape[2], x.shape[3])}};
}

std::string refusal(const Request& request) {
  const Type& x = request.type(0);
  if (x.dtype != DType::f32) return "not f32";
  if (x.shape.count() == 0) return "empty";
  // Maps of one position are plain in memory, without a block's padding.
  if (x.shape[2] * x.shape[3] == 1 && x.shape[1] % 16 != 0) return "one position of an odd number of channels";
  return {};
}

kernels::GramWindow window_of(const kernels::GramShape& s, const std::byte* given) {
  if (!given) return {0, s.height, 0, s.width};
  const auto* w = reinterpret_cast<const int64_t*>(given);
  const auto cut = [](int64_t at, int64_t size) { return std::clamp<int64_t>(at, 0, size); };
  return {cut(w[0], s.height), cut(w[1], s.height), cut(w[2], s.width), cut(w[3], s.width)};
}

bool given(const Request& request, size_t i) {
  return request.op_node().inputs.size() > i && request.op_node().inputs[i];
}

// Layouts of the inputs: the maps' own, the others plain.
std::vector<Layout> layouts_of(const Request& request, const Layout& maps) {
  std::vector<Layout> result = {maps};
  for (size_t i = 1; i < request.op_node().inputs.size(); ++i)
    result.push_back(given(request, i) ? plain_layout(request.type(i)) : Layout{});
  return result;
}

// G = Xᵀ X of one picture whose maps are rows of channels, in bf16 where that is allowed: no window, no sums.
void add_products_in_bf16(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  const Shape& x = request.type(0).shape;
  if (!options.bf16 || !onednn::has_bf16() || x[0] != 1 || given(request, 1) || request.used[1]) return;
  constexpr auto kBf16 = onednn::Storage::bf16;
  const int64_t channels = x[1], positions = x[2] * x[3];
  const auto columns = onednn::strided_desc({channels, positions}, {1, channels}, kBf16);
  const auto rows = onednn::plain_desc({positions, channels}, kBf16);
  const auto result = onednn::plain_desc({channels, channels});
  const auto d = onednn::describe<dnnl::matmul>(onednn::attributes(), columns, rows, onednn::Desc(), result);
  if (!d || onednn::is_reference(d)) return;
  onednn::Execution execution{dnnl::matmul(d)};
  execution.input(DNNL_ARG_SRC, columns, 0);
  execution.input(DNNL_ARG_WEIGHTS, rows, 0);
  execution.output(DNNL_ARG_DST, result, 0);
  onednn::bind_scratchpad(execution, d);
  Lowering lowering;
  lowering.implementation = onednn::implementation(d);
  lowering.inputs = layouts_of(request, onednn::layout_of(onednn::desc_in(Format::channels_last, Dims(x), kBf16)));
  for (const Type& type : request.op_node().outputs) lowering.outputs.push_back(plain_layout(type));
  lowering.scratch = onednn::scratch_bytes(d);
  lowering.run = execution;
  choices.push_back(std::move(lowering));
}

// dX = X (dG + dGᵀ) + ds of one picture whose maps are rows of channels, in bf16 where that is allowed: no window.
void add_gradient_in_bf16(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  const Shape& x = request.type(0).shape;
  if (!options.bf16 || !onednn::has_bf16() || x[0] != 1 || given(request, 3)) return;
  constexpr auto kBf16 = onednn::Storage::bf16;
  const int64_t channels = x[1], positions = x[2] * x[3], count = channels * channels;
  const auto maps = onednn::desc_in(Format::channels_last, Dims(x), kBf16);
  const auto rows = onednn::plain_desc({positions, channels}, kBf16);
  const auto products = onednn::plain_desc({channels, channels}, kBf16);
  const auto bias = given(request, 2) ? onednn::plain_desc({1, channels}) : onednn::Desc();
  const auto result = onednn::plain_desc({positions, channels});
  const auto d = onednn::describe<dnnl::matmul>(onednn::attributes(), rows, products, bias, result);
  if (!d || onednn::is_reference(d)) return;
  const auto aligned = [](size_t bytes) { return (bytes + 63) / 64 * 64; };
  const size_t sums = aligned(static_cast<size_t>(count) * sizeof(float));
  const size_t rounded = aligned(static_cast<size_t>(count) * sizeof(uint16_t));
  onednn::Execution execution{dnnl::matmul(d)};
  execution.input(DNNL_ARG_SRC, rows, 0);
  execution.scratch(DNNL_ARG_WEIGHTS, products, sums);
  if (given(request, 2)) execution.input(DNNL_ARG_BIAS, bias, 2);
  execution.output(DNNL_ARG_DST, result, 0);
  onednn::bind_scratchpad(execution, d, sums + rounded);
  Lowering lowering;
  lowering.implementation = onednn::implementation(d);
  lowering.inputs = layouts_of(request, onednn::layout_of(maps));
  lowering.outputs = {layout_in(Format::channels_last, request.type(0))};
  lowering.scratch = sums + rounded + onednn::scratch_bytes(d);
  lowering.run = [=](const Buffers& b) {
    const auto* from = reinterpret_cast<const float*>(b.in[1]);
    auto* sum = reinterpret_cast<float*>(b.scratch);
    parallel_for(channels, 16, [&](int64_t i) {
      for (int64_t j = 0; j < channels; ++j) sum[i * channels + j] = from[i * channels + j] + from[j * channels + i];
    });
    kernels::round_to_bf16(sum, reinterpret_cast<uint16_t*>(b.scratch + sums), count);
    execution(b);
  };
  choices.push_back(std::move(lowering));
}

}  // namespace

std::string lower_gram(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  if (std::string reason = refusal(request); !reason.empty()) return reason;
  add_products_in_bf16(request, options, choices);
  const Maps maps = maps_of(request);
  Lowering lowering;
  lowering.implementation = kernel_name("gram");
  lowering.inputs = layouts_of(request, maps.layout);
  for (const Type& type : request.op_node().outputs) lowering.outputs.push_back(plain_layout(type));
  lowering.scratch = kernels::gram_scratch_bytes(maps.shape);
  lowering.run = [shape = maps.shape, window = given(request, 1), answers = request.used[1]](const Buffers& b) {
    kernels::gram(shape, window_of(shape, window ? b.in[1] : nullptr), reinterpret_cast<const float*>(b.in[0]),
                  reinterpret_cast<float*>(b.out[0]), answers ? reinterpret_cast<float*>(b.out[1]) : nullptr,
                  b.scratch);
  };
  choices.push_back(std::move(lowering));
  return {};
}

std::string lower_gram_gradient(const Request& request, const CpuOptions& options, std::vector<Lowering>& choices) {
  if (std::string reason = refusal(request); !reason.empty()) return reason;
  add_gradient_in_bf16(request, options, choices);
  const Maps maps = maps_of(request);
  Lowering lowering;
  lowering.implementation = kernel_name("gram_gradient");
  lowering.inputs = layouts_of(request, maps.layout);
  lowering.outputs = {maps.layout};
  lowering.scratch = kernels::gram_gradient_scratch_bytes(maps.shape);
  lowering.run = [shape = maps.shape, answers = given(request, 2), window = given(request, 3)](const Buffers& b) {
    kernels::gram_gradient(shape, window_of(shape, window ? b.in[3] : nullptr), reinterpret_cast<const float*>(b.in[0]),
                           reinterpret_cast<const float*>(b.in[1]),
                           answers ? reinterpret_cast<const float*>(b.in[2]) : nullptr,
                           reinterpret_cast<float*>(b.out[0]), b.scratch);
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
