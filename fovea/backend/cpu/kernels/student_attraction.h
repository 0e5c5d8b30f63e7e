// Sums over the near pairs of points in the plane, given as the rows of a sparse matrix P, under the Student t kernel
// w = 1 / (1 + d²): the attractive half of the t-SNE gradient, and what its objective needs of the map.
#pragma once

#include <cstdint>

namespace fovea::kernels {

// Row i has the entries [begin[i], begin[i + 1]): their columns and values.
struct SparseRows {
  const int64_t* begin;
  const int32_t* column;
  const float* value;
  int64_t count;  // of rows, and of points
};

// Points of the plane: x and y [count], and both of each in eight bytes, as pack_points() writes them.
struct PackedPoints {
  const float *x, *y;
  const int64_t* both;
};
void pack_points(const float* x, const float* y, int64_t count, int64_t* both);

// force_x[i] = Σ_j P_ij w_ij (x_i − x_j), force_y likewise, in f32 and in an order that neither the number of threads
// nor the instruction set changes.
void student_attraction(const SparseRows& rows, const PackedPoints& points, float* force_x, float* force_y);

// sums[i] = Σ_j P_ij log(1 + ‖y_i − y_j‖²) = −Σ_j P_ij log w_ij.
void student_log_distance(const SparseRows& rows, const PackedPoints& points, float* sums);

}  // namespace fovea::kernels
