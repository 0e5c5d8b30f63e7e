// What natural pictures are like, as penalties: total variation and α-norm, in the forms that papers and tools use.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fovea/graph/graph.h"

namespace fovea {

// Every penalty takes pictures x [N,C,H,W] f32 (grey levels minus their centre, see insight/parametrisation.h) and
// gives one number a picture, [N]. With dx = x[i,j+1] − x[i,j] and dy = x[i+1,j] − x[i,j], 0 beyond the last column or
// row:
//   sum         Σ_c Σ_ij (dx² + dy²)^{β/2}: Mahendran & Vedaldi, "Understanding deep image representations by inverting
//               them", CVPR 2015, equation 3
//   mean        the same divided by H·W: aravindhm/nnpreimage, the tool of their IJCV paper of 2016
//   half        half of the sum: aravindhm/deep-goggle, the tool of 2015
//   anisotropic Σ (|dx|^β + |dy|^β): tf.image.total_variation and Lucid with β = 1
//   interior    the sum over the H−1 × W−1 positions that have both differences: jcjohnson/neural-style
struct TotalVariation {
  double beta = 2;
  std::string form = "sum";
};
const std::vector<std::string>& total_variation_forms();

// For β other than 2, and |d| with β other than 2, the power's base is max(dx² + dy², 1e-6): finite slopes where the
// picture is flat. Throws Error{usage} for an unknown form and β that is not above 0, Error{shape} for another rank.
Value total_variation(Graph& graph, Value x, const TotalVariation& settings = {});
// What it sums, for pictures that are looked at in parts: [N,C,H,W], in which a position holds what the differences to
// the next row and column cost there. The sum of all, times variation_factor, is the total variation; `positions` is
// H·W of the whole picture.
Value total_variation_map(Graph& graph, Value x, const TotalVariation& settings = {});
double variation_factor(const TotalVariation& settings, double positions);

// nnpreimage's scale of differences between neighbours: (80/6.5) grey levels in pictures of 224 pixels and more; in
// smaller ones, which show the same things with fewer pixels, neighbours differ more: inversely to the side. The weight
// of a mean total variation is 1 over this to the power β.
double neighbour_difference(double side);

//   sum    Σ_c Σ_ij |x|^α: the paper of 2015, equation 2, and deep-goggle (where the exponent is named β)
//   mean   the same divided by H·W
//   pixel  Σ_ij (Σ_c x²)^{α/2} / (H·W): nnpreimage, so that all colours of one brightness cost the same
struct AlphaNorm {
  double alpha = 6;
  std::string form = "sum";
};
const std::vector<std::string>& alpha_norm_forms();

// Throws Error{usage} for an unknown form and α below 1, Error{shape} for another rank.
Value alpha_norm(Graph& graph, Value x, const AlphaNorm& settings = {});
// What it sums, [N,C,H,W], or [N,1,H,W] for the form pixel, and what its sum is multiplied with.
Value alpha_norm_map(Graph& graph, Value x, const AlphaNorm& settings = {});
double alpha_norm_factor(const AlphaNorm& settings, double positions);

}  // namespace fovea
