#include "fovea/ops/movement.h"

#include <cstring>

namespace fovea {

namespace {

// Elements as unsigned integers of their size: their bits are copied, nothing is computed.
template <class T>
void move_bits(const std::byte* source, std::byte* target, std::span<const AxisTable> tables, T fill) {
  const T* from = reinterpret_cast<const T*>(source);
  T* to = reinterpret_cast<T*>(target);
  const size_t rank = tables.size();
  if (rank == 0) {
    *to = *from;
    return;
  }
  for (const AxisTable& table : tables)
    if (table.empty()) return;
  const AxisTable& inner = tables[rank - 1];
  const size_t width = inner.size();
  bool contiguous = true;
  for (size_t i = 0; i < width; ++i)
    contiguous = contiguous && inner[i] != kOutside && inner[i] == inner[0] + static_cast<int64_t>(i);
  std::vector<size_t> position(rank, 0);
  for (;;) {
    int64_t base = 0;
    bool outside = false;
    for (size_t k = 0; k + 1 < rank; ++k) {
      const int64_t offset = tables[k][position[k]];
      if (offset == kOutside) outside = true;
      else base += offset;
    }
    if (outside) std::fill(to, to + width, fill);
    else if (contiguous) std::memcpy(to, from + base + inner[0], width * sizeof(T));
    else
      for (size_t i = 0; i < width; ++i) to[i] = inner[i] == kOutside ? fill : from[base + inner[i]];
    to += width;
    size_t k = rank - 1;
    for (; k > 0; --k) {
      if (++position[k - 1] < tables[k - 1].size()) break;
      position[k - 1] = 0;
    }
    if (k == 0) return;
  }
}

}  // namespace

AxisTable stepped(int64_t count, int64_t start, int64_t step, int64_t stride) {
  AxisTable table(static_cast<size_t>(count));
  for (int64_t i = 0; i < count; ++i) table[static_cast<size_t>(i)] = (start + i * step) * stride;
  return table;
}

void move_elements(const Tensor& from, Tensor& to, std::span<const AxisTable> tables, const std::byte* fill) {
  if (to.count() == 0) return;
  const auto move = [&](auto zero) {
    if (fill) std::memcpy(&zero, fill, sizeof(zero));
    move_bits(from.raw(), to.raw(), tables, zero);
  };
  switch (size_of(to.dtype())) {
    case 1: return move(uint8_t{0});
    case 2: return move(uint16_t{0});
    case 4: return move(uint32_t{0});
    default: return move(uint64_t{0});
  }
}

Cost no_flops(const Node&, std::span<const Type>) { return {}; }

Case::Input known_ints(const std::vector<int64_t>& values) {
  return {.type = {DType::i64, {static_cast<int64_t>(values.size())}},
          .value = Tensor::ints(values),
          .differentiate = false};
}

}  // namespace fovea
