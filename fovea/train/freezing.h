// Which parts of a network stay as they are while the rest is trained.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

struct Frozen {
  std::set<std::string, std::less<>> parameters;  // that get no gradient
  std::set<std::string, std::less<>> norms;       // batch norms that keep their statistics, and use them
};

// What the patterns freeze. A pattern fits a parameter by its name ("layer1.0.conv1.weight"), or all parameters of a
// layer by any of the layer's names ("layer1.*", "conv1_1"). A batch norm is frozen with all of its parameters. Throws
// Error{usage} for a pattern that fits nothing with parameters, naming the nearest.
Frozen frozen_by(const Model& model, const std::vector<std::string>& patterns);

}  // namespace fovea
