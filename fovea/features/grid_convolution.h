// Sums Σ_j q_j K(x_i − x_j) over the nodes of a square grid, by FFT.
#pragma once

#include <cstdint>
#include <vector>

namespace fovea {

// The grid has m × m nodes, `spacing` apart. Two kernels: K1(d) = 1 / (1 + d²) and K2 = K1². Two planes of complex
// charges: a real one, q0 + 0i, of which both convolutions are wanted, and q1 + i q2, of which that with K2 is.
class GridConvolution {
 public:
  GridConvolution();
  ~GridConvolution();
  GridConvolution(const GridConvolution&) = delete;
  GridConvolution& operator=(const GridConvolution&) = delete;

  // Makes room for m × m nodes and transforms the kernels, unless both are as before. 2m must have no prime factors
  // but 2, 3 and 5.
  void resize(int64_t m, double spacing);
  int64_t nodes() const;

  // Charges, row-major [m,m]; to be filled before run(), which replaces them by the sums:
  //   real[0] = q0 → K2 * q0,  imaginary[0] (ignored) → K1 * q0,  real[1], imaginary[1] = q1, q2 → K2 * q1, K2 * q2.
  std::vector<float> real[2], imaginary[2];
  void run();

 private:
  struct Plan;
  std::vector<float> kernel_real_, kernel_imaginary_;  // FFT of K2 + i K1, which are even: S2 + i S1
  std::vector<float> wide_real_, wide_imaginary_;      // [m,2m]: rows transformed
  Plan* plan_ = nullptr;
  int64_t m_ = 0;
  double spacing_ = 0;
};

}  // namespace fovea
