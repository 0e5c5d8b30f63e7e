#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op take_switches;
}

// x [N,C,spatial], switches i32 [N,C,spatial'] → x's elements at the switches: [N,C,spatial']. The adjoint of unpool.
Value take_switches(Graph& graph, Value x, Value switches);

}  // namespace fovea
