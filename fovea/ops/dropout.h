#pragma once

#include "fovea/graph/op.h"

namespace fovea {

struct DropoutAttributes {
  double rate = 0.5;  // the probability of dropping an element, in [0, 1)
  FOVEA_FIELDS(DropoutAttributes, rate)
};

namespace ops {
extern const Op dropout;
}

// Training-time dropout: x of any shape, `key` a u64 or i64 scalar fed at run time → {y, mask bool of x's shape}: y = x
// / (1 − rate) where the mask is true, else 0. Equal keys give equal masks on any machine and any number of threads;
// use a new key for each layer and step (Rng::fork). f32 or f64; returns y, the mask is {y.node, 1}. Throws
// Error{usage} for a rate outside of [0, 1), Error{type} when the key is not one integer. Source: ONNX Dropout-13;
// Srivastava et al., "Dropout", JMLR 15, 2014 (inverted form).
Value dropout(Graph& graph, Value x, Value key, DropoutAttributes attributes = {});
// Dropout at inference: the identity, which remembers its rate for training.
Value dropout(Graph& graph, Value x, DropoutAttributes attributes = {});

}  // namespace fovea
