// Principal components: the directions in which rows differ most.
#pragma once

#include <string>
#include <vector>

#include "fovea/base/context.h"
#include "fovea/features/rows.h"

namespace fovea {

struct PrincipalComponents {
  std::vector<double> mean;       // [D]
  std::vector<float> components;  // [k,D], orthonormal, the largest variance first
  std::vector<double> variances;  // [k], of the projections (sums divided by N − 1)
  double total_variance = 0;      // of all D
  std::string method;             // "covariance" or "subspace iteration"
  int64_t count() const { return static_cast<int64_t>(variances.size()); }
  int64_t dimensions() const { return static_cast<int64_t>(mean.size()); }
};

// The first k components. With D ≤ 1024 they are the eigenvectors of the covariance; otherwise eight rounds of subspace
// iteration with k + 16 directions from a keyed start, which gives the leading ones to f32's accuracy where variances
// fall off. The sign of each: its entry of greatest magnitude is positive. Throws Error{usage} unless
// 1 ≤ k ≤ min(N, D) and N ≥ 2.
// Source: K. Pearson (1901); N. Halko, P. Martinsson, J. Tropp, "Finding structure with randomness", SIAM Review 53
// (2011), algorithm 4.4.
PrincipalComponents principal_components(const Context& context, const RowSource& rows, int64_t k);

// (row − mean) · componentsᵀ, f32 [N,k].
Tensor project(const PrincipalComponents& pca, const RowSource& rows);

}  // namespace fovea
