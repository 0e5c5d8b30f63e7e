#include "fovea/model/column.h"

#include <algorithm>
#include <map>

#include "fovea/base/error.h"
#include "fovea/model/zoo/fractalnet.h"
#include "fovea/transform/rewrite.h"

namespace fovea {

int64_t column_count(const Graph& graph) {
  int64_t most = 0;
  for (const FractalJoin& join : fractal_joins(graph)) most = std::max(most, join.columns.back());
  return most;
}

Model column_of(Model model, int64_t column) {
  const int64_t columns = column_count(model.graph);
  require(columns > 0, ErrorKind::usage, "{} is no fractal network of two or more columns, so it has no column to take",
          model.meaning.name);
  if (column == 0) column = columns;
  require(column >= 1 && column <= columns, ErrorKind::usage, "{} has no column {}, expected 1 to {}",
          model.meaning.name, column, columns);
  const std::vector<FractalJoin> joins = fractal_joins(model.graph);
  std::map<int, Value> passed;  // a join that the column goes through → the column's input of it
  for (const FractalJoin& join : joins)
    for (size_t k = 0; k < join.inputs.size(); ++k)
      if (join.columns[k] == column) passed[join.output.node] = join.inputs[k];

  // The joins are in the way of nothing else: outputs are found again by walking through them.
  std::vector<bool> keep(static_cast<size_t>(model.graph.size()), false);
  std::vector<int> open;
  const auto need = [&](Value v) {
    if (const auto found = passed.find(v.node); found != passed.end()) v = found->second;
    if (v && !keep[static_cast<size_t>(v.node)]) open.push_back(v.node), keep[static_cast<size_t>(v.node)] = true;
  };
  for (const NamedValue& output : model.graph.outputs) need(output.value);
  for (const Value v : model.graph.inputs()) need(v);
  while (!open.empty()) {
    const int index = open.back();
    open.pop_back();
    for (const Value v : model.graph.node(index).inputs)
      if (v) need(v);
  }
  Graph graph;
  Mapping map;
  map.map_.resize(static_cast<size_t>(model.graph.size()));
  const auto mapped = [&](Value v) {
    if (const auto found = passed.find(v.node); v && found != passed.end()) v = found->second;
    return map(v);
  };
  for (int i = 0; i < model.graph.size(); ++i) {
    const Node& node = model.graph.node(i);
    auto& images = map.map_[static_cast<size_t>(i)];
    images.resize(node.outputs.size());
    if (!keep[static_cast<size_t>(i)]) continue;
    std::vector<Value> inputs;
    for (const Value v : node.inputs) inputs.push_back(mapped(v));
    const Value copied = graph.add(*node.op, std::move(inputs), node.attributes, node.name, node.origin);
    for (size_t k = 0; k < images.size(); ++k) images[k] = {copied.node, static_cast<int>(k)};
  }
  for (const NamedValue& output : model.graph.outputs) graph.outputs.push_back({output.name, mapped(output.value)});
  model.graph = std::move(graph);
  std::erase_if(model.weights, [&](const auto& entry) { return model.graph.find(entry.first) < 0; });
  std::erase_if(model.meaning.aliases, [&](const auto& alias) { return model.graph.find(alias.second) < 0; });
  model.meaning.name += fmt::format("_column{}", column);
  model.meaning.architecture.clear();
  return model;
}

}  // namespace fovea
