// The formulas of ops/update.cpp on sixteen elements at a time: every operand is read once and every result written
// once, so that an update runs at the speed of memory.
#include "fovea/backend/cpu/kernels/update.h"

#include <algorithm>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/update.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/root-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

// c − a · s
HWY_INLINE Sixteen mul_sub(const Sixteen& a, float s, const Sixteen& c) {
  return each([&](int k) HWY_ATTR { return hn::NegMulAdd(a.part[k], hn::Set(Floats(), s), c.part[k]); });
}

struct Element {
  Sixteen w, g, state[2];
};

template <UpdateKind kKind>
HWY_INLINE void advance(const UpdateNumbers& n, Element& e) {
  if constexpr (kKind == UpdateKind::set) {
    e.w = e.g;
  } else if constexpr (kKind == UpdateKind::average) {
    e.w = mul_add(e.g, n.rest, mul(e.w, n.smoothing));
  } else if constexpr (kKind == UpdateKind::lookahead) {
    e.state[0] = e.w = mul_add(sub(e.g, e.w), n.rate, e.w);
  } else {
    Sixteen g = mul_add(e.w, n.decay, mul(e.g, n.factor));
    if constexpr (kKind == UpdateKind::momentum || kKind == UpdateKind::nesterov) {
      e.state[0] = mul_add(e.state[0], n.momentum, g);
      g = kKind == UpdateKind::nesterov ? mul_add(e.state[0], n.momentum, g) : e.state[0];
    } else if constexpr (kKind == UpdateKind::adam) {
      e.state[0] = mul_add(g, n.rest1, mul(e.state[0], n.beta1));
      e.state[1] = mul_add(mul(g, g), n.rest2, mul(e.state[1], n.beta2));
      g = quotient(e.state[0], mul_add(root(e.state[1]), n.spread, broadcast(n.epsilon)));
      e.w = mul(e.w, n.shrink);
    } else if constexpr (kKind == UpdateKind::rmsprop || kKind == UpdateKind::rmsprop_momentum) {
      e.state[0] = mul_add(mul(g, g), n.rest, mul(e.state[0], n.smoothing));
      g = quotient(g, add(root(e.state[0]), broadcast(n.epsilon)));
      if constexpr (kKind == UpdateKind::rmsprop_momentum) g = e.state[1] = mul_add(e.state[1], n.momentum, g);
    } else if constexpr (kKind == UpdateKind::adagrad) {
      e.state[0] = mul_add(g, g, e.state[0]);
      g = quotient(g, add(root(e.state[0]), broadcast(n.epsilon)));
    }
    e.w = mul_sub(g, n.rate, e.w);
  }
}

constexpr int states_of(UpdateKind kind) {
  switch (kind) {
    case UpdateKind::adam:
    case UpdateKind::rmsprop_momentum: return 2;
    case UpdateKind::momentum:
    case UpdateKind::nesterov:
    case UpdateKind::rmsprop:
    case UpdateKind::adagrad:
    case UpdateKind::lookahead: return 1;
    default: return 0;
  }
}

template <UpdateKind kKind>
void update_elements(const UpdateNumbers& n, const UpdatePart& p, int64_t begin, int64_t end) {
  constexpr int kStates = states_of(kKind);
  Element e;
  int64_t i = begin;
  for (; i + 16 <= end; i += 16) {
    e.w = load(p.weight + i);
    e.g = load(p.gradient + i);
    for (int k = 0; k < kStates; ++k) e.state[k] = load(p.state[k] + i);
    advance<kKind>(n, e);
    store(e.w, p.next_weight + i);
    for (int k = 0; k < kStates; ++k) store(e.state[k], p.next_state[k] + i);
  }
  const int64_t rest = end - i;
  if (rest <= 0) return;
  e.w = load_part(p.weight + i, rest);
  e.g = load_part(p.gradient + i, rest);
  for (int k = 0; k < kStates; ++k) e.state[k] = load_part(p.state[k] + i, rest);
  advance<kKind>(n, e);
  store_part(e.w, p.next_weight + i, rest);
  for (int k = 0; k < kStates; ++k) store_part(e.state[k], p.next_state[k] + i, rest);
}

void update_range(const UpdateNumbers& n, const UpdatePart& p, int64_t begin, int64_t end) {
  switch (n.kind) {
    case UpdateKind::sgd: return update_elements<UpdateKind::sgd>(n, p, begin, end);
    case UpdateKind::momentum: return update_elements<UpdateKind::momentum>(n, p, begin, end);
    case UpdateKind::nesterov: return update_elements<UpdateKind::nesterov>(n, p, begin, end);
    case UpdateKind::adam: return update_elements<UpdateKind::adam>(n, p, begin, end);
    case UpdateKind::rmsprop: return update_elements<UpdateKind::rmsprop>(n, p, begin, end);
    case UpdateKind::rmsprop_momentum: return update_elements<UpdateKind::rmsprop_momentum>(n, p, begin, end);
    case UpdateKind::adagrad: return update_elements<UpdateKind::adagrad>(n, p, begin, end);
    case UpdateKind::average: return update_elements<UpdateKind::average>(n, p, begin, end);
    case UpdateKind::set: return update_elements<UpdateKind::set>(n, p, begin, end);
    case UpdateKind::lookahead: return update_elements<UpdateKind::lookahead>(n, p, begin, end);
  }
}

double squares_range(const float* x, int64_t count) {
  Sixteen total[4] = {zero(), zero(), zero(), zero()};
  int64_t i = 0;
  for (; i + 64 <= count; i += 64)
#pragma GCC unroll 4
    for (int k = 0; k < 4; ++k) {
      const Sixteen v = load(x + i + k * 16);
      total[k] = mul_add(v, v, total[k]);
    }
  for (; i + 16 <= count; i += 16) {
    const Sixteen v = load(x + i);
    total[0] = mul_add(v, v, total[0]);
  }
  if (i < count) {
    const Sixteen v = load_part(x + i, count - i);
    total[1] = mul_add(v, v, total[1]);
  }
  return static_cast<double>(sum(add(add(total[0], total[1]), add(total[2], total[3]))));
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(update_range);
HWY_EXPORT(squares_range);

namespace {
constexpr int64_t kGrain = 8192;  // elements a thread must have to be worth waking
constexpr int64_t kLine = 16;     // threads meet at whole lines
constexpr int64_t kPiece = 8192;  // whose squares are summed in f32
}  // namespace

void update(const UpdateNumbers& numbers, std::span<const UpdatePart> parts) {
  int64_t lines = 0;
  for (const UpdatePart& part : parts) lines += (part.count + kLine - 1) / kLine;
  parallel_ranges(lines, kGrain / kLine, [&](int64_t begin, int64_t end) {
    int64_t first = 0;  // line of the part
    for (const UpdatePart& part : parts) {
      const int64_t own = (part.count + kLine - 1) / kLine;
      const int64_t from = std::max(begin - first, int64_t{0}), to = std::min(end - first, own);
      if (from < to) HWY_DYNAMIC_DISPATCH(update_range)(numbers, part, from * kLine, std::min(part.count, to * kLine));
      first += own;
      if (first >= end) break;
    }
  });
}

int64_t sum_of_squares_pieces(std::span<const int64_t> counts) {
  int64_t pieces = 0;
  for (const int64_t count : counts) pieces += (count + kPiece - 1) / kPiece;
  return pieces;
}

double sum_of_squares(std::span<const float* const> tensors, std::span<const int64_t> counts, double* sums) {
  const int64_t pieces = sum_of_squares_pieces(counts);
  parallel_ranges(pieces, 2, [&](int64_t begin, int64_t end) {
    int64_t first = 0;  // piece of the tensor
    for (size_t t = 0; t < tensors.size() && first < end; ++t) {
      const int64_t own = (counts[t] + kPiece - 1) / kPiece;
      for (int64_t k = std::max(begin - first, int64_t{0}); k < std::min(end - first, own); ++k)
        sums[first + k] =
            HWY_DYNAMIC_DISPATCH(squares_range)(tensors[t] + k * kPiece, std::min(kPiece, counts[t] - k * kPiece));
      first += own;
    }
  });
  double sum = 0;
  for (int64_t k = 0; k < pieces; ++k) sum += sums[k];
  return sum;
}

}  // namespace fovea::kernels
#endif
