#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op softmax_cross_entropy, softmax_cross_entropy_gradient;
}

// −Σ_c t[n,c] · log softmax(logits)[n,c]: logits [N,C], targets either class numbers i64 [N] or probabilities [N,C] of
// the logits' type → one loss a sample [N]. A class number outside of [0, C) is ignored: its loss and gradient are 0.
// Throws Error{shape} or Error{type} when the targets fit neither form.
// Source: ONNX SoftmaxCrossEntropyLoss-13 with reduction "none".
Value softmax_cross_entropy(Graph& graph, Value logits, Value targets);
// d [N], logits [N,C], targets as above → d[n] · (softmax(logits)[n,c] · Σ t[n,·] − t[n,c]): ŷ − y for each sample, in
// one pass.
Value softmax_cross_entropy_gradient(Graph& graph, Value d, Value logits, Value targets);

}  // namespace fovea
