// The repulsive half of the t-SNE gradient, and the normaliser Z, by one of four methods.
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

// All pairs, O(N²), in f32. estimates: weights only as good as the instruction set's reciprocals (2^-14 of each with
// AVX-512, 1.5 · 2^-12 with AVX2), which is enough for a descent and faster.
std::unique_ptr<RepulsionMethod> exact_repulsion(bool estimates = false);
// Groups of at most sixteen points near each other; two of them meet as wholes where their radii sum to less than theta
// times their distance, else point by point. O(N²), but most pairs cost an eighth. As good as
// barnes_hut_repulsion(theta).
std::unique_ptr<RepulsionMethod> grouped_repulsion(double theta);
// A quadtree: a cell of side s at distance d counts as one point in its middle where s / d < theta. O(N log N).
// Source: L. van der Maaten, "Accelerating t-SNE using tree-based algorithms", JMLR 15 (2014).
std::unique_ptr<RepulsionMethod> barnes_hut_repulsion(double theta);
// Interpolation on a grid, whose sums are a convolution by FFT. O(N) and the size of the map.
// Source: G. Linderman, M. Rachh, J. Hoskins, S. Steinerberger, Y. Kluger, "Fast interpolation-based t-SNE for improved
// visualization of single-cell RNA-seq data", Nature Methods 16 (2019).
std::unique_ptr<RepulsionMethod> fft_repulsion();

}  // namespace fovea
