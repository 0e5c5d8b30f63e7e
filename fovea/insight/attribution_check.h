// Whether a map tells something about the network: it must change when the weights do, and hiding what it points at
// must hurt.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "fovea/insight/attribution.h"

namespace fovea {

// The weights below and including a layer are those of the network, all above are random.
struct RandomisedStage {
  std::string from;        // the lowest layer whose weights are random
  int64_t layers = 0;      // how many layers are random
  double correlation = 0;  // Spearman's, of |map| with the true network's; 0 where either is the same everywhere
  bool empty = false;      // the map of the randomised network is the same everywhere
};

struct SanityCheck {
  std::vector<RandomisedStage> stages;  // from the top down; the last has no trained layer left
  bool insensitive = false;             // it is still alike with at least half of the layers random
  int64_t alike_layers = 0;             // the most layers that were random when it was; 0 where it is not insensitive
};
// A correlation above this counts as alike.
inline constexpr double kInsensitive = 0.5;

// Spearman's rank correlation of two lists of one length, equal values sharing their mean rank; 0 where either list is
// constant.
double rank_correlation(std::span<const float> a, std::span<const float> b);

// The network with the weights of its `layers` last layers (convolutions and matrix products, from the scores down)
// drawn anew: normal, with the mean and standard deviation of the tensor they replace. Vectors (biases, batch norms)
// stay. Keyed by the seed. Returns the name of the lowest layer drawn.
std::string randomise_from_top(Model& model, int64_t layers, uint64_t seed);
int64_t weighted_layers(const Model& model);

// Randomises the network from the top down, cumulatively, in at most `stages` steps, and compares each of `maps` with
// what `make` returns in its place for each network. Source: Adebayo et al., "Sanity checks for saliency maps", NeurIPS
// 2018, section 3: the cascading randomisation, rank correlation of absolute values. Throws Error{usage} when the
// network has no weights, and what `make` throws.
using MapMaker = std::function<std::vector<AttributionMap>(const Model& model)>;
std::vector<SanityCheck> check_sanity(const Context& context, const Model& model, std::span<const AttributionMap> maps,
                                      const MapMaker& make, int64_t stages = 4);

// How the probability of the class goes as the pixels, in the order of the map, are taken away or put in.
struct Perturbation {
  std::vector<double> deletion, insertion;       // probabilities at 0, 1/n, …, 1 of the pixels
  double deletion_area = 0, insertion_area = 0;  // under the curves, 0..1: low and high are good
};
// In `steps` steps of equally many pixels, those of the highest values first (the map scaled to the input, bilinear).
// Deletion replaces pixels by 0, the value of the mean colour where preprocessing subtracts one; insertion begins with
// the blurred picture (Gaussian, standard deviation 1/45 of the shorter side, at least 1) and puts the sharp pixels in.
// Source: Petsiuk, Das & Saenko, "RISE: randomized input sampling for explanation of black-box models", BMVC 2018:
// deletion and insertion metrics.
Perturbation perturb(AttributionNetwork& network, const AttributionMap& map, const Tensor& input, int64_t label,
                     const Context& context, int64_t steps = 28);
// A map of random numbers: what perturb() gives for an order that knows nothing.
AttributionMap random_map(const Tensor& input, uint64_t seed);

}  // namespace fovea
