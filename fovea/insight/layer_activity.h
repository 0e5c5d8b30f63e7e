// What a layer answers to one picture, in numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "fovea/insight/features.h"
#include "fovea/model/model.h"

namespace fovea {

struct LayerActivity {
  double mean = 0, deviation = 0;  // of all its values
  double least = 0, greatest = 0;
  double active = 0;       // share of its values above 0
  int64_t silent = 0;      // units without a value above 0
  int64_t not_finite = 0;  // values that are NaN or infinite; they count in nothing else
};

// value: [1,C,H,W] or [1,C].
LayerActivity layer_activity(const Tensor& value);

// The share of a map's values above 0.
double share_active(const FeatureMap& map);

// Any layer with units as a stage: [1,C,H,W], or [1,C] as maps of one position. Throws Error{usage} for another shape
// and for one that does not depend on the picture.
Stage stage_of(const Model& model, Value layer);

// The scores; of a network that scores no classes, its first output. Throws Error{usage} when it has none.
Value last_output(const Model& model);

// The stages of find_stages, also for a network that scores no classes: then those before its first output.
std::vector<Stage> stages_of(const Model& model, size_t most = 8);

}  // namespace fovea
