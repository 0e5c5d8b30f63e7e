// Source: Larsson, Maire & Shakhnarovich, "FractalNet: ultra-deep neural networks without residuals", ICLR 2017,
// section 3: local sampling with rate 0.15, global sampling of a column, half of the batches each.
#include "fovea/train/drop_path.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/model/zoo/fractalnet.h"

namespace fovea {

namespace {

KeptPaths local(const FractalPaths& paths, double rate, Rng rng) {
  KeptPaths kept;
  for (size_t j = 0; j < paths.joins.size(); ++j) {
    const Rng own = rng.fork(j);
    const size_t count = paths.joins[j].inputs.size();
    std::vector<bool>& inputs = kept.emplace_back();
    for (size_t k = 0; k < count; ++k) inputs.push_back(own.uniform_double(k) >= rate);
    if (std::none_of(inputs.begin(), inputs.end(), [](bool alive) { return alive; }))
      inputs[own.fork("survivor").below(0, count)] = true;
  }
  return kept;
}

}  // namespace

FractalPaths fractal_paths(const Graph& graph) {
  FractalPaths paths;
  for (const FractalJoin& join : fractal_joins(graph)) {
    paths.joins.push_back({graph.node(join.output).name, join.output, join.inputs});
    paths.columns.push_back(join.columns);
    paths.deepest = std::max(paths.deepest, join.columns.back());
  }
  require(!paths.joins.empty(), ErrorKind::usage,
          "dropping paths needs a fractal network of two or more columns, as fractalnet_cifar; this one has no joins");
  return paths;
}

KeptPaths only_column(const FractalPaths& paths, int64_t column) {
  require(column >= 1 && column <= paths.deepest, ErrorKind::usage, "there is no column {}, expected 1 to {}", column,
          paths.deepest);
  KeptPaths kept;
  for (const std::vector<int64_t>& columns : paths.columns) {
    std::vector<bool>& inputs = kept.emplace_back();
    for (const int64_t c : columns) inputs.push_back(c == column);
  }
  return kept;
}

KeptPaths draw_paths(const FractalPaths& paths, const DropPath& how, Rng rng) {
  const std::vector<std::string> kinds = {"local", "global", "mixed"};
  require(std::find(kinds.begin(), kinds.end(), how.kind) != kinds.end(), ErrorKind::usage,
          "there is no drop-path \"{}\"; known: none, local, global, mixed{}", how.kind, did_you_mean(how.kind, kinds));
  require(how.rate >= 0 && how.rate <= 1, ErrorKind::usage, "paths are dropped with rate {}, expected 0 to 1",
          how.rate);
  const bool global = how.kind == "global" || (how.kind == "mixed" && rng.fork("kind").below(0, 2) == 1);
  if (!global) return local(paths, how.rate, rng.fork("local"));
  return only_column(paths,
                     1 + static_cast<int64_t>(rng.fork("column").below(0, static_cast<uint64_t>(paths.deepest))));
}

}  // namespace fovea
