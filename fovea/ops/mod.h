#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct ModAttributes {
  bool fmod = false;
  FOVEA_FIELDS(ModAttributes, fmod)
};

namespace ops {
extern const Op mod;
}

// The remainder of a / b with broadcasting; any numeric type, both the same. fmod: of a's sign (C) instead of b's.
// Source: ONNX Mod-13.
Value mod(Graph& graph, Value a, Value b, ModAttributes attributes = {});

}  // namespace fovea
