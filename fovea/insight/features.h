// What the layers answer to a picture: the strongest feature maps of each stage, and where on the picture they look.
#pragma once

#include <string>
#include <vector>

#include "fovea/model/model.h"
#include "fovea/model/receptive_field.h"

namespace fovea {

// Nodes on the way from the input to the scores that no edge jumps over, in order: all that follows passes through
// them.
std::vector<int> cut_points(const Graph& graph, Value input, Value scores);

// A stage: the last value of one spatial resolution through which everything that follows passes.
struct Stage {
  int node = -1;
  std::string name;
  int64_t channels = 0, height = 0, width = 0;
  std::vector<ReceptiveField> field;  // [y, x]
  bool classes = false;               // one map a class
};

// Stages in order, from the first layers on; at most `most` (the first and last are kept). Values of more than one
// position only.
std::vector<Stage> find_stages(const Model& model, size_t most = 8);

// One feature map of a stage.
struct FeatureMap {
  int64_t unit = 0;
  float peak = 0, mean = 0;        // greatest and mean value
  int64_t peak_y = 0, peak_x = 0;  // where the greatest value is
  Interval seen_y, seen_x;         // pixels of the input that the peak's unit sees
  std::vector<float> values;       // [height][width]
};

// The `count` maps with the highest peaks, highest first, of a stage's value [1,C,H,W] for an input of height x width.
std::vector<FeatureMap> strongest_maps(const Stage& stage, const Tensor& value, int64_t count, int64_t input_height,
                                       int64_t input_width);

}  // namespace fovea
