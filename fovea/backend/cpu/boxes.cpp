#include "fovea/backend/cpu/boxes.h"

#include <cstring>
#include <numeric>

#include "fovea/base/parallel.h"

namespace fovea::cpu {

namespace {

void clear(std::byte* to, size_t bytes) {
  parallel_ranges(static_cast<int64_t>(bytes), 1 << 16,
                  [&](int64_t begin, int64_t end) { std::memset(to + begin, 0, static_cast<size_t>(end - begin)); });
}

// The physical axis of a logical one: channels are the last of nhwc; the lanes of blocks are an axis more.
size_t physical_axis(size_t logical, size_t rank, Format format) {
  if (format != Format::channels_last || logical == 0) return logical;
  return logical == 1 ? rank - 1 : logical - 1;
}

}  // namespace

std::optional<BoxMove> BoxMove::between(const Type& x, const Layout& x_layout, const Type& y, const Layout& y_layout,
                                        std::span<const AxisMove> moves) {
  const Format format = format_of(x_layout);
  if (format == Format::other || format != format_of(y_layout)) return std::nullopt;
  const int64_t block = block_of(format);
  const auto from_strides = Shape(physical_sizes(x, x_layout)).strides();
  const auto to_strides = Shape(physical_sizes(y, y_layout)).strides();
  const size_t element = size_of(x.dtype), rank = moves.size();
  BoxMove result;
  result.bytes_ = y_layout.bytes;
  std::vector<CopyAxis> axes;
  int64_t from = 0, to = 0, count = 1;
  for (size_t k = 0; k < rank; ++k) {
    const AxisMove& m = moves[k];
    count *= m.count;
    if (block > 1 && k == 1) continue;
    const size_t at = physical_axis(k, rank, format);
    from += m.from * from_strides[at];
    to += m.to * to_strides[at];
    axes.push_back({m.count, m.from_step * from_strides[at], m.to_step * to_strides[at]});
  }
  result.covers_ = static_cast<size_t>(count) * element == y_layout.bytes;
  if (count == 0) return result;
  const auto add = [&](std::vector<CopyAxis> box, int64_t from_start, int64_t to_start) {
    result.parts_.push_back({BoxCopy(std::move(box), element), static_cast<size_t>(from_start) * element,
                             static_cast<size_t>(to_start) * element});
  };
  if (block == 1) {
    add(axes, from, to);
    return result;
  }
  const AxisMove& channels = moves[1];
  if (channels.count > 1 && (channels.from_step != 1 || channels.to_step != 1)) return std::nullopt;
  // Runs of `unit` channels never straddle two blocks. Each lane group of the source is a copy of its own: its runs lie
  // a block apart on both sides.
  const int64_t unit = std::gcd(std::gcd(block, channels.from), std::gcd(channels.to, channels.count));
  const int64_t groups = block / unit, runs = channels.count / unit;
  for (int64_t g = 0; g < std::min(groups, runs); ++g) {
    const int64_t first = channels.from + g * unit, target = channels.to + g * unit;
    std::vector<CopyAxis> box = axes;
    box.push_back({(runs - g + groups - 1) / groups, from_strides[1], to_strides[1]});
    box.push_back({unit, 1, 1});
    add(std::move(box), from + first / block * from_strides[1] + first % block,
        to + target / block * to_strides[1] + target % block);
  }
  return result;
}

void BoxMove::operator()(const std::byte* x, std::byte* y) const {
  if (!covers_) clear(y, bytes_);
  for (const Part& part : parts_) part.copy(x + part.from, y + part.to);
}

}  // namespace fovea::cpu
