// Products of matrices of doubles, for small dense linear algebra.
#pragma once

#include <cstddef>
#include <cstdint>

namespace fovea::kernels {

// Element (i,j) of a matrix is data[i * row + j * column]; swapped steps are its transpose.
struct DoubleMatrix {
  const double* data;
  int64_t row, column;
  DoubleMatrix transposed() const { return {data, column, row}; }
};

struct DoubleProduct {
  int64_t rows, columns, depth;
  DoubleMatrix a, b;  // [rows,depth] and [depth,columns]
  double* c;          // [rows,columns], neither a nor b
  int64_t c_row;      // from one row of c to the next; columns lie one after the other
  double factor = 1;  // c = keep · c + factor · a b
  bool keep = false;
  bool symmetric = false;  // a b is a symmetric matrix: half of it is computed, the rest mirrored
  int threads = 1;         // at most
};

// Sums run along the depth in order, so the result does not depend on the number of threads. The scratch memory is for
// as many threads.
size_t double_product_scratch_bytes(int64_t columns, int64_t depth, int threads);
void double_product(const DoubleProduct& product, void* scratch);

}  // namespace fovea::kernels
