// y[o][r, c] = Σ x[k][r + i, c + j] · w[o][k][i, j] with x padded to rows of `pitch` floats: in positions q = r · pitch
// + c a tap is one offset, x[k][q + i · pitch + j], so vectors run on over the ends of rows, and the few results that
// straddle two rows are thrown away. The weights' gradient is the same sum over q, with zeros for those positions. The
// input's gradient goes pixel by pixel: a row of taps of all channels is a few vectors, Σ_o d[o] · w[o], added where it
// belongs in an image of channels last.
#include "fovea/backend/cpu/kernels/small_conv.h"

#include <algorithm>
#include <utility>

#include "fovea/backend/cpu/kernels/team.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "fovea/backend/cpu/kernels/small_conv.cpp"
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include "hwy/foreach_target.h"
// After foreach_target:
#include "fovea/backend/cpu/kernels/sixteen-inl.h"

#ifndef FOVEA_KERNELS_SMALL_CONV_SIZES
#define FOVEA_KERNELS_SMALL_CONV_SIZES
namespace fovea::kernels {

// Positions of a plane of results, in whole groups of three vectors.
inline int64_t positions_of(const SmallConv& s) {
  const int64_t used = (s.out_height - 1) * s.padded_width() + s.out_width;
  return (used + 47) / 48 * 48;
}
// Floats of a padded plane: a tap of the last group stays inside.
inline int64_t plane_of(const SmallConv& s) {
  return (positions_of(s) + (s.kernel_height - 1) * s.padded_width() + s.kernel_width + 31) / 16 * 16;
}
// Images whose planes, of x and of d, the weights' gradient holds at a time.
inline int64_t images_of(const SmallConv& s) {
  const int64_t each = s.channels * plane_of(s) + s.outputs * positions_of(s);
  return std::clamp<int64_t>(48 * 1024 / each, 1, 8);
}
inline int64_t image_floats(const SmallConv& s) {
  return (s.padded_height() * s.padded_width() * s.channels + 16 * small_conv_row_vectors(s) + 15) / 16 * 16;
}

}  // namespace fovea::kernels
#endif

HWY_BEFORE_NAMESPACE();
namespace fovea::kernels {
namespace HWY_NAMESPACE {

// A short row, without a call.
HWY_INLINE void copy_row(const float* from, float* to, int64_t width) {
  if constexpr (kLanes == 16) {
    int64_t c = 0;
    for (; c + 16 <= width; c += 16) store(load(from + c), to + c);
    if (c == width) return;
    const auto mask = hn::FirstN(Floats(), static_cast<size_t>(width - c));
    hn::BlendedStore(hn::MaskedLoad(mask, Floats(), from + c), mask, Floats(), to + c);
  } else {
    std::copy_n(from, width, to);
  }
}

// to [channels][plane]: the image between zeros.
void pad_planes(const SmallConv& s, const float* x, float* to) {
  const int64_t pitch = s.padded_width(), plane = plane_of(s);
  const int64_t width = std::min(s.width, pitch - s.pad_left),
                height = std::min(s.height, s.padded_height() - s.pad_top);
  std::fill(to, to + s.channels * plane, 0.0f);
  for (int64_t c = 0; c < s.channels; ++c)
    for (int64_t r = 0; r < height; ++r)
      copy_row(x + (c * s.height + r) * s.width, to + c * plane + (r + s.pad_top) * pitch + s.pad_left, width);
}

// to [kOut][positions] from group `at` on; kVectors vectors a group.
template <int kOut, int kVectors>
HWY_NOINLINE void convolve(const SmallConv& s, const float* x, const float* w, float* to, int64_t positions) {
  const int64_t pitch = s.padded_width(), plane = plane_of(s), taps = s.kernel_height * s.kernel_width;
  for (int64_t q = 0; q < positions; q += kVectors * 16) {
    Sixteen total[kOut][kVectors];
#pragma GCC unroll 8
    for (int o = 0; o < kOut; ++o)
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) total[o][v] = zero();
    const float* weights = w;
    for (int64_t c = 0; c < s.channels; ++c)
      for (int64_t i = 0; i < s.kernel_height; ++i) {
        const float* row = x + c * plane + i * pitch + q;
        for (int64_t j = 0; j < s.kernel_width; ++j, ++row, ++weights) {
          Sixteen input[kVectors];
#pragma GCC unroll 3
          for (int v = 0; v < kVectors; ++v) input[v] = load(row + v * 16);
#pragma GCC unroll 8
          for (int o = 0; o < kOut; ++o) {
            const Sixteen weight = broadcast(weights[o * s.channels * taps]);
#pragma GCC unroll 3
            for (int v = 0; v < kVectors; ++v) total[o][v] = mul_add(input[v], weight, total[o][v]);
          }
        }
      }
#pragma GCC unroll 8
    for (int o = 0; o < kOut; ++o)
#pragma GCC unroll 3
      for (int v = 0; v < kVectors; ++v) store(total[o][v], to + o * positions + q + v * 16);
  }
}

// to = activation(from + shift). What follows the row in memory may be another thread's.
HWY_INLINE void finish_row(const float* from, float shift, bool rectified, float* to, int64_t width) {
  const Sixteen bias = broadcast(shift);
  for (int64_t c = 0; c < width; c += 16) {
    Sixteen value = add(load(from + c), bias);
    if (rectified) value = rectify(value);
    if (width - c >= 16) {
      store(value, to + c);
    } else if constexpr (kLanes == 16) {
      hn::BlendedStore(value.part[0], hn::FirstN(Floats(), static_cast<size_t>(width - c)), Floats(), to + c);
    } else {
      store_part(value, to + c, width - c);
    }
  }
}

constexpr int kGroup = kLanes == 16 ? 3 : 1;
using Convolve = void (*)(const SmallConv&, const float*, const float*, float*, int64_t);
template <int... kCounts>
HWY_INLINE Convolve choose_convolve(int64_t outputs, std::integer_sequence<int, kCounts...>) {
  constexpr Convolve kAll[] = {convolve<kCounts + 1, kGroup>...};
  return kAll[outputs - 1];
}

void forward_images(const SmallConv& s, const float* x, const float* w, const float* bias, float* y, bool rectified,
                    float* memory, int64_t begin, int64_t end) {
  const int64_t positions = positions_of(s), pitch = s.padded_width();
  float* sums = memory + s.channels * plane_of(s);
  const Convolve run = choose_convolve(s.outputs, std::make_integer_sequence<int, kSmallOutputsMost>());
  for (int64_t n = begin; n < end; ++n) {
    pad_planes(s, x + n * s.channels * s.height * s.width, memory);
    run(s, memory, w, sums, positions);
    for (int64_t o = 0; o < s.outputs; ++o) {
      for (int64_t r = 0; r < s.out_height; ++r)
        finish_row(sums + o * positions + r * pitch, bias ? bias[o] : 0.0f, rectified,
                   y + ((n * s.outputs + o) * s.out_height + r) * s.out_width, s.out_width);
    }
  }
}

// sums[o · step + t] = Σ over images and positions of d[o] · x[q + t], for kOut outputs and kTaps neighbouring taps.
template <int kOut, int kTaps>
HWY_NOINLINE void correlate(const float* x, const float* d, int64_t images, int64_t positions, int64_t x_step,
                            int64_t d_step, float* sums, int64_t step) {
  Sixteen total[kOut][kTaps];
#pragma GCC unroll 4
  for (int o = 0; o < kOut; ++o)
#pragma GCC unroll 5
    for (int t = 0; t < kTaps; ++t) total[o][t] = zero();
  for (int64_t n = 0; n < images; ++n, x += x_step, d += d_step)
    for (int64_t q = 0; q < positions; q += 16) {
      Sixteen inputs[kTaps];
#pragma GCC unroll 5
      for (int t = 0; t < kTaps; ++t) inputs[t] = load(x + q + t);
#pragma GCC unroll 4
      for (int o = 0; o < kOut; ++o) {
        const Sixteen gradient = load(d + o * positions + q);
#pragma GCC unroll 5
        for (int t = 0; t < kTaps; ++t) total[o][t] = mul_add(inputs[t], gradient, total[o][t]);
      }
    }
#pragma GCC unroll 4
  for (int o = 0; o < kOut; ++o)
#pragma GCC unroll 5
    for (int t = 0; t < kTaps; ++t) sums[o * step + t] = sum(total[o][t]);
}

constexpr int kTapsMost = 5, kOutputsMost = kLanes == 16 ? 4 : 2;
using Correlate = void (*)(const float*, const float*, int64_t, int64_t, int64_t, int64_t, float*, int64_t);
template <int... kCounts>
HWY_INLINE Correlate choose_correlate(int64_t outputs, int64_t taps, std::integer_sequence<int, kCounts...>) {
  constexpr Correlate kAll[] = {correlate<kCounts / kTapsMost + 1, kCounts % kTapsMost + 1>...};
  return kAll[(outputs - 1) * kTapsMost + taps - 1];
}

// The part of the weights' gradient [outputs][channels][taps] that the images [begin, end) give.
void weight_gradient_images(const SmallConv& s, const float* x, const float* d, float* part, float* memory,
                            int64_t begin, int64_t end) {
  const int64_t positions = positions_of(s), pitch = s.padded_width(), plane = plane_of(s);
  const int64_t x_step = s.channels * plane, d_step = s.outputs * positions, images = end - begin;
  const int64_t taps = s.kernel_height * s.kernel_width, step = s.channels * taps;
  float* gradients = memory + images_of(s) * x_step;
  std::fill(gradients, gradients + images * d_step, 0.0f);
  for (int64_t n = 0; n < images; ++n) {
    pad_planes(s, x + (begin + n) * s.channels * s.height * s.width, memory + n * x_step);
    for (int64_t o = 0; o < s.outputs; ++o)
      for (int64_t r = 0; r < s.out_height; ++r)
        copy_row(d + (((begin + n) * s.outputs + o) * s.out_height + r) * s.out_width,
                 gradients + n * d_step + o * positions + r * pitch, s.out_width);
  }
  constexpr auto kAll = std::make_integer_sequence<int, kTapsMost * kOutputsMost>();
  const int64_t blocks = (s.outputs + kOutputsMost - 1) / kOutputsMost;
  for (int64_t b = 0; b < blocks; ++b) {
    const int64_t first = s.outputs * b / blocks, outputs = s.outputs * (b + 1) / blocks - first;
    for (int64_t c = 0; c < s.channels; ++c)
      for (int64_t i = 0; i < s.kernel_height; ++i)
        for (int64_t j = 0; j < s.kernel_width; j += kTapsMost) {
          const int64_t count = std::min<int64_t>(kTapsMost, s.kernel_width - j);
          choose_correlate(outputs, count, kAll)(memory + c * plane + i * pitch + j, gradients + first * positions,
                                                 images, positions, x_step, d_step,
                                                 part + first * step + c * taps + i * s.kernel_width + j, step);
        }
  }
}

// kPixels neighbouring pixels: to[p · channels + row · pitch ..] += Σ_o d[o] · rows[o]; kVectors of all rows of taps.
template <int kVectors, int kPixels>
HWY_NOINLINE void spread_pixels(const SmallConv& s, const ChannelStrides& t, const float* d, const float* rows,
                                float* to) {
  Sixteen total[kPixels][kVectors];
#pragma GCC unroll 2
  for (int p = 0; p < kPixels; ++p)
#pragma GCC unroll 12
    for (int v = 0; v < kVectors; ++v) total[p][v] = zero();
  for (int64_t first = 0; first < s.outputs; first += t.block) {
    const float* block = d + first / t.block * t.step;
    const int64_t lanes = std::min(t.block, s.outputs - first);
    for (int64_t lane = 0; lane < lanes; ++lane, rows += kVectors * 16) {
      Sixteen gradient[kPixels];
#pragma GCC unroll 2
      for (int p = 0; p < kPixels; ++p) gradient[p] = broadcast(block[p * t.pixel + lane]);
#pragma GCC unroll 12
      for (int v = 0; v < kVectors; ++v) {
        const Sixteen weights = load(rows + v * 16);
#pragma GCC unroll 2
        for (int p = 0; p < kPixels; ++p) total[p][v] = mul_add(gradient[p], weights, total[p][v]);
      }
    }
  }
  const int64_t each = small_conv_row_vectors(s), pitch = s.padded_width() * s.channels;
#pragma GCC unroll 2
  for (int p = 0; p < kPixels; ++p) {
    float* row = to + p * s.channels;
    int64_t inside = 0;
#pragma GCC unroll 12
    for (int v = 0; v < kVectors; ++v) {
      store(add(load(row + inside * 16), total[p][v]), row + inside * 16);
      if (++inside == each) inside = 0, row += pitch;
    }
  }
}

using SpreadPixels = void (*)(const SmallConv&, const ChannelStrides&, const float*, const float*, float*);
template <int kPixels, int... kCounts>
HWY_INLINE SpreadPixels choose_spread(int64_t vectors, std::integer_sequence<int, kCounts...>) {
  constexpr SpreadPixels kAll[] = {spread_pixels<kCounts + 1, kPixels>...};
  return kAll[vectors - 1];
}

void input_gradient_images(const SmallConv& s, const ChannelStrides& t, const float* d, const float* rows, float* dx,
                           float* memory, int64_t begin, int64_t end) {
  const int64_t vectors = s.kernel_height * small_conv_row_vectors(s), pitch = s.padded_width();
  constexpr auto kAll = std::make_integer_sequence<int, kSmallVectorsMost>();
  const SpreadPixels one = choose_spread<1>(vectors, kAll), two = choose_spread<2>(vectors, kAll);
  for (int64_t n = begin; n < end; ++n) {
    std::fill(memory, memory + image_floats(s), 0.0f);
    for (int64_t r = 0; r < s.out_height; ++r)
      for (int64_t c = 0; c < s.out_width;) {
        const bool pair = c + 2 <= s.out_width;
        (pair ? two : one)(s, t, d + n * t.image + (r * s.out_width + c) * t.pixel, rows,
                           memory + (r * pitch + c) * s.channels);
        c += pair ? 2 : 1;
      }
    for (int64_t c = 0; c < s.channels; ++c)
      for (int64_t r = 0; r < s.height; ++r) {
        float* to = dx + ((n * s.channels + c) * s.height + r) * s.width;
        const bool inside = r + s.pad_top < s.padded_height();
        const float* from = memory + ((r + s.pad_top) * pitch + s.pad_left) * s.channels + c;
        const int64_t width = inside ? std::min(s.width, pitch - s.pad_left) : 0;
        for (int64_t k = 0; k < width; ++k) to[k] = from[k * s.channels];
        std::fill(to + width, to + s.width, 0.0f);
      }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace fovea::kernels
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace fovea::kernels {

HWY_EXPORT(forward_images);
HWY_EXPORT(weight_gradient_images);
HWY_EXPORT(input_gradient_images);

namespace {

size_t forward_floats(const SmallConv& s) {
  return static_cast<size_t>(s.channels * plane_of(s) + s.outputs * positions_of(s));
}
size_t gradient_floats(const SmallConv& s) { return static_cast<size_t>(images_of(s)) * forward_floats(s); }
int64_t weights_of(const SmallConv& s) { return s.outputs * s.channels * s.kernel_height * s.kernel_width; }
int64_t chunks_of(const SmallConv& s) { return (s.batch + images_of(s) - 1) / images_of(s); }

}  // namespace

size_t small_conv_scratch(const SmallConv& s) { return static_cast<size_t>(s.threads) * forward_floats(s); }
size_t small_conv_weight_gradient_scratch(const SmallConv& s) {
  return static_cast<size_t>(s.threads) * gradient_floats(s) + static_cast<size_t>(chunks_of(s) * weights_of(s));
}
size_t small_conv_input_gradient_scratch(const SmallConv& s) {
  return static_cast<size_t>(s.threads * image_floats(s));
}

void small_conv(const SmallConv& s, const float* x, const float* w, const float* bias, float* y, bool rectify,
                float* scratch) {
  in_team(s.threads, [&](int64_t part, int64_t team) {
    HWY_DYNAMIC_DISPATCH(forward_images)
    (s, x, w, bias, y, rectify, scratch + static_cast<size_t>(part) * forward_floats(s), s.batch * part / team,
     s.batch * (part + 1) / team);
  });
}

void small_conv_weight_gradient(const SmallConv& s, const float* x, const float* d, float* dw, float* scratch) {
  const int64_t chunks = chunks_of(s), images = images_of(s), count = weights_of(s);
  float* parts = scratch + static_cast<size_t>(s.threads) * gradient_floats(s);
  in_team(s.threads, [&](int64_t part, int64_t team) {
    for (int64_t chunk = chunks * part / team; chunk < chunks * (part + 1) / team; ++chunk)
      HWY_DYNAMIC_DISPATCH(weight_gradient_images)
    (s, x, d, parts + chunk * count, scratch + static_cast<size_t>(part) * gradient_floats(s), chunk * images,
     std::min(s.batch, (chunk + 1) * images));
  });
  std::copy_n(parts, count, dw);
  for (int64_t chunk = 1; chunk < chunks; ++chunk)
    for (int64_t k = 0; k < count; ++k) dw[k] += parts[chunk * count + k];
}

void small_conv_tap_rows(const SmallConv& s, const float* w, float* rows) {
  const int64_t step = small_conv_row_vectors(s) * 16;
  for (int64_t o = 0; o < s.outputs; ++o)
    for (int64_t i = 0; i < s.kernel_height; ++i) {
      float* row = rows + (o * s.kernel_height + i) * step;
      std::fill(row, row + step, 0.0f);
      for (int64_t j = 0; j < s.kernel_width; ++j)
        for (int64_t c = 0; c < s.channels; ++c)
          row[j * s.channels + c] = w[((o * s.channels + c) * s.kernel_height + i) * s.kernel_width + j];
    }
}

void small_conv_input_gradient(const SmallConv& s, const ChannelStrides& strides, const float* d, const float* tap_rows,
                               float* dx, float* scratch) {
  in_team(s.threads, [&](int64_t part, int64_t team) {
    HWY_DYNAMIC_DISPATCH(input_gradient_images)
    (s, strides, d, tap_rows, dx, scratch + part * image_floats(s), s.batch * part / team, s.batch * (part + 1) / team);
  });
}

}  // namespace fovea::kernels
#endif
