// Which paths of a fractal network live in a training step.
#pragma once

#include <vector>

#include "fovea/base/rng.h"
#include "fovea/graph/graph.h"
#include "fovea/train/recipe.h"
#include "fovea/transform/drop_path.h"

namespace fovea {

// The joins of a fractal network, and which columns meet in them.
struct FractalPaths {
  std::vector<PathJoin> joins;
  std::vector<std::vector<int64_t>> columns;  // [join][input], from 1, the shallowest
  int64_t deepest = 1;
};

// Throws Error{usage} when the graph has no joins, that is, is no fractal network of two or more columns.
FractalPaths fractal_paths(const Graph& graph);

// One draw: local drops each input of each join with how.rate, and where all are dropped keeps one of them, each as
// likely; global keeps one column, each as likely; mixed does either, each as likely. Equal keys, equal draws. Throws
// Error{usage} for another kind or a rate outside of 0..1. Source: Larsson, Maire & Shakhnarovich, "FractalNet", ICLR
// 2017, section 3.
KeptPaths draw_paths(const FractalPaths& paths, const DropPath& how, Rng rng);

// One column alone; joins that it does not pass keep nothing. Throws Error{usage} for a column that there is not.
KeptPaths only_column(const FractalPaths& paths, int64_t column);

}  // namespace fovea
