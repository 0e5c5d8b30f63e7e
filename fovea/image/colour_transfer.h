// The colours of one picture for another: what neural style does to keep the colours of a photograph.
#pragma once

#include <string>
#include <vector>

#include "fovea/image/image.h"

namespace fovea {

// All of them take RGB or grey pictures of 8 or 16 bits (alpha is dropped, grey is repeated), work on colours as they
// are stored, and give an RGB picture of the first one's size and depth, cut off at black and white. Throw Error{usage}
// for empty pictures.

// The light of `picture` in the colours of `colours`, which has the same size (Error{usage} otherwise): Y of one and U,
// V of the other, Y = 0.299 R + 0.587 G + 0.114 B. As all of R, G and B change by as much as Y does where U and V stay,
// that is colours + (Y − Y_colours). Source: -original_colors of jcjohnson/neural-style; Gatys et al., "Preserving
// color in neural artistic style transfer", 2016, section 3.2.
Image with_light_of(const Image& colours, const Image& picture);

// Mean and covariance of all colours as in `reference`: x' = A (x − μ) + μ_r with A Σ Aᵀ = Σ_r.
//   cholesky   A = L_r L⁻¹ for Σ = L Lᵀ
//   symmetric  A = Σ_r^½ Σ^−½, "image analogies"
// Source: Gatys et al., 2016, section 3.1 (appendix A); Hertzmann, 2001. Pictures of few colours have a covariance
// without an inverse: 1e-5 (of colours 0..1) is added to its diagonal.
Image with_moments_of(const Image& picture, const Image& reference, const std::string& form = "cholesky");
const std::vector<std::string>& moment_forms();

// Each channel with the distribution of the reference's: v' is the reference's value at the share of pixels that are at
// most v; linear between its values. As skimage.exposure.match_histograms, rounded.
Image with_histogram_of(const Image& picture, const Image& reference);

}  // namespace fovea
