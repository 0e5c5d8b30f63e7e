// Reverse-mode differentiation: Graph → the same Graph with more nodes.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "fovea/graph/op.h"

namespace fovea {

// Replaces the gradient of an operator, by its name: how deconvnet and guided back-propagation differ from the
// gradient.
using Rules = std::map<std::string, GradientFunction, std::less<>>;

// Appends the nodes that compute the gradient of a scalar `loss` (one element, f32 or f64) with respect to each of
// `wrt`, and returns one Value each, of the same type as its wrt; zeros where the loss does not depend on it. Only what
// is needed for `wrt` is built. `seed` (of the loss's type) is used instead of 1; with it, the loss may be of any shape
// (a vector-Jacobian product). Throws Error{unsupported} naming the node when an operator on the way has no gradient,
// with its reason. Source: Linnainmaa 1970; accumulation over all users as in any DAG.
std::vector<Value> gradient(Graph& graph, Value loss, std::span<const Value> wrt, const Rules& rules = {},
                            Value seed = {});

}  // namespace fovea
