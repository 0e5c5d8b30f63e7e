#include "fovea/backend/cpu/layouts.h"

#include <algorithm>
#include <array>

#include "fovea/backend/cpu/onednn.h"

namespace fovea::cpu {

namespace {
constexpr std::string_view kNames[] = {"plain", "nhwc", "nChw8c", "nChw16c"};
}

Format blocked_format() { return onednn::vector_floats() == 16 ? Format::blocked16 : Format::blocked8; }

int64_t block_of(Format format) { return format == Format::blocked16 ? 16 : format == Format::blocked8 ? 8 : 1; }

Format format_of(const Layout& layout) {
  if (layout.details) return Format::other;
  for (size_t i = 0; i < std::size(kNames); ++i)
    if (layout.name == kNames[i]) return static_cast<Format>(i);
  return Format::other;
}

Layout layout_in(Format format, const Type& type) {
  const Shape& shape = type.shape;
  if (format == Format::plain || format == Format::other || type.dtype != DType::f32 || shape.rank() < 3 ||
      shape.rank() > 5 || shape.count() == 0)
    return plain_layout(type);
  const int64_t positions = shape.count(2, shape.rank()), block = block_of(format);
  if (format == Format::channels_last) {
    if (positions == 1 || shape[1] == 1) return plain_layout(type);
    return {std::string(kNames[static_cast<size_t>(format)]), type.bytes(), nullptr};
  }
  const int64_t padded = (shape[1] + block - 1) / block * block;
  if (positions == 1 && padded == shape[1]) return plain_layout(type);
  const auto bytes = static_cast<size_t>(shape[0] * padded * positions) * sizeof(float);
  return {std::string(kNames[static_cast<size_t>(format)]), bytes, nullptr};
}

bool is_blocked_weights(const Layout& layout) {
  if (!layout.details || layout.name.starts_with("fovea ")) return false;
  const auto& desc = *static_cast<const onednn::Desc*>(layout.details.get());
  return onednn::is_blocked(desc) && onednn::storage_of(desc) == onednn::Storage::f32;
}

WeightOffsets weight_offsets(const Type& type, const Layout& layout) {
  const auto axes = onednn::axis_offsets(onednn::desc_of(type, layout));
  require(axes.size() == 4, ErrorKind::internal, "{} has {} axes, expected 4", layout.name, axes.size());
  return {axes[0], axes[1], axes[2], axes[3]};
}

std::vector<int64_t> physical_sizes(const Type& type, const Layout& layout) {
  const Shape& shape = type.shape;
  const Format format = format_of(layout);
  if (format == Format::plain || format == Format::other) return shape;
  std::vector<int64_t> sizes{shape[0]};
  const int64_t block = block_of(format);
  if (format != Format::channels_last) sizes.push_back((shape[1] + block - 1) / block);
  sizes.insert(sizes.end(), shape.begin() + 2, shape.end());
  sizes.push_back(format == Format::channels_last ? shape[1] : block);
  return sizes;
}

Format common_format(const Request& request) {
  std::array<int, 4> votes{};
  for (size_t i = 0; i < request.inputs.size(); ++i) {
    if (!request.op_node().inputs[i] || request.constant[i]) continue;
    const Format format = format_of(request.inputs[i]);
    if (format != Format::other) ++votes[static_cast<size_t>(format)];
  }
  // Of equal votes the blocked format wins: what comes next is mostly a convolution.
  size_t best = 0;
  for (size_t format = 1; format < votes.size(); ++format)
    if (votes[format] > 0 && votes[format] >= votes[best]) best = format;
  return static_cast<Format>(best);
}

}  // namespace fovea::cpu
