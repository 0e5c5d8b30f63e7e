// y = Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A for tiles of m×m outputs and s×s inputs, s = m + k - 1: with many channels the
// products become s² matrix products [tiles, inputs] × [inputs, outputs]. An output and input channel then cost 2.25
// (m = 4) or 1.78 (m = 6) multiplications instead of 9, and 4 (m = 4) instead of 25 where kernels are 5×5. Work runs in
// chunks of tiles that a cache holds: transform the inputs; then for every 32 output channels multiply and transform
// back. Few weights: each thread has chunks of its own and no thread waits for another. Many weights: the threads share
// a chunk and divide its outputs, so that each weight is read once. Source: Lavin & Gray, "Fast algorithms for
// convolutional neural networks", CVPR 2016.
#include "fovea/backend/cpu/kernels/winograd.h"

#include <algorithm>
#include <utility>

#include "fovea/backend/cpu/kernels/team.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/winograd.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/sixteen-inl.h"
#include "fovea/backend/cpu/kernels/winograd_transforms-inl.h"

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

// As many accumulators as the registers hold.
constexpr int kTilesMost = kLanes == 16 ? 14 : kLanes == 8 ? 6 : 3;
constexpr int kVectorsMost = kLanes == 16 ? 2 : 1;

// m[n][o] = Σ_i v[i][n] · u[i][o] for kTiles tiles and kVectors·16 outputs. v is [blocks][chunk][16], u
// [inputs][u_step], m [tiles][32]. Meanwhile the weights from `ahead` on are asked for, ahead_step floats a product.
template <int kTiles, int kVectors>
HWY_NOINLINE void multiply(const float* v, const float* u, float* m, int64_t blocks, int64_t chunk, int64_t u_step,
                           const float* ahead, int64_t ahead_step) {
  Sixteen total[kTiles][kVectors];
#pragma GCC unroll 16
  for (int n = 0; n < kTiles; ++n)
#pragma GCC unroll 2
    for (int o = 0; o < kVectors; ++o) total[n][o] = zero();
  for (int64_t block = 0; block < blocks; ++block) {
    const float* next = v + chunk * 16;
    for (int k = 0; k < 16; ++k) {
      Sixteen weights[kVectors];
#pragma GCC unroll 2
      for (int o = 0; o < kVectors; ++o) weights[o] = load(u + o * 16);
      hwy::Prefetch(u + 24 * 32);
      if (u_step == 32) hwy::Prefetch(u + 24 * 32 + 16);
      __builtin_prefetch(ahead, 0, 2);  // into L2
      if (ahead_step == 32) __builtin_prefetch(ahead + 16, 0, 2);
      ahead += ahead_step;
      if (k < kTiles) hwy::Prefetch(next + k * 16);
#pragma GCC unroll 16
      for (int n = 0; n < kTiles; ++n) {
        const Sixteen input = broadcast(v[n * 16 + k]);
#pragma GCC unroll 2
        for (int o = 0; o < kVectors; ++o) total[n][o] = mul_add(input, weights[o], total[n][o]);
      }
      u += u_step;
    }
    v = next;
  }
#pragma GCC unroll 16
  for (int n = 0; n < kTiles; ++n)
#pragma GCC unroll 2
    for (int o = 0; o < kVectors; ++o) store(total[n][o], m + n * 32 + o * 16);
}

using Multiply = void (*)(const float*, const float*, float*, int64_t, int64_t, int64_t, const float*, int64_t);
template <int kVectors, int... kCounts>
HWY_INLINE Multiply choose(int count, std::integer_sequence<int, kCounts...>) {
  constexpr Multiply kAll[] = {multiply<kCounts + 1, kVectors>...};
  return kAll[count - 1];
}

struct Tile {
  int64_t image, row, column;  // of its first output
};
HWY_INLINE Tile tile_at(const WinogradPlan& p, int64_t index) {
  const int64_t column = index % p.tile_columns, rest = index / p.tile_columns;
  return {rest / p.tile_rows, rest % p.tile_rows * p.tile, column * p.tile};
}

template <int kSide>
HWY_INLINE void input_tile(const WinogradPlan& p, const float* x, const Tile& tile, int64_t block, float* v,
                           int64_t v_step) {
  const WinogradShape& s = p.shape;
  HWY_ALIGN float rows[kSide][kSide][16];
  const int64_t top = tile.row - s.pad_top, left = tile.column - s.pad_left;
  const bool inside = top >= 0 && left >= 0 && top + kSide <= s.height && left + kSide <= s.width;
  const float* corner = x + tile.image * s.x.image + block * s.x.block + top * s.x.row + left * s.x.pixel;
  for (int r = 0; r < kSide; ++r) {
    Sixteen d[kSide], t[kSide];
    if (inside) {
#pragma GCC unroll 8
      for (int c = 0; c < kSide; ++c) d[c] = load(corner + r * s.x.row + c * s.x.pixel);
    } else {
      const bool row_inside = top + r >= 0 && top + r < s.height;
#pragma GCC unroll 8
      for (int c = 0; c < kSide; ++c) {
        const bool in = row_inside && left + c >= 0 && left + c < s.width;
        if (in) d[c] = load(corner + r * s.x.row + c * s.x.pixel);
        else d[c] = zero();
      }
    }
    transform_input<kSide>(d, t);
#pragma GCC unroll 8
    for (int c = 0; c < kSide; ++c) store(t[c], rows[r][c]);
  }
  for (int c = 0; c < kSide; ++c) {
    Sixteen d[kSide], t[kSide];
#pragma GCC unroll 8
    for (int r = 0; r < kSide; ++r) d[r] = load(rows[r][c]);
    transform_input<kSide>(d, t);
#pragma GCC unroll 8
    for (int r = 0; r < kSide; ++r) store(t[r], v + (r * kSide + c) * v_step);
  }
}

// v [points][input_blocks][chunk][16] of the tiles from `first`; items [begin, end) of [input_blocks][count].
void inputs_range(const WinogradPlan& p, const float* x, float* v, int64_t first, int64_t count, int64_t begin,
                  int64_t end) {
  const int64_t v_step = p.input_blocks * p.chunk * 16;
  for (int64_t item = begin; item < end; ++item) {
    const int64_t block = item / count, k = item % count;
    float* to = v + (block * p.chunk + k) * 16;
    if (p.side == 6) input_tile<6>(p, x, tile_at(p, first + k), block, to, v_step);
    else input_tile<8>(p, x, tile_at(p, first + k), block, to, v_step);
  }
}

struct Finish {
  const float *bias, *residual;
  float* y;
  bool rectify;
};

// One tile of 16 output channels: m has a matrix every m_step floats.
template <int kTile, int kSide>
HWY_INLINE void output_tile(const WinogradPlan& p, const float* m, int64_t m_step, const Tile& tile, int64_t block,
                            const Finish& f) {
  const WinogradShape& s = p.shape;
  HWY_ALIGN float rows[kSide][kTile][16];
  for (int r = 0; r < kSide; ++r) {
    Sixteen d[kSide], t[kTile];
#pragma GCC unroll 8
    for (int c = 0; c < kSide; ++c) d[c] = load(m + (r * kSide + c) * m_step);
    transform_output<kTile, kSide>(d, t);
#pragma GCC unroll 8
    for (int c = 0; c < kTile; ++c) store(t[c], rows[r][c]);
  }
  const int64_t corner = tile.image * s.y.image + block * s.y.block + tile.row * s.y.row + tile.column * s.y.pixel;
  const int64_t height = std::min<int64_t>(kTile, s.out_height - tile.row);
  const int64_t width = std::min<int64_t>(kTile, s.out_width - tile.column);
  const Sixteen bias = f.bias ? load(f.bias + block * 16) : zero();
  for (int c = 0; c < width; ++c) {
    Sixteen d[kSide], t[kTile];
#pragma GCC unroll 8
    for (int r = 0; r < kSide; ++r) d[r] = load(rows[r][c]);
    transform_output<kTile, kSide>(d, t);
#pragma GCC unroll 8
    for (int r = 0; r < kTile; ++r) {
      if (r >= height) break;
      const int64_t at = corner + r * s.y.row + c * s.y.pixel;
      Sixteen y = add(t[r], bias);
      if (f.residual) y = add(y, load(f.residual + at));
      store(f.rectify ? rectify(y) : y, f.y + at);
    }
  }
}

// The groups of tiles [begin, end) of 32 output channels `wide`.
void multiply_groups(const WinogradPlan& p, const float* v, const float* u, float* m, int64_t first, int64_t count,
                     int64_t wide, int64_t groups, int64_t begin, int64_t end, const Finish& f) {
  const int64_t inputs = p.input_blocks * 16, first_block = wide * 2;
  const int vectors = first_block + 1 < p.output_blocks ? 2 : 1;
  const int64_t u_step = 16 * vectors, m_step = p.chunk * 32;
  const int64_t tile_begin = count * begin / groups, tile_end = count * end / groups;
  const float* panel = u + first_block * 16 * inputs * p.points;
  constexpr auto kCounts = std::make_integer_sequence<int, kTilesMost>();
  for (int point = 0; point < p.points; ++point, panel += inputs * u_step) {
    const float* from = v + point * p.input_blocks * p.chunk * 16;
    float* to = m + point * m_step;
    // Each group asks for its share of the next point's weights: they come at the same pace while all are computed.
    const int64_t ahead_step = u_step / (end - begin);
    const float* ahead = panel + inputs * u_step;
    for (int64_t g = begin; g < end; ++g, ahead += inputs * ahead_step) {
      const int64_t at = count * g / groups;
      const int tiles = static_cast<int>(count * (g + 1) / groups - at);
      if (vectors == 2 && kVectorsMost == 2) {
        choose<kVectorsMost>(tiles, kCounts)(from + at * 16, panel, to + (at - tile_begin) * 32, p.input_blocks,
                                             p.chunk, u_step, ahead, ahead_step);
      } else {
        for (int o = 0; o < vectors; ++o)
          choose<1>(tiles, kCounts)(from + at * 16, panel + o * 16, to + (at - tile_begin) * 32 + o * 16,
                                    p.input_blocks, p.chunk, u_step, ahead, ahead_step);
      }
    }
  }
  for (int64_t k = tile_begin; k < tile_end; ++k)
    for (int o = 0; o < vectors; ++o) {
      const float* from = m + (k - tile_begin) * 32 + o * 16;
      const Tile tile = tile_at(p, first + k);
      if (p.side == 6) output_tile<4, 6>(p, from, m_step, tile, first_block + o, f);
      else if (p.tile == 6) output_tile<6, 8>(p, from, m_step, tile, first_block + o, f);
      else output_tile<4, 8>(p, from, m_step, tile, first_block + o, f);
    }
}

// The part `part` of `parts` of a chunk's outputs; m [points][chunk][32] is the caller's own.
void outputs_part(const WinogradPlan& p, const float* v, const float* u, float* m, int64_t first, int64_t count,
                  int64_t part, int64_t parts, const float* bias, const float* residual, float* y, bool rectify) {
  const int64_t groups = (count + kTilesMost - 1) / kTilesMost, wides = (p.output_blocks + 1) / 2;
  const int64_t end = wides * groups * (part + 1) / parts;
  for (int64_t item = wides * groups * part / parts; item < end;) {
    const int64_t wide = item / groups, begin = item % groups;
    const int64_t stop = std::min(groups, begin + end - item);
    multiply_groups(p, v, u, m, first, count, wide, groups, begin, stop, Finish{bias, residual, y, rectify});
    item += stop - begin;
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(inputs_range);
HWY_EXPORT(outputs_part);

namespace {

constexpr int64_t kTransformedFloats = 128 * 1024;  // of a thread's own chunk: half of a usual L2 cache
constexpr int64_t kSharedFloats = 3 * 1024 * 1024;  // of a shared chunk: some of L3
constexpr int64_t kProductFloats = 112 * 1024;      // of a thread's products with 32 outputs: a part of L2
constexpr int64_t kSharedWeights = 1536 * 1024;     // transformed weights from which on chunks are shared

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

}  // namespace

BlockedStrides strides_nChw16c(int64_t channels, int64_t height, int64_t width) {
  return {divide_up(channels, 16) * height * width * 16, height * width * 16, width * 16, 16};
}
BlockedStrides strides_nhwc(int64_t channels, int64_t height, int64_t width) {
  return {height * width * channels, 16, width * channels, channels};
}

WinogradPlan plan_winograd(const WinogradShape& shape, int tile, int threads) {
  WinogradPlan p{};
  p.shape = shape;
  p.tile = tile;
  p.side = tile + shape.kernel - 1;
  p.points = p.side * p.side;
  p.input_blocks = divide_up(shape.inputs, 16);
  p.output_blocks = divide_up(shape.outputs, 16);
  p.tile_rows = divide_up(shape.out_height, tile);
  p.tile_columns = divide_up(shape.out_width, tile);
  p.tiles = shape.batch * p.tile_rows * p.tile_columns;
  p.threads = std::max(threads, 1);
  p.weight_floats = static_cast<size_t>(p.points * p.input_blocks * 16 * p.output_blocks * 16);
  const int64_t tile_floats = p.points * p.input_blocks * 16;
  const bool many_weights = static_cast<int64_t>(p.weight_floats) >= kSharedWeights;
  p.shared = many_weights || p.tiles < p.threads * 6;
  if (p.shared) {
    p.chunks =
        divide_up(p.tiles, std::clamp<int64_t>(kSharedFloats / tile_floats, 28, kProductFloats / (p.points * 32)));
  } else {
    const int64_t most = std::max<int64_t>(kTransformedFloats / tile_floats / 14 * 14, 14);
    p.chunks = std::min(divide_up(divide_up(p.tiles, most), p.threads) * p.threads, p.tiles);
  }
  p.chunks = std::max<int64_t>(p.chunks, 1);
  p.chunk = divide_up(p.tiles, p.chunks);
  const int64_t inputs_floats = tile_floats * p.chunk, products = p.points * 32 * p.chunk;
  p.scratch_bytes = static_cast<size_t>(
      (p.shared ? inputs_floats + p.threads * products : p.threads * (inputs_floats + products)) * 4);
  return p;
}

void winograd(const WinogradPlan& p, const float* x, const float* transformed, const float* bias, const float* residual,
              float* y, bool rectify, void* scratch) {
  float* memory = static_cast<float*>(scratch);
  const int64_t inputs_floats = p.points * p.input_blocks * 16 * p.chunk, products = p.points * 32 * p.chunk;
  const auto chunk_begin = [&](int64_t chunk) { return p.tiles * chunk / p.chunks; };
  if (!p.shared) {
    const auto own = [&](int64_t begin, int64_t end, int64_t part) {
      float* v = memory + part * (inputs_floats + products);
      for (int64_t chunk = begin; chunk < end; ++chunk) {
        const int64_t first = chunk_begin(chunk), count = chunk_begin(chunk + 1) - first;
        HWY_DYNAMIC_DISPATCH(inputs_range)(p, x, v, first, count, 0, p.input_blocks * count);
        HWY_DYNAMIC_DISPATCH(outputs_part)
        (p, v, transformed, v + inputs_floats, first, count, 0, 1, bias, residual, y, rectify);
      }
    };
    in_team(p.threads,
            [&](int64_t part, int64_t team) { own(p.chunks * part / team, p.chunks * (part + 1) / team, part); });
    return;
  }
  in_team(p.threads, [&](int64_t part, int64_t team) {
    for (int64_t chunk = 0; chunk < p.chunks; ++chunk) {
      const int64_t first = chunk_begin(chunk), count = chunk_begin(chunk + 1) - first, items = p.input_blocks * count;
      HWY_DYNAMIC_DISPATCH(inputs_range)(p, x, memory, first, count, items * part / team, items * (part + 1) / team);
      team_barrier(team);
      HWY_DYNAMIC_DISPATCH(outputs_part)
      (p, memory, transformed, memory + inputs_floats + part * products, first, count, part, team, bias, residual, y,
       rectify);
      team_barrier(team);
    }
  });
}

}  // namespace fovea::kernels
#endif
