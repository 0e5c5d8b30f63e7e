// 3×3 and 5×5 convolution of stride 1 by Winograd's minimal filtering, on tensors in blocks of 16 channels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fovea::kernels {

// Where the element (n, c, h, w) of an activation is: n·image + c/16·block + h·row + w·pixel + c%16, in floats.
// nChw16c and nhwc (of a multiple of 16 channels) are both of this form.
struct BlockedStrides {
  int64_t image, block, row, pixel;
};
BlockedStrides strides_nChw16c(int64_t channels, int64_t height, int64_t width);
BlockedStrides strides_nhwc(int64_t channels, int64_t height, int64_t width);

struct WinogradShape {
  int64_t batch, inputs, height, width;    // x [batch,inputs,height,width]
  int64_t outputs, out_height, out_width;  // y
  int64_t pad_top, pad_left;               // what lies below and to the right follows from the sizes
  int kernel;                              // 3 or 5, a side
  BlockedStrides x, y;
};

// A convolution planned for at most `threads` threads.
struct WinogradPlan {
  WinogradShape shape;
  int tile;                             // outputs a side
  int side;                             // tile + kernel - 1 inputs a side: 6 or 8
  int points;                           // side²
  int64_t input_blocks, output_blocks;  // of 16 channels
  int64_t tile_rows, tile_columns, tiles;
  int64_t chunk, chunks;  // tiles transformed at a time
  bool shared;            // all threads work on one chunk; else each has its own
  int threads;
  size_t weight_floats;  // of the transformed weights
  size_t scratch_bytes;
};

// Throws nothing; tile is 4 or, for 3×3, 6.
WinogradPlan plan_winograd(const WinogradShape& shape, int tile, int threads);

// w [outputs,inputs,K,K] → the plan's own order: [outputs/32][points][inputs][32]. `adjoint`: w is [inputs,outputs,K,K]
// and is flipped, which gives the gradient with respect to the input. Computed in double. Threaded.
void winograd_weights(const WinogradPlan& plan, const float* w, bool adjoint, float* transformed);
// The same for weights in another order: the element (o,i,h,w) of [outputs,inputs,K,K] ([inputs,outputs,K,K] if
// adjoint) is at o[o] + i[i] + h[h] + w[w].
struct WinogradWeightOffsets {
  const int64_t *o, *i, *h, *w;
};
void winograd_weights(const WinogradPlan& plan, const float* w, const WinogradWeightOffsets& at, bool adjoint,
                      float* transformed);

// y = activation(conv(x, w) + bias + residual); bias [output_blocks·16] or null; residual as y or null. 64-byte aligned
// scratch. Results do not depend on the number of threads. Relative error (L2) against double: below 5e-6 for F(4,3),
// below 2e-5 for F(6,3) and F(4,5).
void winograd(const WinogradPlan& plan, const float* x, const float* transformed, const float* bias,
              const float* residual, float* y, bool rectify, void* scratch);

}  // namespace fovea::kernels
