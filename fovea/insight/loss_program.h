// The graphs that a picture's loss is computed by, and what they will cost.
#pragma once

#include <string>
#include <vector>

#include "fovea/insight/layer_network.h"
#include "fovea/insight/loss_term.h"
#include "fovea/model/model.h"

namespace fovea {

struct LossGraph {
  Graph graph;
  std::vector<Value> wants;
  std::vector<Value> layers;       // the maps that each term looks at
  std::vector<size_t> sums;        // how many sums each term has
  std::vector<size_t> normalised;  // the terms whose gradients are
};

// The whole picture. Wants: the value of each term without its weight (scalars f32), then the gradient of the weighted
// total with respect to the levels.
LossGraph whole_loss(const Model& model, const std::vector<LossTerm>& terms, int64_t height, int64_t width);

// A tile. Wants: all sums of all terms, behind the gate kSumsWanted; for each normalised term the sum of the absolute
// values of its gradient with respect to the maps, behind kNormsWanted; and the gradient of Σ ⟨seed, sum⟩ with respect
// to the levels, behind kGradientWanted.
LossGraph tile_loss(const Model& model, const std::vector<LossTerm>& terms, int64_t height, int64_t width);
inline constexpr const char* kSumsWanted = "sums wanted";
inline constexpr const char* kNormsWanted = "norms wanted";
inline constexpr const char* kGradientWanted = "gradient wanted";

// The finishing of sums that are fed, in double. Wants: the value of each term without its weight, then the gradient
// with respect to each sum of Σ weight · term, where the weights of normalised terms are 1.
LossGraph finished_loss(const std::vector<LossTerm>& terms, const std::vector<std::vector<Shape>>& sums,
                        const std::vector<LayerSize>& sizes);

// Inputs by name. Of term k: its own inputs, what is owned of its layer, and its sums and their seeds. Terms of one
// layer share the first one's window and owned positions.
std::string term_input(size_t term, size_t index);
std::string window_input(size_t term);
std::string owned_input(size_t term);
std::string sum_input(size_t term, size_t index);
std::string seed_input(size_t term, size_t index);
size_t first_of_layer(const std::vector<LossTerm>& terms, size_t term);

// Leaves out what no want depends on, inputs too: a program must be fed all that its graph has.
void prune(LossGraph& loss);
// The names of the inputs that are fed.
std::vector<std::string> fed_inputs(const LossGraph& loss);

// What a graph will take when it is compiled.
struct ProgramCost {
  size_t arena = 0;    // values alive at once, at most
  size_t weights = 0;  // prepared
  double flops = 0;
};
ProgramCost cost_of(const LossGraph& loss, const Weights& weights);
// Whether it is to be compiled with CompileOptions::lean: maps are so large that preparing weights again in each run
// takes a few per cent, and memory is what counts.
bool is_lean(const LossGraph& loss);

}  // namespace fovea
