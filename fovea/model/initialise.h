// Random weights for a network that has none.
#pragma once

#include "fovea/graph/graph.h"
#include "fovea/tensor/weights.h"

namespace fovea {

// A value for every parameter of the graph, told by how it is used: weights of convolutions and matrix products are
// He's normal distribution (variance 2 / fan-in), biases 0, scales of normalisations 1, their shifts and running means
// 0, their running variances 1; slopes of PReLU 0.25; biases of a highway layer's transform gate −2. Each depends on
// the seed and its own name only. Source: He et al., "Delving deep into rectifiers", ICCV 2015, equation 10; Srivastava
// et al., "Training very deep networks", NIPS 2015, section 2.2.
Weights initial_weights(const Graph& graph, uint64_t seed);

}  // namespace fovea
