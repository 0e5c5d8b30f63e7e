// Maps that share out the difference between the score of a picture and that of its baseline.
#pragma once

#include <span>

#include "fovea/insight/attribution.h"

namespace fovea {

// A signed map of these sums, one a position, settled, with what they leave of the difference as its facts: sum,
// score_difference, completeness_gap and, where there is a difference, relative_gap. `input`: the picture [1,C,H,W].
AttributionMap complete_map(std::string method, const Tensor& input, std::span<const double> sums, double difference);

}  // namespace fovea
