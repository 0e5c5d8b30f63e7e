// The loop nest that matmul and gemm share.
#pragma once

#include <cstdint>
#include <type_traits>

#include "fovea/tensor/dtype.h"

namespace fovea {

// Calls write(i, j, Σ_k a'[i,k] · b'[k,j]) for an M×K and a K×N row-major matrix, either stored transposed.
// Floating-point sums are accumulated in double, integers in their own type (they wrap, as in ONNX).
template <class T, class F>
void matrix_product(const T* a, const T* b, int64_t m, int64_t n, int64_t k, bool transpose_a, bool transpose_b,
                    F write) {
  using Sum = std::conditional_t<is_float(dtype_of<T>()), double, uint64_t>;  // unsigned: overflow is defined
  using Result = std::conditional_t<is_float(dtype_of<T>()), double, Compute<T>>;
  for (int64_t i = 0; i < m; ++i)
    for (int64_t j = 0; j < n; ++j) {
      Sum sum = 0;
      for (int64_t l = 0; l < k; ++l) {
        const Sum left = static_cast<Sum>(static_cast<Compute<T>>(a[transpose_a ? l * m + i : i * k + l]));
        const Sum right = static_cast<Sum>(static_cast<Compute<T>>(b[transpose_b ? j * k + l : l * n + j]));
        sum += left * right;
      }
      write(i, j, static_cast<Result>(sum));
    }
}

}  // namespace fovea
