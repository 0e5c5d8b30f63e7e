// dropout with a key: plain with its mask, or in any layout without.
#include "fovea/backend/cpu/kernels/dropout.h"

#include <cmath>
#include <cstring>

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/layouts.h"
#include "fovea/ops/dropout.h"

namespace fovea::cpu {

std::string lower_dropout(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Node& node = request.op_node();
  const Type& x = request.type(0);
  if (x.dtype != DType::f32) return "not f32";
  if (node.inputs.size() < 2 || !node.inputs[1]) return "the identity";
  if (x.shape.count() == 0) return "the tensor has no elements";
  Format format = request.used[1] ? Format::plain : format_of(request.inputs[0]);
  if (format == Format::other || layout_in(format, x).is_plain()) format = Format::plain;
  const Layout layout = layout_in(format, x);
  kernels::DropoutShape shape{1, 1, x.shape.count(), 0, 1, 0, 1};
  if (format != Format::plain) {
    const int64_t channels = x.shape[1], pixels = x.shape.count(2, x.shape.rank());
    const int64_t block = format == Format::channels_last ? channels : block_of(format);
    shape = {x.shape[0], channels,       pixels, (channels + block - 1) / block * block * pixels,
             block,      block * pixels, block};
  }
  const double rate = node.attributes.as<DropoutAttributes>().rate;
  // uniform() is (word >> 8) · 2^−24, so u ≥ rate is word >> 8 ≥ ⌈rate · 2^24⌉, exactly.
  const auto threshold = static_cast<uint32_t>(std::ceil(rate * 0x1p24));
  Lowering lowering;
  lowering.implementation = kernel_name("dropout");
  lowering.inputs = {layout, plain_layout(request.type(1))};
  lowering.outputs = {layout, plain_layout(node.outputs[1])};
  lowering.in_place = {{0, 0}};
  const size_t unused = request.used[0] ? 0 : layout.bytes;
  lowering.scratch = unused;
  lowering.run = [=, scale = 1 / (1 - rate)](const Buffers& b) {
    uint64_t key = 0;  // an i64 has the same bits
    std::memcpy(&key, b.in[1], sizeof key);
    kernels::dropout(shape, key, threshold, scale, reinterpret_cast<const float*>(b.in[0]),
                     reinterpret_cast<float*>(b.out[0] ? b.out[0] : b.scratch), reinterpret_cast<uint8_t*>(b.out[1]));
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
