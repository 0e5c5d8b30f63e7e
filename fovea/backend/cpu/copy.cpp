#include "fovea/backend/cpu/copy.h"

#include <algorithm>
#include <cstring>

#include "fovea/base/parallel.h"

namespace fovea::cpu {

void copy_bytes(const std::byte* from, std::byte* to, size_t bytes) {
  parallel_ranges(static_cast<int64_t>(bytes), 1 << 16, [&](int64_t begin, int64_t end) {
    std::memcpy(to + begin, from + begin, static_cast<size_t>(end - begin));
  });
}

BoxCopy::BoxCopy(std::vector<CopyAxis> axes, size_t element_bytes) : element_(element_bytes) {
  for (const CopyAxis& a : axes) count_ *= a.size;
  std::erase_if(axes, [](const CopyAxis& a) { return a.size == 1; });
  // Written in order: the axis of the smallest steps in `to` innermost.
  std::stable_sort(axes.begin(), axes.end(), [](const CopyAxis& a, const CopyAxis& b) { return a.to > b.to; });
  for (const CopyAxis& a : axes) {
    if (!axes_.empty() && axes_.back().from == a.from * a.size && axes_.back().to == a.to * a.size)
      axes_.back() = {axes_.back().size * a.size, a.from, a.to};
    else axes_.push_back(a);
  }
  if (axes_.empty()) axes_.push_back({1, 1, 1});
}

namespace {

template <class T>
void copy_row(const T* from, T* to, const CopyAxis& axis) {
  if (axis.to == 1 && axis.from == 1) std::copy_n(from, axis.size, to);
  else if (axis.to == 1 && axis.from == 0) std::fill_n(to, axis.size, *from);
  else
    for (int64_t i = 0; i < axis.size; ++i) to[i * axis.to] = from[i * axis.from];
}

// A transposed pair of axes, in tiles that stay in the first cache.
template <class T>
void copy_plane(const T* from, T* to, const CopyAxis& outer, const CopyAxis& inner) {
  constexpr int64_t kTile = 16;
  if (inner.from == 1 || inner.from == 0 || outer.size == 1) {
    for (int64_t i = 0; i < outer.size; ++i) copy_row(from + i * outer.from, to + i * outer.to, inner);
    return;
  }
  for (int64_t i0 = 0; i0 < outer.size; i0 += kTile)
    for (int64_t j0 = 0; j0 < inner.size; j0 += kTile) {
      const int64_t i1 = std::min(i0 + kTile, outer.size), size = std::min(kTile, inner.size - j0);
      for (int64_t i = i0; i < i1; ++i)
        copy_row(from + i * outer.from + j0 * inner.from, to + i * outer.to + j0 * inner.to,
                 {size, inner.from, inner.to});
    }
}

template <class T>
void copy_box(const T* from, T* to, const std::vector<CopyAxis>& axes, int64_t count) {
  std::vector<CopyAxis> loops(axes.begin(), axes.end() - 1);
  const CopyAxis inner = axes.back();
  // Two inner axes form a plane where the innermost is read with steps; its partner is the axis that is read densely.
  CopyAxis partner{1, 0, 0};
  if (inner.from != 1 && inner.from != 0)
    for (size_t k = loops.size(); k-- > 0;)
      if (loops[k].from == 1) {
        partner = loops[k];
        loops.erase(loops.begin() + static_cast<std::ptrdiff_t>(k));
        break;
      }
  // One long row is cut into pieces for the threads.
  CopyAxis row = inner;
  if (loops.empty() && partner.size == 1 && inner.size > (1 << 16)) {
    const int64_t piece = 1 << 14;
    parallel_ranges((inner.size + piece - 1) / piece, 2, [&](int64_t begin, int64_t end) {
      const int64_t first = begin * piece, size = std::min(inner.size, end * piece) - first;
      copy_row(from + first * inner.from, to + first * inner.to, {size, inner.from, inner.to});
    });
    return;
  }
  if (loops.empty() && partner.size > 1) {
    // Cut the partner axis instead.
    parallel_ranges(partner.size, std::max<int64_t>(1, (1 << 14) / row.size), [&](int64_t begin, int64_t end) {
      copy_plane(from + begin * partner.from, to + begin * partner.to, {end - begin, partner.from, partner.to}, row);
    });
    return;
  }
  int64_t outer = 1;
  for (const CopyAxis& a : loops) outer *= a.size;
  const int64_t each = std::max<int64_t>(1, count / std::max<int64_t>(outer, 1));
  parallel_for(outer, std::max<int64_t>(1, (1 << 14) / each), [&](int64_t index) {
    const T* f = from;
    T* t = to;
    for (size_t k = loops.size(); k-- > 0;) {
      const int64_t p = index % loops[k].size;
      index /= loops[k].size;
      f += p * loops[k].from;
      t += p * loops[k].to;
    }
    copy_plane(f, t, partner, row);
  });
}

}  // namespace

void BoxCopy::operator()(const std::byte* from, std::byte* to) const {
  if (count_ == 0) return;
  switch (element_) {
    case 1: return copy_box(reinterpret_cast<const uint8_t*>(from), reinterpret_cast<uint8_t*>(to), axes_, count_);
    case 2: return copy_box(reinterpret_cast<const uint16_t*>(from), reinterpret_cast<uint16_t*>(to), axes_, count_);
    case 4: return copy_box(reinterpret_cast<const uint32_t*>(from), reinterpret_cast<uint32_t*>(to), axes_, count_);
    default: return copy_box(reinterpret_cast<const uint64_t*>(from), reinterpret_cast<uint64_t*>(to), axes_, count_);
  }
}

}  // namespace fovea::cpu
