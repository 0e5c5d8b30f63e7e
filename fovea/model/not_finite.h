// Why a network's answers are no numbers.
#pragma once

#include <string>

#include "fovea/model/model.h"

namespace fovea {

// The first weight, by name, with an element that is NaN or infinite; "" when there is none.
std::string not_finite_weight(const Model& model);

// What stands behind "… is not finite: " in a message: that weight, or that no weight is to blame and what may be then.
std::string why_not_finite(const Model& model);

}  // namespace fovea
