// Forward: μ = Σx/M and v = Σ(x − μ)²/M in one pass over memory: each piece of some kPieceRows rows is read twice while
// it is in the first cache, for its own mean k and for A = Σ(x − k), B = Σ(x − k)². With n values in a piece, its sum
// is s = k n + A and its squares about its own mean are q = B − A²/n; then
//   μ = Σs/M,  M v = Σ q + (s − n μ)²/n      (Chan, Golub & LeVeque, "Updating formulae", 1979)
// and a second pass gives y = max(0, (x − μ) a + bias + residual), a = scale r, r = (v + ε)^(−1/2).
// Backward: with e = d where y > 0, else 0, one pass for Σe and Σe(x − μ), and one for
//   dx = a e − a Σe/M − (x − μ) a r² Σe(x − μ)/M.
// Source: ops/batch_norm_training.cpp.
#include "fovea/backend/cpu/kernels/batch_norm.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/parallel.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/batch_norm.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/sixteen-inl.h"

// Shared by all targets.
#ifndef FOVEA_KERNELS_BATCH_NORM_ONCE
#define FOVEA_KERNELS_BATCH_NORM_ONCE
namespace fovea::kernels {
namespace {

// Part of one strip: rows [row, row_end) of the runs [run, run_end), and their tails.
struct Piece {
  int64_t strip, run, run_end, row, row_end;
  bool tail;
};

// Of each strip: sixteen floats each, one a lane.
struct StripNumbers {
  float mean[16], a[16], bias[16];  // (x − mean) · a + bias
  float c0[16], c1[16];             // dx = a e + (x − mean) c1 + c0
};

// Of each piece: s and q of each lane forward, Σe and Σe(x − μ) backward.
struct PieceSums {
  double first[16], second[16];
};

// How many values each lane of a piece has.
void count_values(const BatchNormView& v, const Piece& piece, double* counts) {
  const int64_t runs = piece.run_end - piece.run, width = piece.strip + 1 == v.strips ? v.last_width : 16;
  for (int64_t l = 0; l < 16; ++l) {
    const int64_t rows = (l < width ? piece.row_end - piece.row : 0) + (piece.tail && l < v.tail ? 1 : 0);
    counts[l] = static_cast<double>(runs * rows);
  }
}

}  // namespace
}  // namespace fovea::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

// Everything here waits for memory: rows are asked for this many floats (2 KiB) ahead.
constexpr int64_t kAhead = 512;

struct WholeRow {
  HWY_INLINE Sixteen get(const float* from) const {
    hwy::Prefetch(from + kAhead);
    return load(from);
  }
  HWY_INLINE void put(const Sixteen& value, float* to) const { store(value, to); }
};
struct PartOfRow {
  int64_t count;
  HWY_INLINE Sixteen get(const float* from) const { return load_part(from, count); }
  HWY_INLINE void put(const Sixteen& value, float* to) const { store_part(value, to, count); }
};

// Calls body(row, offset, k) for every row of a piece, k = 0, 1 in turn.
template <class Body>
HWY_INLINE void for_each_row(const BatchNormView& v, const Piece& piece, const Body& body) {
  const int64_t width = piece.strip + 1 == v.strips ? v.last_width : 16;
  for (int64_t run = piece.run; run < piece.run_end; ++run) {
    const int64_t base = piece.strip * v.strip_step + run * v.run_step;
    int64_t at = base + piece.row * v.row_step, row = piece.row;
    if (width == 16) {
      for (; row + 2 <= piece.row_end; row += 2, at += 2 * v.row_step) {
        body(WholeRow(), at, 0);
        body(WholeRow(), at + v.row_step, 1);
      }
      if (row < piece.row_end) body(WholeRow(), at, 0);
    } else {
      for (; row < piece.row_end; ++row, at += v.row_step) body(PartOfRow{width}, at, 0);
    }
    if (piece.tail) body(PartOfRow{v.tail}, base + v.rows * v.row_step, 1);
  }
}

void moments_of_piece(const BatchNormView& v, const Piece& piece, const float* x, PieceSums& sums) {
  Sixteen total[2] = {zero(), zero()};
  for_each_row(v, piece,
               [&](const auto& row, int64_t at, int k) HWY_ATTR { total[k] = add(total[k], row.get(x + at)); });
  double counts[16];
  count_values(v, piece, counts);
  float means[16], used[16];
  store(add(total[0], total[1]), means);
  for (int l = 0; l < 16; ++l) {
    means[l] = counts[l] > 0 ? means[l] / static_cast<float>(counts[l]) : 0.0f;
    used[l] = l < v.tail ? 1.0f : 0.0f;
  }
  const Sixteen mean = load(means), in_tail = load(used);
  Sixteen deviation[2] = {zero(), zero()}, squares[2] = {zero(), zero()};
  for_each_row(v, piece, [&](const auto& row, int64_t at, int k) HWY_ATTR {
    Sixteen centred = sub(row.get(x + at), mean);
    // Lanes that a tail does not have; the last strip's lanes beyond its width have mean 0.
    if (std::is_same_v<std::decay_t<decltype(row)>, PartOfRow> && piece.tail) centred = mul(centred, in_tail);
    deviation[k] = add(deviation[k], centred);
    squares[k] = mul_add(centred, centred, squares[k]);
  });
  float a[16], b[16];
  store(add(deviation[0], deviation[1]), a);
  store(add(squares[0], squares[1]), b);
  for (int l = 0; l < 16; ++l) {
    const double n = counts[l], rest = static_cast<double>(a[l]);
    sums.first[l] = static_cast<double>(means[l]) * n + rest;
    sums.second[l] = static_cast<double>(b[l]) - (n > 0 ? rest * rest / n : 0);
  }
}

void normalise_piece(const BatchNormView& v, const Piece& piece, const StripNumbers& numbers,
                     const BatchNormForward& call) {
  const Sixteen mean = load(numbers.mean), a = load(numbers.a), bias = load(numbers.bias);
  for_each_row(v, piece, [&](const auto& row, int64_t at, int) HWY_ATTR {
    Sixteen y = mul_add(sub(row.get(call.x + at), mean), a, bias);
    if (call.residual) y = add(y, row.get(call.residual + at));
    if (call.rectify) y = rectify(y);
    row.put(y, call.y + at);
  });
}

enum class Mask { none, recomputed, given };

HWY_INLINE Sixteen where_positive(const Sixteen& condition, const Sixteen& x) {
  return each([&](int k)
                  HWY_ATTR { return hn::IfThenElseZero(hn::Gt(condition.part[k], hn::Zero(Floats())), x.part[k]); });
}

// e of a row, of which x − μ is known.
template <Mask kMask, class Row>
HWY_INLINE Sixteen let_through(const BatchNormBackward& call, const Row& row, int64_t at, const Sixteen& centred,
                               const Sixteen& a, const Sixteen& bias) {
  Sixteen d = row.get(call.d + at);
  if (call.more) d = add(d, row.get(call.more + at));
  if (kMask == Mask::given) return where_positive(row.get(call.y + at), d);
  if (kMask == Mask::recomputed) return where_positive(mul_add(centred, a, bias), d);
  return d;
}

template <Mask kMask>
HWY_INLINE void sums_of_piece(const BatchNormView& v, const Piece& piece, const StripNumbers& numbers,
                              const BatchNormBackward& call, PieceSums& sums) {
  const Sixteen mean = load(numbers.mean), a = load(numbers.a), bias = load(numbers.bias);
  Sixteen first[2] = {zero(), zero()}, second[2] = {zero(), zero()};
  for_each_row(v, piece, [&](const auto& row, int64_t at, int k) HWY_ATTR {
    const Sixteen centred = sub(row.get(call.x + at), mean);
    const Sixteen e = let_through<kMask>(call, row, at, centred, a, bias);
    if (call.through) row.put(e, call.through + at);
    first[k] = add(first[k], e);
    second[k] = mul_add(e, centred, second[k]);
  });
  float lanes[16];
  store(add(first[0], first[1]), lanes);
  for (int l = 0; l < 16; ++l) sums.first[l] = static_cast<double>(lanes[l]);
  store(add(second[0], second[1]), lanes);
  for (int l = 0; l < 16; ++l) sums.second[l] = static_cast<double>(lanes[l]);
}

template <Mask kMask>
HWY_INLINE void gradient_of_piece(const BatchNormView& v, const Piece& piece, const StripNumbers& numbers,
                                  const BatchNormBackward& call) {
  const Sixteen mean = load(numbers.mean), a = load(numbers.a), bias = load(numbers.bias);
  const Sixteen c0 = load(numbers.c0), c1 = load(numbers.c1);
  for_each_row(v, piece, [&](const auto& row, int64_t at, int) HWY_ATTR {
    const Sixteen centred = sub(row.get(call.x + at), mean);
    const Sixteen e = let_through<kMask>(call, row, at, centred, a, bias);
    row.put(mul_add(e, a, mul_add(centred, c1, c0)), call.dx + at);
  });
}

Mask mask_of(const BatchNormBackward& call) { return call.y ? Mask::given : call.bias ? Mask::recomputed : Mask::none; }

void backward_sums(const BatchNormView& v, const Piece& piece, const StripNumbers& numbers,
                   const BatchNormBackward& call, PieceSums& sums) {
  const Mask mask = mask_of(call);
  if (mask == Mask::given) sums_of_piece<Mask::given>(v, piece, numbers, call, sums);
  else if (mask == Mask::recomputed) sums_of_piece<Mask::recomputed>(v, piece, numbers, call, sums);
  else sums_of_piece<Mask::none>(v, piece, numbers, call, sums);
}

void backward_gradient(const BatchNormView& v, const Piece& piece, const StripNumbers& numbers,
                       const BatchNormBackward& call) {
  const Mask mask = mask_of(call);
  if (mask == Mask::given) gradient_of_piece<Mask::given>(v, piece, numbers, call);
  else if (mask == Mask::recomputed) gradient_of_piece<Mask::recomputed>(v, piece, numbers, call);
  else gradient_of_piece<Mask::none>(v, piece, numbers, call);
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(moments_of_piece);
HWY_EXPORT(normalise_piece);
HWY_EXPORT(backward_sums);
HWY_EXPORT(backward_gradient);

namespace {

constexpr int64_t kPieceRows = 256;  // 16 KiB, which stay in the first cache

// A strip's pieces: several runs each where they are short, else several a run. Piece i of all is number i / strips of
// strip i mod strips.
struct Pieces {
  int64_t runs_each = 1, a_run = 1, of_strip = 1, all = 1;

  explicit Pieces(const BatchNormView& v) {
    const int64_t rows = v.rows + (v.tail > 0);
    if (rows >= kPieceRows) a_run = (v.rows + kPieceRows - 1) / kPieceRows;
    else runs_each = std::max<int64_t>(1, kPieceRows / std::max<int64_t>(rows, 1));
    of_strip = (v.runs + runs_each - 1) / runs_each * std::max<int64_t>(a_run, 1);
    all = of_strip * v.strips;
  }

  Piece piece(const BatchNormView& v, int64_t index) const {
    const int64_t number = index / v.strips, group = number / a_run, part = number % a_run;
    const bool last = part + 1 == a_run;
    return {index % v.strips,
            group * runs_each,
            std::min(v.runs, (group + 1) * runs_each),
            part * kPieceRows,
            last ? v.rows : (part + 1) * kPieceRows,
            last && v.tail > 0};
  }
};

// Scratch: the sums of every piece, then the numbers of every strip.
struct Scratch {
  PieceSums* sums;
  StripNumbers* numbers;
  Scratch(const Pieces& pieces, std::byte* memory)
      : sums(reinterpret_cast<PieceSums*>(memory)),
        numbers(reinterpret_cast<StripNumbers*>(memory + static_cast<size_t>(pieces.all) * sizeof(PieceSums))) {}
};

// Calls body(i) for every piece.
template <class Body>
void for_each_piece(const Pieces& pieces, const Body& body) {
  parallel_for(pieces.all, 2, body);
}

// Adds up a strip's lanes by channel: total[l] becomes that of lane l's channel.
void fold_lanes(const BatchNormView& v, double* total) {
  for (int64_t c = 0; c < v.lanes; ++c) {
    double sum = 0;
    for (int64_t l = c; l < 16; l += v.lanes) sum += total[l];
    for (int64_t l = c; l < 16; l += v.lanes) total[l] = sum;
  }
}

// The channel of a strip's lane, or -1.
int64_t channel_of(const BatchNormView& v, int64_t strip, int64_t lane) {
  const int64_t channel = strip * v.lanes + lane % v.lanes;
  return channel < v.channels ? channel : -1;
}

// μ and v of each lane's channel.
void moments_of_strip(const BatchNormView& v, const Pieces& pieces, int64_t strip, const PieceSums* sums, double* mean,
                      double* variance) {
  const double inverse = 1 / static_cast<double>(v.count());
  std::fill_n(mean, 16, 0.0);
  std::fill_n(variance, 16, 0.0);
  for (int64_t p = 0; p < pieces.of_strip; ++p)
    for (int l = 0; l < 16; ++l) mean[l] += sums[p * v.strips + strip].first[l];
  fold_lanes(v, mean);
  for (int l = 0; l < 16; ++l) mean[l] *= inverse;
  for (int64_t p = 0; p < pieces.of_strip; ++p) {
    const PieceSums& piece = sums[p * v.strips + strip];
    double counts[16];
    count_values(v, pieces.piece(v, p * v.strips + strip), counts);
    for (int l = 0; l < 16; ++l) {
      const double away = piece.first[l] - counts[l] * mean[l];
      variance[l] += piece.second[l] + (counts[l] > 0 ? away * away / counts[l] : 0);
    }
  }
  fold_lanes(v, variance);
  for (int l = 0; l < 16; ++l) variance[l] *= inverse;
}

// From the statistics in f32, so that the way back finds the same numbers.
void set_affine(StripNumbers& n, int l, float mean, float variance, float scale, float bias, double epsilon) {
  n.mean[l] = mean;
  n.a[l] = static_cast<float>(static_cast<double>(scale) / std::sqrt(static_cast<double>(variance) + epsilon));
  n.bias[l] = bias;
}

}  // namespace

size_t batch_norm_scratch(const BatchNormView& view) {
  return static_cast<size_t>(Pieces(view).all) * sizeof(PieceSums) +
         static_cast<size_t>(view.strips) * sizeof(StripNumbers);
}

void batch_norm_forward(const BatchNormView& v, const BatchNormForward& call, std::byte* memory) {
  const Pieces pieces(v);
  const Scratch scratch(pieces, memory);
  for_each_piece(pieces, [&](int64_t i) {
    HWY_DYNAMIC_DISPATCH(moments_of_piece)(v, pieces.piece(v, i), call.x, scratch.sums[i]);
  });
  parallel_for(v.strips, std::max<int64_t>(1, 256 / pieces.of_strip), [&](int64_t strip) {
    double mean[16], variance[16];
    moments_of_strip(v, pieces, strip, scratch.sums, mean, variance);
    StripNumbers& numbers = scratch.numbers[strip] = {};
    for (int l = 0; l < 16; ++l) {
      const int64_t c = channel_of(v, strip, l);
      if (c < 0) continue;
      const auto mu = static_cast<float>(mean[l]), squares = static_cast<float>(variance[l]);
      set_affine(numbers, l, mu, squares, call.scale[c], call.bias[c], call.epsilon);
      if (call.mean) call.mean[c] = mu;
      if (call.variance) call.variance[c] = squares;
    }
  });
  for_each_piece(pieces, [&](int64_t i) {
    const Piece piece = pieces.piece(v, i);
    HWY_DYNAMIC_DISPATCH(normalise_piece)(v, piece, scratch.numbers[piece.strip], call);
  });
}

void batch_norm_backward(const BatchNormView& v, const BatchNormBackward& call, std::byte* memory) {
  const Pieces pieces(v);
  const Scratch scratch(pieces, memory);
  for (int64_t strip = 0; strip < v.strips; ++strip) {
    StripNumbers& numbers = scratch.numbers[strip] = {};
    for (int l = 0; l < 16; ++l)
      if (const int64_t c = channel_of(v, strip, l); c >= 0)
        set_affine(numbers, l, call.mean[c], call.variance[c], call.scale[c], call.bias ? call.bias[c] : 0,
                   call.epsilon);
  }
  for_each_piece(pieces, [&](int64_t i) {
    const Piece piece = pieces.piece(v, i);
    HWY_DYNAMIC_DISPATCH(backward_sums)(v, piece, scratch.numbers[piece.strip], call, scratch.sums[i]);
  });
  const double inverse = 1 / static_cast<double>(v.count());
  parallel_for(v.strips, std::max<int64_t>(1, 256 / pieces.of_strip), [&](int64_t strip) {
    double first[16] = {}, second[16] = {};
    for (int64_t p = 0; p < pieces.of_strip; ++p)
      for (int l = 0; l < 16; ++l) {
        first[l] += scratch.sums[p * v.strips + strip].first[l];
        second[l] += scratch.sums[p * v.strips + strip].second[l];
      }
    fold_lanes(v, first);
    fold_lanes(v, second);
    StripNumbers& numbers = scratch.numbers[strip];
    for (int l = 0; l < 16; ++l) {
      const int64_t c = channel_of(v, strip, l);
      if (c < 0) continue;
      const double r = 1 / std::sqrt(static_cast<double>(call.variance[c]) + call.epsilon);
      const double a = static_cast<double>(call.scale[c]) * r;
      numbers.c0[l] = static_cast<float>(-a * first[l] * inverse);
      numbers.c1[l] = static_cast<float>(-a * r * r * second[l] * inverse);
      if (call.dbias) call.dbias[c] = static_cast<float>(first[l]);
      if (call.dscale) call.dscale[c] = static_cast<float>(second[l] * r);
    }
  });
  if (!call.dx) return;
  BatchNormBackward rest = call;
  if (call.through) {  // what was let through is there already
    rest.d = call.through;
    rest.more = rest.bias = rest.y = rest.through = nullptr;
  }
  for_each_piece(pieces, [&](int64_t i) {
    const Piece piece = pieces.piece(v, i);
    HWY_DYNAMIC_DISPATCH(backward_gradient)(v, piece, scratch.numbers[piece.strip], rest);
  });
}

}  // namespace fovea::kernels
#endif
