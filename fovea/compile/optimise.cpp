#include "fovea/compile/optimise.h"

namespace fovea {

namespace {

// Everything that must survive: wants, carried sources, carried destinations.
std::vector<Value> roots(const Optimised& work) {
  std::vector<Value> all = work.wants;
  for (const Carry& carry : work.carry) {
    all.push_back(carry.from);
    all.push_back(carry.to);
  }
  return all;
}

void take(Optimised& work, Rewritten rewritten) {
  for (Value& want : work.wants) want = rewritten.map(want);
  for (Carry& carry : work.carry) carry = {rewritten.map(carry.from), rewritten.map(carry.to)};
  work.graph = std::move(rewritten.graph);
}

}  // namespace

Optimised optimise(const Graph& graph, std::span<const Value> wants, Weights weights, const CompileOptions& options) {
  Optimised work{graph, {wants.begin(), wants.end()}, options.carry, std::move(weights)};
  std::set<std::string> variable;  // parameters that change from run to run
  for (const Carry& carry : options.carry) variable.insert(graph.node(carry.to).name);
  take(work, eliminate_dead_code(work.graph, roots(work)));
  if (options.level >= 1) {
    take(work, simplify(work.graph, roots(work)));
    take(work, fold_batch_norm(work.graph, roots(work), work.weights, variable));
    take(work, eliminate_common_subexpressions(work.graph, roots(work)));
  }
  if (options.level >= 2) {
    take(work, fuse_batch_norm_training(work.graph, roots(work)));
    take(work, fuse(work.graph, roots(work)));
  }
  if (options.level >= 1) take(work, fold_constants(work.graph, roots(work), work.weights, variable));
  take(work, eliminate_dead_code(work.graph, roots(work)));
  if (options.group) take(work, hoist_sums(work.graph));
  std::erase_if(work.weights, [&](const auto& entry) { return work.graph.find(entry.first) < 0; });
  return work;
}

}  // namespace fovea
