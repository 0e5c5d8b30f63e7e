#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ConvAttributes {
  Ints stride, dilation;  // one for all spatial axes, or one an axis; empty means 1
  Ints pad;               // empty 0; one for all sides; one an axis; or all begins then all ends
  int64_t groups = 1;
  std::string auto_pad;  // "", same_upper, same_lower, valid
  FOVEA_FIELDS(ConvAttributes, stride, dilation, pad, groups, auto_pad)
};

// The two adjoints: the sizes that cannot be read off their operands are attributes. Padding is explicit (begins,
// ends).
struct ConvAdjointAttributes {
  Ints stride, dilation, pad;
  int64_t groups = 1;
  Ints sizes;  // spatial sizes of the input (conv_input_gradient), kernel sizes (conv_weight_gradient)
  FOVEA_FIELDS(ConvAdjointAttributes, stride, dilation, pad, groups, sizes)
};

namespace ops {
extern const Op conv, conv_input_gradient, conv_weight_gradient;
}

// x [N,I,spatial], weight [O,I/G,K...], bias [O] or not given → [N,O,spatial]. Any number of spatial axes ≥ 1. Not
// flipped (cross-correlation), as in every network; see flip() for the other.
Value conv(Graph& graph, Value x, Value weight, Value bias = {}, ConvAttributes attributes = {});
// d [N,O,spatial], weight [O,I/G,K...] → [N,I,sizes]. Also what a transposed convolution computes.
Value conv_input_gradient(Graph& graph, Value d, Value weight, ConvAdjointAttributes attributes);
// x [N,I,spatial], d [N,O,spatial] → [O,I/G,sizes].
Value conv_weight_gradient(Graph& graph, Value x, Value d, ConvAdjointAttributes attributes);

}  // namespace fovea
