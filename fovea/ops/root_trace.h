#pragma once

#include "fovea/graph/op.h"

namespace fovea {

namespace ops {
extern const Op root_trace;
}

// a [C,C], r [C,C], both symmetric → {t scalar, slope [C,C]}: t = tr (r a r)^½ = Σ √λ over the eigenvalues λ of r a r,
// and slope = ∂t/∂a = ½ r (r a r)^−½ r, in which eigenvalues below 1e-12 times the greatest count as 0 and add nothing
// (there the root has no slope). Only the symmetric part of a is read. f32 or f64, computed in double. With r the root
// of another covariance, t is their fidelity, the mixed term of the Wasserstein-2 distance of two Gaussians: Dowson &
// Landau, "The Fréchet distance between multivariate normal distributions", 1982, equation 16. Returns t. Throws
// Error{shape} for other shapes, Error{type} for other types.
Value root_trace(Graph& graph, Value a, Value r);

// The same for plain row-major floats, by eigenvectors: any a, semidefinite or not.
void root_trace_exactly(int64_t size, const float* a, const float* r, float* trace, float* slope);

// The symmetric root of a symmetric f64 matrix [C,C] without negative eigenvalues (those below 0 count as 0).
Tensor symmetric_root(const Tensor& matrix);

}  // namespace fovea
