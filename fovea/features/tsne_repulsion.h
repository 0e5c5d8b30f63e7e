// The repulsive half of the t-SNE gradient, and the normaliser Z, by one of three methods.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace fovea {

// Points of the plane, and the sums that belong to them.
struct Repulsion {
  std::vector<float> x, y;  // Σ_j w_ij² (y_i − y_j), with w_ij = 1 / (1 + ‖y_i − y_j‖²)
  double z = 0;             // Σ_{i≠j} w_ij
};

// A method and the memory it works in. Results do not depend on the number of threads.
class RepulsionMethod {
 public:
  virtual ~RepulsionMethod() = default;
  virtual std::string_view name() const = 0;
  // x and y [N]. Fills `result`.
  virtual void compute(const std::vector<float>& x, const std::vector<float>& y, Repulsion& result) = 0;
};

// All pairs, O(N²), in f32.
std::unique_ptr<RepulsionMethod> exact_repulsion();
// A quadtree: a cell of side s at distance d counts as one point in its middle where s / d < theta. O(N log N).
// Source: L. van der Maaten, "Accelerating t-SNE using tree-based algorithms", JMLR 15 (2014).
std::unique_ptr<RepulsionMethod> barnes_hut_repulsion(double theta);
// Interpolation on a grid, whose sums are a convolution by FFT. O(N) and the size of the map.
// Source: G. Linderman, M. Rachh, J. Hoskins, S. Steinerberger, Y. Kluger, "Fast interpolation-based t-SNE for improved
// visualization of single-cell RNA-seq data", Nature Methods 16 (2019).
std::unique_ptr<RepulsionMethod> fft_repulsion();

}  // namespace fovea
