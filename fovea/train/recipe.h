// Everything that decides how a network is trained, besides the network and the data themselves.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/model/initialise.h"
#include "fovea/train/losses.h"
#include "fovea/train/optimiser.h"
#include "fovea/train/schedule.h"

namespace fovea {

// Columns of a fractal network dropped in training. Source: Larsson, Maire & Shakhnarovich, "FractalNet", ICLR 2017,
// section 3.
struct DropPath {
  std::string kind = "none";  // none; local: each input of a join; global: one column for the whole net; mixed: half of
                              // the batches each
  double rate = 0.15;         // local: the probability that an input of a join is dropped
};

// Residual branches dropped in training. Source: Huang et al., "Deep networks with stochastic depth", ECCV 2016.
struct StochasticDepth {
  std::string kind = "none";  // none; linear: p_l = 1 - l/L (1 - last); uniform: p_l = last; built: the probabilities
                              // that the network was built with
  double last = 0.5;          // p_L, the probability that the last block survives
};

struct Recipe {
  double epochs = 10;         // fractions end inside an epoch
  int64_t batch = 128;        // samples an update
  int64_t micro_batches = 1;  // parts of a batch whose gradients are added up, to save memory; divides `batch`
  uint64_t seed = 0;          // of weights, order, augmentation, dropout and dropped paths
  LossSettings loss;
  double head_weight = 0.3;  // of each auxiliary classifier's loss
  OptimiserSettings optimiser;
  ScheduleSettings schedule;
  Initialisation initialisation;
  std::string augment;     // as parse_augmentations() reads it: "flip,crop:4"
  std::string preprocess;  // a preset's name, or "set": the training set's own mean and deviation; empty: the model's
  double average = 0;      // decay of the moving average of the weights, which is then what is evaluated and kept
  LookaheadSettings lookahead;
  std::string evaluation = "plain";  // the views of a picture that are scored when it is tested: see model/test_views.h
  std::vector<std::string> freeze;   // patterns (* and ?) of layers and weights that are not trained
  DropPath drop_path;
  StochasticDepth stochastic_depth;
  double batch_norm_momentum = 0.1;
  bool synchronised_batch_norm = false;  // on several ranks: statistics of the whole batch, not of each rank's share
  bool bf16 = false;                     // convolutions and matrix products in bf16, weights and their updates in f32
  double evaluate_every = 1;             // epochs between evaluations on the test set
  double validation = 0;  // share of the training set that is kept for evaluation when there is no test set
};

}  // namespace fovea
