// The parts that the loss of a picture is added up from: style (Gram matrices, means and covariances of a layer's
// maps), content (the maps themselves) and what natural pictures are like. Every one begins with sums over positions,
// so that it can be had tile by tile, exactly (see insight/picture_loss.h).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "fovea/graph/graph.h"
#include "fovea/insight/image_prior.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

// What a term sees of its layer while it is built: the whole maps, or those of a tile.
struct TermMaps {
  Value maps;                 // [1,C,h,w], f32 (f64 in tests)
  Value owned;                // [1,1,h,w], 1 where the position counts and 0 elsewhere; not given: all of them count
  Value window;               // i64 [4]: the rows [0, 1) and columns [2, 3) that count; not given: all of them
  std::vector<Value> inputs;  // the term's inputs, cut out like the maps
};

// The whole layer's size, whatever part of it is looked at.
struct LayerSize {
  int64_t channels = 0, height = 0, width = 0;
  double positions() const { return static_cast<double>(height * width); }
};

// weight · finish(Σ over positions). `sums` returns values that add up when the positions are dealt out to tiles, each
// position to one; `finish` makes one number, a scalar of the sums' type, of them.
struct LossTerm {
  std::string name;   // as messages and curves show it: "style relu4_1"
  double weight = 1;  // of the term in the total, and of its gradient
  std::string layer;  // any of its names (see find_layer); empty: the picture itself, in levels
  // Tensors [1,1,h,w] or [1,C,h,w] of the whole layer's positions: targets, regions.
  std::vector<Tensor> inputs = {};
  std::function<std::vector<Value>(Graph&, const TermMaps&)> sums;
  std::function<Value(Graph&, std::span<const Value> sums, const LayerSize&)> finish;
  // The gradient with respect to the layer's maps, g, is replaced by g / (Σ|g| + 1e-8): the option
  // -normalize_gradients of jcjohnson/neural-style. What is optimised is then no longer the loss that is told.
  bool normalise_gradient = false;
};

// What a layer answers to a picture, summed over positions p with F_p the C answers at one and T_p the region's weight
// there (1 where there is no region).
struct MapSums {
  int64_t channels = 0;
  double positions = 0;  // Σ T_p²: the number of positions where there is no region
  Tensor products;       // Σ T_p² F_p F_pᵀ, f64 [C,C]: the Gram matrix, not divided by anything
  Tensor answers;        // Σ T_p² F_p, f64 [C]
};

// Σ shares · sums / positions: the statistics of several pictures as those of one, of one position. The shares are
// divided by their sum. Throws Error{usage} when there are none, their numbers differ or no share is above 0,
// Error{shape} for unlike layers.
MapSums blended(std::span<const MapSums> sums, std::span<const double> shares);

// How two textures' statistics are compared. N: channels, M: positions, G = Σ F Fᵀ; with a hat: of the target.
//   gatys    1/(4N²) Σ_ij (G_ij/M − Ĝ_ij/M̂)²: equal to 1/(4N²M²) Σ (G − Ĝ)² where the pictures are equally large
//            (Gatys, Ecker & Bethge, "Texture synthesis using convolutional neural networks", NIPS 2015, equation 3),
//            and as their code (leongatys/DeepTextures) has it where they are not
//   johnson  1/N² Σ_ij (G_ij/(N·M) − Ĝ_ij/(N·M̂))²: jcjohnson/neural-style (4/N² times gatys)
//   mean     1/N² Σ_ij (G_ij/M − Ĝ_ij/M̂)²: many PyTorch scripts
//   w2       1/N times the squared Wasserstein-2 distance of the Gaussians with the same means and covariances,
//            ‖μ − μ̂‖² + tr(Σ + Σ̂ − 2 (Σ̂^½ Σ Σ̂^½)^½): crowsonkb/style-transfer-pytorch. To both covariances
//            1e-4 · tr Σ̂ / N is added on the diagonal, which keeps the slope finite where there are fewer positions
//            than channels.
const std::vector<std::string>& style_forms();

// The term of a layer's style. `region`: T, [1,1,h,w] of the layer's positions, which makes G = Σ T_p² F_p F_pᵀ and M =
// Σ T_p² (Gatys et al., "Controlling perceptual factors in neural style transfer", CVPR 2017, equation 5 without its
// normalisation of T, which M stands for); empty: everywhere. Throws Error{usage} for an unknown form, a region that is
// zero everywhere, and a target of no positions.
LossTerm style_term(std::string layer, const MapSums& target, std::string_view form, double weight,
                    const Tensor& region = {});

// How maps are compared with those of a content picture, P [1,C,h,w]:
//   gatys  ½ Σ (F − P)²: Gatys, Ecker & Bethge, "Image style transfer using convolutional neural networks", CVPR 2016,
//          equation 1
//   mean   Σ (F − P)² / (C·h·w): jcjohnson/neural-style and most others
//   sum    Σ (F − P)²
const std::vector<std::string>& content_forms();
// `region`, [1,1,h,w], is multiplied with each position's error; empty: everywhere.
LossTerm content_term(std::string layer, const Tensor& target, std::string_view form, double weight,
                      const Tensor& region = {});

// Penalties of the levels themselves (0..255 minus the centre colour), in the forms of insight/image_prior.h.
LossTerm total_variation_term(const TotalVariation& settings, double weight);
LossTerm alpha_norm_term(const AlphaNorm& settings, double weight);

}  // namespace fovea
