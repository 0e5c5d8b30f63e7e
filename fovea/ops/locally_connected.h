#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct LocallyConnectedAttributes {
  Ints stride, dilation, pad;  // as in ConvAttributes
  FOVEA_FIELDS(LocallyConnectedAttributes, stride, dilation, pad)
};

// The two adjoints: the sizes that cannot be read off their operands are attributes.
struct LocallyConnectedAdjointAttributes {
  Ints stride, dilation, pad;
  Ints sizes;  // spatial sizes of the input (input gradient), kernel sizes (weight gradient)
  FOVEA_FIELDS(LocallyConnectedAdjointAttributes, stride, dilation, pad, sizes)
};

namespace ops {
extern const Op locally_connected, locally_connected_input_gradient, locally_connected_weight_gradient;
}

// A convolution whose weights are not shared: x [N,I,spatial], weight [P,O,I,K...], bias [O,spatial'] or not given →
// [N,O,spatial'], P being the number of output positions in row-major order. f32 or f64. Throws Error{shape} when P or
// the channels do not match. Source: Taigman et al., "DeepFace", CVPR 2014.
Value locally_connected(Graph& graph, Value x, Value weight, Value bias = {},
                        LocallyConnectedAttributes attributes = {});
// d [N,O,spatial'], weight [P,O,I,K...] → [N,I,sizes].
Value locally_connected_input_gradient(Graph& graph, Value d, Value weight,
                                       LocallyConnectedAdjointAttributes attributes);
// x [N,I,spatial], d [N,O,spatial'] → [P,O,I,sizes].
Value locally_connected_weight_gradient(Graph& graph, Value x, Value d, LocallyConnectedAdjointAttributes attributes);

}  // namespace fovea
