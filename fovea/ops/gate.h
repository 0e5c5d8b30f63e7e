#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op gate;
}

// x where `open` (a boolean scalar, fed at run time) is true, else zeros of x's type and shape. A compiled program
// skips the steps whose only purpose is a closed gate's x, forward and backward. Throws Error{type} when `open` is not
// one boolean.
Value gate(Graph& graph, Value x, Value open);

}  // namespace fovea
