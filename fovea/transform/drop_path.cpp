// join(x_1 … x_n) = Σ_k d_k x_k / Σ_k d_k,  d_k ∈ {0, 1}, not all 0
// Source: Larsson, Maire & Shakhnarovich, "FractalNet: ultra-deep neural networks without residuals", ICLR 2017,
// section 3. One factor a join, not one an input: a single survivor is passed on unchanged, to the bit.
#include "fovea/transform/drop_path.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/ops/add.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"

namespace fovea {

namespace {

std::string path_name(const PathJoin& join, size_t k) { return fmt::format("alive {}.{}", join.name, k); }
std::string share_name(const PathJoin& join) { return "share of " + join.name; }

// The joins met first on all ways back from a value.
std::vector<int> joins_before(const Graph& graph, Value from, const std::map<int, int>& join_at) {
  std::vector<bool> seen(static_cast<size_t>(graph.size()), false);
  std::vector<int> open{from.node}, found;
  seen[static_cast<size_t>(from.node)] = true;
  while (!open.empty()) {
    const int index = open.back();
    open.pop_back();
    if (const auto join = join_at.find(index); join != join_at.end()) {
      found.push_back(join->second);
      continue;
    }
    for (const Value v : graph.node(index).inputs) {
      if (!v || seen[static_cast<size_t>(v.node)]) continue;
      seen[static_cast<size_t>(v.node)] = true;
      open.push_back(v.node);
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

// The inputs that a join's form for training is fed, in front of the graph.
struct JoinInputs {
  std::vector<Value> alive;
  Value share;
};

PathPlan plan_of(const Graph& graph, std::span<const Value> wants, std::span<const PathJoin> joins,
                 const std::map<int, int>& join_at) {
  PathPlan plan;
  plan.joins.assign(joins.begin(), joins.end());
  if (!joins.empty()) plan.dtype = graph.dtype(joins[0].output);
  for (const PathJoin& join : joins) {
    require(!join.inputs.empty(), ErrorKind::usage, "the join \"{}\" has no inputs", join.name);
    auto& before = plan.before.emplace_back();
    for (const Value v : join.inputs) before.push_back(joins_before(graph, v, join_at));
  }
  for (const Value want : wants)
    for (const int j : joins_before(graph, want, join_at))
      if (std::find(plan.last.begin(), plan.last.end(), j) == plan.last.end()) plan.last.push_back(j);
  return plan;
}

JoinInputs inputs_for(Graph& graph, const PathJoin& join, DType dtype) {
  JoinInputs inputs;
  for (size_t k = 0; k < join.inputs.size(); ++k)
    inputs.alive.push_back(input(graph, path_name(join, k), {DType::boolean, {}}));
  inputs.share = input(graph, share_name(join), {dtype, {}});
  return inputs;
}

}  // namespace

DroppingGraph drop_paths(const Graph& graph, std::span<const Value> wants, std::span<const PathJoin> joins) {
  DroppingGraph result;
  std::map<int, int> join_at;
  for (size_t j = 0; j < joins.size(); ++j) join_at[joins[j].output.node] = static_cast<int>(j);
  result.plan = plan_of(graph, wants, joins, join_at);
  Rewritten whole;
  std::vector<JoinInputs> fed;
  for (const PathJoin& join : joins) fed.push_back(inputs_for(whole.graph, join, graph.dtype(join.output)));

  // The sums of the joins themselves are never needed again; dead code takes them away.
  Rewritten& rewritten = result.rewritten;
  Mapping& map = rewritten.map;
  map.map_.resize(static_cast<size_t>(graph.size()));
  std::vector<Value> latest(static_cast<size_t>(graph.size()));  // output 0 of each node that was copied
  const auto mapped = [&](Value v) { return Value{latest[static_cast<size_t>(v.node)].node, v.output}; };
  const Replace replace = [&](int index, std::span<const Value> inputs) -> std::vector<Value> {
    const Node& node = graph.node(index);
    const auto found = join_at.find(index);
    if (found == join_at.end()) {
      const Value copied =
          whole.graph.add(*node.op, {inputs.begin(), inputs.end()}, node.attributes, node.name, node.origin);
      latest[static_cast<size_t>(index)] = copied;
      std::vector<Value> all;
      for (size_t k = 0; k < node.outputs.size(); ++k) all.push_back({copied.node, static_cast<int>(k)});
      return all;
    }
    const auto j = static_cast<size_t>(found->second);
    Value sum;
    for (size_t k = 0; k < joins[j].inputs.size(); ++k) {
      const Value x = gate(whole.graph, mapped(joins[j].inputs[k]), fed[j].alive[k]);
      sum = sum ? add(whole.graph, sum, x) : x;
    }
    const Value y = whole.graph.add(ops::mul, {sum, fed[j].share}, {}, node.name, node.origin);
    latest[static_cast<size_t>(index)] = y;
    return {y};
  };
  rewrite(graph, wants, replace, whole);
  std::vector<Value> kept;
  for (const Value want : wants) kept.push_back(whole.map(want));
  Rewritten lean = eliminate_dead_code(whole.graph, kept);
  for (size_t i = 0; i < whole.map.map_.size(); ++i) {
    for (const Value v : whole.map.map_[i]) map.map_[i].push_back(lean.map(v));
  }
  rewritten.graph = std::move(lean.graph);
  return result;
}

std::map<std::string, Tensor> path_feeds(const PathPlan& plan, const KeptPaths& kept) {
  require(kept.size() == plan.joins.size(), ErrorKind::usage, "paths of {} joins, expected {}", kept.size(),
          plan.joins.size());
  std::vector<bool> needed(plan.joins.size(), false);
  for (const int j : plan.last) needed[static_cast<size_t>(j)] = true;
  std::map<std::string, Tensor> feeds;
  // Joins stand in the order of the graph: a later one is never made into an earlier one.
  for (size_t j = plan.joins.size(); j-- > 0;) {
    const PathJoin& join = plan.joins[j];
    require(kept[j].size() == join.inputs.size(), ErrorKind::usage, "the join {} has {} inputs, {} are given",
            join.name, join.inputs.size(), kept[j].size());
    const auto count = std::count(kept[j].begin(), kept[j].end(), true);
    require(count > 0 || !needed[j], ErrorKind::usage, "the join {} keeps none of its inputs", join.name);
    for (size_t k = 0; k < join.inputs.size(); ++k) {
      const bool alive = needed[j] && kept[j][k];
      feeds[path_name(join, k)] = Tensor::scalar<bool>(alive);
      if (alive)
        for (const int earlier : plan.before[j][k]) needed[static_cast<size_t>(earlier)] = true;
    }
    feeds[share_name(join)] = Tensor::full(plan.dtype, {}, 1.0 / static_cast<double>(std::max<int64_t>(count, 1)));
  }
  return feeds;
}

}  // namespace fovea
