// Elementwise kernels, in f32: of one operand, of two equal ones, and of one with a value a channel in any layout.
// Threaded where the tensor is large enough to pay for it. Results may overwrite operands.
#pragma once

#include <cstdint>
#include <span>

namespace fovea::kernels {

// gelu: x Φ(x); gelu_tanh: its approximation by tanh (ops/gelu.cpp).
enum class Unary { copy, relu, neg, abs, square, sqrt, exp, sigmoid, tanh, erf, gelu, gelu_tanh };

// relu_gradient: a where b > 0, else 0. gelu_gradient: a · d/db gelu(b), and so with tanh. The reversed ones exchange
// their operands. max and min return NaN where either is NaN.
enum class Binary {
  add,
  sub,
  mul,
  div,
  max,
  min,
  relu_gradient,
  gelu_gradient,
  gelu_tanh_gradient,
  reversed_sub,
  reversed_div
};

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
// y[i] = relu_gradient(a[i], b[i]) in bf16 (the upper half of a float's bits), rounded to nearest even; NaN stays NaN.
void relu_gradient_bf16(const float* a, const float* b, uint16_t* y, int64_t count);
// y[n,c,i,l] = f(a[n,c,i,l], b[c,l])
void binary_channel(Binary f, const float* a, const float* b, float* y, const ChannelView& view);
// y[n,c,i,l] = x[n,c,i,l] · scale[c,l] + shift[c,l], then max(0, ·) if rectify
void channel_affine(const float* x, const float* scale, const float* shift, float* y, const ChannelView& view,
                    bool rectify);

// One axis of a result: its size, and by how much its operands advance on it.
struct BroadcastAxis {
  int64_t size, step_a, step_b;
};
// y = f(a, b), y in row-major order of `axes`; on the last one the steps are 0 or 1, and not both 0. `exchanged` is f
// with its operands exchanged.
void binary_broadcast(Binary f, Binary exchanged, const float* a, const float* b, float* y,
                      std::span<const BroadcastAxis> axes);

// y[i] = x[i]^exponent, as std::pow has it for 0, infinities, NaN and negative numbers, but NaN for these under whole
// exponents beyond 64. Up to there those are done by products, others as e^(exponent · log x), off by about (2 +
// |exponent · log x|) · 2^-23 of the value.
void power(const float* x, float exponent, float* y, int64_t count);

}  // namespace fovea::kernels
