// Objectives: what a picture shall do to a network, as a number to be made large. They add up, scale and describe
// themselves: 2 * channel("inception_4c", 12) - neuron("fc8", 130).
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fovea/insight/image_prior.h"
#include "fovea/model/model.h"

namespace fovea {

// What an objective sees while it is built: the layers of the network that looks at the pictures, and the pictures.
struct Taps {
  // The output of a layer for a batch of pictures, by its node's name in the model.
  std::function<Value(const std::string& node)> layer;
  Value levels;  // [N,C,H,W], see insight/parametrisation.h; before any random view
};

// (graph, taps) → one number a picture, [N] f32: pictures of a batch have objectives of their own.
class PictureObjective {
 public:
  using Build = std::function<Value(Graph&, const Taps&)>;
  // `nodes`: the layers that it asks for.
  PictureObjective(std::string description, std::vector<std::string> nodes, Build build)
      : description_(std::move(description)), nodes_(std::move(nodes)), build_(std::move(build)) {}

  Value operator()(Graph& graph, const Taps& taps) const { return build_(graph, taps); }
  const std::string& description() const { return description_; }
  const std::vector<std::string>& nodes() const { return nodes_; }

 private:
  std::string description_;
  std::vector<std::string> nodes_;
  Build build_;
};

PictureObjective operator+(const PictureObjective& a, const PictureObjective& b);
PictureObjective operator-(const PictureObjective& a, const PictureObjective& b);
PictureObjective operator*(const PictureObjective& a, const PictureObjective& b);
PictureObjective operator*(double factor, const PictureObjective& a);
PictureObjective operator-(const PictureObjective& a);
PictureObjective constant_objective(double value);

// A layer as objectives speak of it: its node in the model and how many units (channels) it has.
struct UnitLayer {
  std::string node;
  int64_t units = 0, height = 1, width = 1;  // of maps; 1x1 where the layer is a vector
};
// Finds a layer by any of its names. Throws Error{usage} with the nearest names for one that is not there, and for one
// that is neither a stack of maps [N,C,H,W] nor a vector [N,C] a picture.
UnitLayer unit_layer(const Model& model, std::string_view name);
// Throws Error{usage} when the layer has no such unit.
void check_unit(const UnitLayer& layer, int64_t unit);

// The answers of units. Where the layer is a ReLU (or a concatenation of ReLUs) and a unit is silent, its answer before
// the ReLU counts instead, which shows the way out of silence (Lucid overrides the ReLU's gradient for that; here the
// objective itself says it). channel: the mean over all positions; neuron: one position, the middle ones where y or x
// is negative (of an even number, the second).
PictureObjective channel(const UnitLayer& layer, int64_t unit);
PictureObjective neuron(const UnitLayer& layer, int64_t unit, int64_t y = -1, int64_t x = -1);
// Σ weight · answer over units, all positions (mean) or one: a direction of the layer's space. The weights are scaled
// to a Euclidean norm of 1.
PictureObjective direction(const UnitLayer& layer, const std::vector<std::pair<int64_t, double>>& weights);
// The sum over all units of answer × what is fed under kSelection, [N,units]: one program for any units of a layer.
// `middle`: answers of the middle neuron instead of whole channels.
PictureObjective selected_units(const UnitLayer& layer, bool middle = false);
inline constexpr const char* kSelection = "unit selection";

// The score of a class before a softmax.
PictureObjective class_score(const Model& model, int64_t label);
// The layer that holds the scores before a softmax.
UnitLayer score_layer(const Model& model);

// The mean square of all of a layer's answers: what DeepDream makes large. Source: Mordvintsev et al., 2015, where the
// gradient is the layer itself: half the sum of the squares.
PictureObjective layer_energy(const Model& model, std::string_view layer);
// Penalties of the picture itself, to be subtracted; levels are divided by 255 for them, so that weights speak of
// pictures from 0 to 1.
PictureObjective total_variation(const TotalVariation& settings);
PictureObjective alpha_norm(const AlphaNorm& settings);
PictureObjective l2();  // √(Σ x² + 1e-6)
// −(1/(N−1)) Σ_{j≠i} cos(G_i, G_j) for the Gram matrices G = F Fᵀ [C,C] of a layer's maps: pictures of one batch that
// differ in texture. 0 for a single picture. Source: Olah, Mordvintsev & Schubert, 2017; Gatys et al., 2015 (Gram).
PictureObjective diversity(const Model& model, std::string_view layer);
// (1 − t) a + t b for picture n of N, t = n/(N−1).
PictureObjective interpolation(const PictureObjective& a, const PictureObjective& b);

// What a person wrote, such as
//   channel(inception_4c, 12) - 0.5*neuron(fc8, 130)
// Numbers, + − * and parentheses; channel(LAYER, UNIT), neuron(LAYER, UNIT[, Y, X]), direction(LAYER, UNIT:WEIGHT, …),
// class(NAME or NUMBER), layer(LAYER), tv([BETA[, FORM]]), alpha_norm([ALPHA[, FORM]]), l2(), diversity(LAYER),
// interpolation(OBJECTIVE, OBJECTIVE), and LAYER:UNIT for a channel. Names with commas or parentheses stand in quotes.
// Throws Error{usage} saying where in the text, and what finding layers, units and classes throws.
PictureObjective parse_objective(const Model& model, std::string_view text);

}  // namespace fovea
