#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ConvTransposeSettings {
  Ints stride, dilation, pad;  // as in ConvAttributes
  int64_t groups = 1;
  Ints output_padding;  // added to the end of each output axis; one for all axes, or one an axis
  Ints output_shape;    // the output's spatial sizes; the padding follows from them
  // "", same_upper, same_lower or valid; with "same" and no output_shape the output is input · stride.
  std::string auto_pad;
};

// x [N,I,spatial], weight [I,O/G,K...], bias [O] or not given → [N,O,spatial'], spatial' = (spatial − 1) · stride +
// output_padding + (K − 1) · dilation + 1 − both pads. Composite: the adjoint of a convolution in its input, plus the
// bias. Throws Error{shape} when channels, groups or sizes do not match. Source: ONNX ConvTranspose-11.
Value conv_transpose(Graph& graph, Value x, Value weight, Value bias = {}, ConvTransposeSettings settings = {});

}  // namespace fovea
