// Networks whose columns meet in joins, some of which are left out in training.
#pragma once

#include <map>
#include <span>
#include <string>
#include <vector>

#include "fovea/transform/rewrite.h"

namespace fovea {

// A place where columns meet.
struct PathJoin {
  std::string name;
  Value output;               // the mean of the inputs
  std::vector<Value> inputs;  // all of one type
};

// Which inputs of each join are kept: kept[join][input].
using KeptPaths = std::vector<std::vector<bool>>;

// What has to be known of the joins to feed the graph.
struct PathPlan {
  std::vector<PathJoin> joins;                        // of the old graph
  std::vector<std::vector<std::vector<int>>> before;  // [join][input]: the joins whose outputs it is made from
  std::vector<int> last;                              // the joins that `wants` are made from, through no other join
  DType dtype = DType::f32;                           // of the shares
};

struct DroppingGraph {
  Rewritten rewritten;
  PathPlan plan;
};

// The graph with each join's output replaced by share · Σ (input where kept): a boolean input "alive <join>.<k>" (k
// from 0) for each of its inputs, and one number "share of <join>", of the inputs' type. Joins are given in the graph's
// order. An input that is left out is not computed, nor what only it needs, forward or backward. With everything kept
// it is the same network. Throws Error{usage} for a join without inputs.
DroppingGraph drop_paths(const Graph& graph, std::span<const Value> wants, std::span<const PathJoin> joins);

// What the graph is fed so that exactly these paths live: share = 1 / the number kept. An input is alive where it is
// kept and its join's output is needed by a join that lives, or by the wants. Throws Error{usage} when the sizes do not
// fit, or a join that is needed keeps nothing.
std::map<std::string, Tensor> path_feeds(const PathPlan& plan, const KeptPaths& kept);

}  // namespace fovea
