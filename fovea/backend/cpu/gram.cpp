// gram and gram_gradient of f32 maps in blocks of 16 channels, or with channels last.
#include "fovea/backend/cpu/kernels/gram.h"

#include <algorithm>

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/ops/gram.h"

namespace fovea::cpu {

namespace {

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

}  // namespace

std::string lower_gram(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  if (std::string reason = refusal(request); !reason.empty()) return reason;
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

std::string lower_gram_gradient(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  if (std::string reason = refusal(request); !reason.empty()) return reason;
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
