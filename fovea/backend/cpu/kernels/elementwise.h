// Elementwise kernels, in f32: of one operand, of two equal ones, and of one with a value a channel in any layout.
// Threaded where the tensor is large enough to pay for it. Results may overwrite operands.
#pragma once

#include <cstdint>

namespace fovea::kernels {

enum class Unary { copy, relu, neg, abs, square, sqrt, exp, sigmoid, tanh };

// relu_gradient: a where b > 0, else 0. The reversed ones exchange their operands. max and min return NaN where either
// is NaN.
enum class Binary { add, sub, mul, div, max, min, relu_gradient, reversed_sub, reversed_div };

// A tensor as [outer, channels, inner, lanes] and its parameter as [channels, lanes]:
//   plain NCHW, a value a channel: [N, C, H·W, 1];  nChw16c: [N, C/16, H·W, 16];  nhwc: [N·H·W, 1, 1, C];
//   one value for all: [1, 1, count, 1];  a row for a matrix: [rows, 1, 1, columns].
struct ChannelView {
  int64_t outer = 1, channels = 1, inner = 1, lanes = 1;
  int64_t count() const { return outer * channels * inner * lanes; }
};

// y[i] = f(x[i])
void unary(Unary f, const float* x, float* y, int64_t count);
// y[i] = f(a[i], b[i])
void binary(Binary f, const float* a, const float* b, float* y, int64_t count);
// y[n,c,i,l] = f(a[n,c,i,l], b[c,l])
void binary_channel(Binary f, const float* a, const float* b, float* y, const ChannelView& view);
// y[n,c,i,l] = x[n,c,i,l] · scale[c,l] + shift[c,l], then max(0, ·) if rectify
void channel_affine(const float* x, const float* scale, const float* shift, float* y, const ChannelView& view,
                    bool rectify);

}  // namespace fovea::kernels
