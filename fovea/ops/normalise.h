// Normalisations by the statistics of the sample itself; compositions of reduce and arithmetic.
#pragma once

#include "fovea/graph/op.h"

namespace fovea {

// What normalising gave: y, and the statistics with their axes kept as size 1.
struct Normalised {
  Value y, mean, inverse_deviation;
};

// (x − mean) / √(biased variance + epsilon) over the given axes; x of any shape, f32 or f64.
Normalised normalise(Graph& graph, Value x, const Ints& axes, double epsilon);

// x [N,C,spatial], scale, bias [C]: each plane is normalised. Source: ONNX InstanceNormalization-6; Ulyanov et al.
// 2016.
Value instance_norm(Graph& graph, Value x, Value scale, Value bias, double epsilon = 1e-5);

// Normalises over the axes from `axis` to the last; scale and bias (may be not given) broadcast to those axes.
// Source: ONNX LayerNormalization-17; Ba, Kiros & Hinton 2016.
Normalised layer_norm(Graph& graph, Value x, Value scale, Value bias = {}, int64_t axis = -1, double epsilon = 1e-5);

// x [N,C,...]: the channels are split into `groups`, each normalised with its positions. scale and bias are [C] (ONNX
// 21) or [groups] (ONNX 18). Throws Error{shape} when groups does not divide C or the parameters fit neither form.
// Source: ONNX GroupNormalization-18 and -21; Wu & He, "Group normalization", ECCV 2018.
Value group_norm(Graph& graph, Value x, Value scale, Value bias, int64_t groups, double epsilon = 1e-5);

}  // namespace fovea
