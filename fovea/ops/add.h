#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op add;
}

// a + b with broadcasting; any numeric type, both the same.
Value add(Graph& graph, Value a, Value b);

}  // namespace fovea
