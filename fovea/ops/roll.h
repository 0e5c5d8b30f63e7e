#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct RollAttributes {
  Ints shifts, axes;  // one shift an axis named
  FOVEA_FIELDS(RollAttributes, shifts, axes)
};

namespace ops {
extern const Op roll;
}

// x shifted along axes, what leaves at one end returning at the other: y[p] = x[(p - shift) mod n]. Source: numpy.roll.
Value roll(Graph& graph, Value x, Ints shifts, Ints axes);

}  // namespace fovea
