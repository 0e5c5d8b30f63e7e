// Sums over all pairs of points in the plane under the Student t kernel w = 1 / (1 + d²): what the exact t-SNE gradient
// needs.
#pragma once

#include <cstdint>

namespace fovea::kernels {

// Points to which student_repulsion pads their number.
inline constexpr int64_t kRepulsionGroup = 16;
// Where the points of the padding lie: so far away that they weigh nothing.
inline constexpr float kRepulsionPadding = 1e18f;
// Parts into which the pairs are cut, whatever the number of threads: each has sums of its own.
inline constexpr int64_t kRepulsionParts = 16;

// force_x[i] = Σ_j w_ij² (x_i − x_j), force_y likewise, for all i; returns Σ_{i≠j} w_ij. `count` is a multiple of
// kRepulsionGroup, the last points are padding. Each pair is computed once, in f32; `scratch` holds
// 2 · kRepulsionParts · count floats. The order of all sums is fixed. `padded` is how many points are padding.
// Reciprocals::estimate takes the instruction set's estimate of each w as it is: off by at most 2^-14 of itself with
// AVX-512 and 1.5 · 2^-12 with AVX2 and SSE (elsewhere it is refined all the same), alike for both points of a pair, so
// that forces still cancel.
enum class Reciprocals { refined, estimate };
double student_repulsion(const float* x, const float* y, int64_t count, int64_t padded, float* force_x, float* force_y,
                         float* scratch, Reciprocals reciprocals = Reciprocals::refined);

// For one point (px, py): Σ_j w_j, and Σ_j w_j² (p − q_j) for both axes, over `count` points as above.
struct PointRepulsion {
  float weight = 0, force_x = 0, force_y = 0;
};
PointRepulsion student_repulsion_of(float px, float py, const float* x, const float* y, int64_t count);

}  // namespace fovea::kernels
