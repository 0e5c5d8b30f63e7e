#include "fovea/insight/unit_layers.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/insight/class_scores.h"
#include "fovea/insight/rules.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"

namespace fovea {

namespace {

bool has_units(const Graph& graph, Value v) {
  const Type& type = graph.type(v);
  return type.dtype == DType::f32 && (type.shape.rank() == 2 || type.shape.rank() == 4) && type.shape[1] > 0;
}

bool multiplies(const Node& node) {
  const std::string_view op = node.op->name;
  return op == "conv" || op == "conv_transpose" || op == "gemm" || op == "matmul" || op == "locally_connected";
}

}  // namespace

std::vector<Value> unit_layers(const Model& model) {
  const Graph& graph = model.graph;
  const bool scored = !model.meaning.scores.empty();
  const Value last = scored ? scores_before_softmax(graph, scores_output(model)) : graph.outputs.at(0).value;
  const std::vector<bool> needed = reachable(graph, std::vector<Value>{last});
  const std::vector<std::string>& rectifiers = rectifier_names();
  std::vector<Value> rectified, products;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (!needed[static_cast<size_t>(i)] || !has_units(graph, {i, 0})) continue;
    if (std::find(rectifiers.begin(), rectifiers.end(), node.op->name) != rectifiers.end()) rectified.push_back({i, 0});
    else if (multiplies(node)) products.push_back({i, 0});
  }
  std::vector<Value> layers = rectified.empty() ? products : rectified;
  // The scores stand for the product that they come from.
  if (scored && has_units(graph, last) && (layers.empty() || layers.back() != last)) layers.push_back(last);
  require(!layers.empty(), ErrorKind::usage, "{}: it has no layer with units", model.meaning.name);
  return layers;
}

std::vector<std::string> layer_synonyms(const Model& model, Value layer) {
  const Graph& graph = model.graph;
  const std::vector<std::vector<std::string>> others = other_names(model);
  std::vector<std::string> names = others[static_cast<size_t>(layer.node)];
  for (Value v = layer; v;) {
    const Node& node = graph.node(v);
    if (multiplies(node)) {
      if (v != layer) {
        names.push_back(node.name);
        const std::vector<std::string>& own = others[static_cast<size_t>(v.node)];
        names.insert(names.end(), own.begin(), own.end());
      }
      break;
    }
    const bool one_way = !node.inputs.empty() && node.inputs[0] && node.op->name != std::string_view("concat") &&
                         graph.shape(node.inputs[0]) == node.outputs[0].shape;
    if (!one_way) break;
    v = node.inputs[0];
  }
  return names;
}

}  // namespace fovea
