// Units that never answer.
#pragma once

#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/compile/program.h"
#include "fovea/model/model.h"

namespace fovea {

// One layer of rectified units.
struct UnitActivity {
  int node = -1;
  std::string name;
  int64_t units = 0;
  std::vector<int64_t> silent;  // no positive value anywhere on the first picture
  std::vector<int64_t> dead;    // nor on any of the others
  double active = 0;            // share of positive values on the first picture
};

// Runs the network on the inputs [1,C,H,W] and looks at every ReLU (and its relatives).
std::vector<UnitActivity> unit_activity(const Model& model, const std::vector<Tensor>& inputs, Backend& backend,
                                        const CompileOptions& options = {});

// An input, its mirror image, its negative, and noise of the same range: what a unit that answers to none of them is
// very likely dead to.
std::vector<Tensor> probes(const Tensor& input, uint64_t seed);

}  // namespace fovea
