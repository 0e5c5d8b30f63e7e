// Sums over all pairs of points in the plane under the Student t kernel w = 1 / (1 + d²), points standing in groups of
// sixteen near each other: groups far apart meet as wholes.
#pragma once

#include <cstdint>

namespace fovea::kernels {

inline constexpr int64_t kGroupPoints = 16;
// Parts into which the pairs of groups are cut, whatever the number of threads: each has sums of its own.
inline constexpr int64_t kGroupParts = 8;

// Group g has the points [16 g, 16 g + 16), of which the last group's may be padding (kRepulsionPadding of
// student_repulsion.h).
struct PointGroups {
  int64_t groups;
  const float *x, *y;                // of the points
  const float *middle_x, *middle_y;  // of each group's points but the padding
  const float* radius;               // the greatest distance of one of them from it
  const float* points;               // how many they are
};

// force_x[i] ≈ Σ_j w_ij² (x_i − x_j), force_y likewise, for all i; returns about Σ w_ij over all ordered pairs, each
// point with itself included, and padding with padding. Groups whose radii sum to less than `theta` times the distance
// of their middles meet as one point does the other's middle, with so many times its force; others point by point.
// Reciprocals are the instruction set's estimates (student_repulsion.h). `scratch` holds 2 · kGroupParts · 16 · groups
// floats, `list` kGroupParts · groups numbers. The order of all sums is fixed.
double student_groups(const PointGroups& groups, float theta, float* force_x, float* force_y, float* scratch,
                      int32_t* list);

}  // namespace fovea::kernels
