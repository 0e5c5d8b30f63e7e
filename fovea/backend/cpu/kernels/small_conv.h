// Convolutions of stride 1 with few channels, on plain tensors: where blocks of 16 channels would be mostly padding.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fovea::kernels {

inline constexpr int64_t kSmallOutputsMost = 8;    // channels of y for the forward pass and the weights' gradient
inline constexpr int64_t kSmallVectorsMost = 12;   // vectors of 16 that hold a kernel's taps, for the input's gradient
inline constexpr int64_t kSmallPlaneMost = 65536;  // floats of a padded plane

// x [batch,channels,height,width], w [outputs,channels,kernel_height,kernel_width], y [batch,outputs,out_height,
// out_width]; what lies below and to the right of x follows from the sizes.
struct SmallConv {
  int64_t batch, channels, height, width;
  int64_t outputs, out_height, out_width;
  int64_t kernel_height, kernel_width, pad_top, pad_left;
  int threads;

  int64_t padded_height() const { return out_height + kernel_height - 1; }
  int64_t padded_width() const { return out_width + kernel_width - 1; }
};

// Floats of scratch.
size_t small_conv_scratch(const SmallConv& shape);
size_t small_conv_weight_gradient_scratch(const SmallConv& shape);
size_t small_conv_input_gradient_scratch(const SmallConv& shape);

// y = activation(conv(x, w) + bias); bias may be null. Does not depend on the number of threads.
void small_conv(const SmallConv& shape, const float* x, const float* w, const float* bias, float* y, bool rectify,
                float* scratch);

// dw[o,c,i,j] = Σ d[n,o,p] · x[n,c,p + (i,j)]. Sums are cut by images alone: the same bits on any number of threads.
void small_conv_weight_gradient(const SmallConv& shape, const float* x, const float* d, float* dw, float* scratch);

// Where element (n, o, p) of d is: n·image + o/block·step + p·pixel + o%block, in floats.
struct ChannelStrides {
  int64_t image, block, step, pixel;
};
// Vectors of 16 for one row of the kernel: its columns and all channels side by side.
inline int64_t small_conv_row_vectors(const SmallConv& s) { return (s.kernel_width * s.channels + 15) / 16; }
// w → [outputs][kernel_height][row vectors · 16], the columns outermost.
void small_conv_tap_rows(const SmallConv& shape, const float* w, float* rows);
// dx[n,c,q] = Σ_o Σ_ij d[n,o,q − (i,j)] · w[o,c,i,j].
void small_conv_input_gradient(const SmallConv& shape, const ChannelStrides& strides, const float* d,
                               const float* tap_rows, float* dx, float* scratch);

}  // namespace fovea::kernels
