// Batch norm in training, forward and backward, with the residual sum and the ReLU behind it: two passes each way.
// Sums are taken in pieces whose limits depend on the shape alone and are added in double, so that results depend
// neither on the number of threads nor (but for the instructions' own rounding) on the instruction set. Threaded.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fovea::kernels {

// A tensor [N,C,positions] in some layout, as `strips` of `runs` of `rows` of sixteen neighbouring floats. Lane l of
// strip s belongs to channel s · lanes + l mod lanes; there is none from `channels` on.
//   nChw16c: a strip is a block of channels, a run an image, a row a position, lanes 16; nChw8c: two positions, 8;
//   plain: a strip is a channel, a run an image, a row sixteen positions, lanes 1;
//   nhwc: a strip is sixteen channels, lanes 16, and all positions of all images are one run.
struct BatchNormView {
  int64_t channels = 1;
  int64_t lanes = 16;
  int64_t strips = 1, runs = 1, rows = 1;
  int64_t strip_step = 0, run_step = 0, row_step = 16;                 // floats
  int64_t tail = 0;                                                    // floats of one more, shorter row of each run
  int64_t last_width = 16;                                             // floats of the rows of the last strip
  int64_t count() const { return runs * (rows * 16 + tail) / lanes; }  // M, values a channel
};

struct BatchNormForward {
  const float *x, *scale, *bias;
  const float* residual;  // or null
  bool rectify;
  double epsilon;
  float *y, *mean, *variance;  // the statistics may be null
};
// y = max(0, ·) of (x − μ) · scale · (v + ε)^(−1/2) + bias + residual; y may overwrite x or the residual.
void batch_norm_forward(const BatchNormView& view, const BatchNormForward& call, std::byte* scratch);

struct BatchNormBackward {
  const float* d;
  const float* more;  // added to d, or null
  const float *x, *scale, *mean, *variance;
  const float* bias;  // the ReLU let through what is above 0 of (x − μ) · …, or null
  const float* y;     // the ReLU let through what is above 0 here, or null; without either there was none
  double epsilon;
  float *dx, *dscale, *dbias;  // each may be null
  float* through;              // d (+ more) where the ReLU let through, else 0; or null
};
// dx may overwrite any of d, more, x and y; `through` any of d, more and y.
void batch_norm_backward(const BatchNormView& view, const BatchNormBackward& call, std::byte* scratch);

// Bytes that either of them needs.
size_t batch_norm_scratch(const BatchNormView& view);

}  // namespace fovea::kernels
