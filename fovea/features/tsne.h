// t-SNE: a map in the plane in which near points are near.
//
// p_{j|i} = exp(−β_i ‖x_i − x_j‖²) / Σ_k …, β_i such that the entropy of p_{·|i} is log(perplexity);
// P_ij = (p_{j|i} + p_{i|j}) / 2N;  w_ij = 1 / (1 + ‖y_i − y_j‖²);  Q_ij = w_ij / Z, Z = Σ_{k≠l} w_kl;
// C = KL(P ‖ Q) = Σ P_ij log(P_ij / Q_ij);
// ∂C/∂y_i = 4 Σ_j (P_ij − Q_ij) w_ij (y_i − y_j) = 4 [ Σ_j P_ij w_ij (y_i − y_j) − (1/Z) Σ_j w_ij² (y_i − y_j) ].
// Source: L. van der Maaten, G. Hinton, "Visualizing data using t-SNE", JMLR 9 (2008), equations 1, 2, 4, 5 and
// section 3.4.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fovea/base/context.h"
#include "fovea/features/neighbours.h"

namespace fovea {

// P as a sparse symmetric matrix by rows: it sums to 1.
struct Affinities {
  std::vector<int64_t> begin;   // [N+1]
  std::vector<int32_t> column;  // ascending in a row
  std::vector<float> value;
  int64_t count() const { return static_cast<int64_t>(begin.size()) - 1; }
};

// p_{j|i} of one point, from the squared distances to its neighbours: β by bisection until the entropy is within 1e-5
// of log(perplexity), or 100 halvings.
std::vector<double> conditional_affinities(const std::vector<double>& squared_distances, double perplexity);

// P from the k nearest neighbours of each point (k = N − 1: from all). Throws Error{usage} unless
// 1 ≤ perplexity ≤ k.
Affinities affinities(const Neighbours& neighbours, double perplexity);

// Points of the map.
struct PlanePositions {
  std::vector<float> x, y;
  int64_t count() const { return static_cast<int64_t>(x.size()); }
};

struct TsneOptions {
  int64_t iterations = 1000;
  int64_t exaggerated = 250;  // the first of them have P multiplied by `exaggeration`, and momentum 0.5, else 0.8
  double exaggeration = 12;   // early exaggeration
  double learning_rate = 0;   // 0: max(50, N / exaggeration / 4)
  // Of repulsion: exact, groups, barnes-hut, fft; auto: exact up to kExactPoints, groups up to kGroupedPoints, then
  // fft.
  std::string method = "auto";
  double theta = 0.5;  // of groups and barnes-hut
};
inline constexpr int64_t kExactPoints = 1000, kGroupedPoints = 12000;

struct TsneResult {
  PlanePositions positions;                         // their mean is 0
  double divergence = 0;                            // KL(P ‖ Q) in nats, Z over all pairs
  std::vector<std::pair<int64_t, double>> history;  // KL after every 50 iterations, Z as the method gives it
  std::string method;
  double learning_rate = 0;
};

// Gradient descent with momentum and gains from a start: v ← μ v − η g ∘ ∂C/∂y, y ← y + v; a coordinate's gain g grows
// by 0.2 where the gradient and v differ in sign, else shrinks to 0.8 of itself, never below 0.01 (Jacobs 1988, as in
// section 3.4). The same start gives the same bits for any number of threads. Throws Error{usage} when the objective is
// no longer finite.
TsneResult tsne(const Context& context, const Affinities& p, PlanePositions start, const TsneOptions& options);

// Normal numbers of deviation 1e-4, keyed by the seed.
PlanePositions random_start(int64_t count, uint64_t seed);
// The first two columns of a projection [N,d], d ≥ 1, scaled so that the first has the deviation 1e-4. One column: the
// other coordinate is random.
PlanePositions projected_start(const Tensor& projection, uint64_t seed);

// KL(P ‖ Q) at given positions, Z over all pairs.
double divergence(const Affinities& p, const PlanePositions& positions);

// New points on a finished map, each on its own: y minimises KL(p_{·|y} ‖ q_{·|y}) against the map's points, which
// stay. `neighbours`: of the new rows among the map's rows. Starts from the neighbours' weighted mean; 250 steps with
// momentum 0.8, rate 0.1, attraction 1.5 times, a step's gradient at most 0.25 long. Source: P. Poličar, M. Stražar, B.
// Zupan, "Embedding to reference t-SNE space addresses batch effects in single-cell classification" (2021); the numbers
// are openTSNE's.
PlanePositions place_on_map(const PlanePositions& map, const Neighbours& neighbours, double perplexity = 5);

}  // namespace fovea
