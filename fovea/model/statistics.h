// Counting: parameters, multiply-adds, and how weights are distributed.
#pragma once

#include <string>
#include <vector>

#include "fovea/model/model.h"
#include "fovea/model/receptive_field.h"

namespace fovea {

// One row of `fovea summary`: a node that depends on the network's inputs.
struct LayerStatistics {
  int node = -1;
  int64_t parameters =
      0;            // trainable values of the weights that this layer is the first to use (no running statistics)
  double macs = 0;  // multiply-adds of convolutions and matrix products
  double flops = 0;
  std::vector<ReceptiveField>
      receptive_field;  // one a spatial axis of the picture input; empty: not on a picture's way
};

struct ModelStatistics {
  std::vector<LayerStatistics> layers;
  int64_t parameters = 0;
  double macs = 0, flops = 0;
  size_t weight_bytes = 0;
  size_t activation_bytes = 0;  // the largest sum of values alive at one time, when each dies after its last use
};

// What the model's outputs need. The meaning's picture input is where receptive fields begin, else the first input.
ModelStatistics statistics_of(const Model& model);

// The numbers of one weight tensor.
struct WeightStatistics {
  std::string name;
  Shape shape;
  double min = 0, max = 0, mean = 0, std = 0;
  double zeros = 0;                // share of values that are exactly 0
  std::vector<int64_t> histogram;  // equal bins from min to max
};
WeightStatistics statistics_of(const std::string& name, const Tensor& weight, int bins = 32);

}  // namespace fovea
