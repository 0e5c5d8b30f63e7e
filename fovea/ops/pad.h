#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct PadAttributes {
  std::string mode = "constant";  // constant, reflect (not repeating the edge), symmetric, edge, wrap
  FOVEA_FIELDS(PadAttributes, mode)
};

namespace ops {
extern const Op pad;
}

// x with positions added before and after each axis. pads: all begins, then all ends, for the axes named (all when not
// given), known at build time; negative ones crop. value: one number of x's type for mode constant, 0 when not given.
// Throws Error{shape}, Error{usage} for another mode. Source: ONNX Pad-19; symmetric: numpy.pad.
Value pad(Graph& graph, Value x, Value pads, Value value = {}, Value axes = {}, PadAttributes attributes = {});
// The same for all axes of x, with numbers.
Value pad(Graph& graph, Value x, const Ints& begins, const Ints& ends, PadAttributes attributes = {}, double value = 0);

}  // namespace fovea
