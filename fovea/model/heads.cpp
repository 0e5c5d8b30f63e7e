// From the scores backwards, a layer with weights is looked for through nodes that keep classes apart. Its weight's
// axis of outputs gets another size, as do biases on the way and the targets of reshapes; every shape is then inferred
// anew.
#include "fovea/model/heads.h"

#include <algorithm>
#include <map>

#include "fovea/base/error.h"
#include "fovea/model/initialise.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"
#include "fovea/ops/reshape.h"
#include "fovea/transform/rewrite.h"

namespace fovea {

namespace {

// One layer that makes scores, and what lies between it and them.
struct ScoresLayer {
  int layer = -1;
  size_t axis = 0;         // of its weight: the outputs
  int64_t classes = 0;     // so far
  std::vector<int> after;  // nodes from the layer to the scores, the layer included
};

bool is_parameter(const Graph& graph, Value v) { return v && graph.node(v).op == &ops::parameter; }

// The parameter behind a weight that is only turned or reshaped (CNTK keeps 16,4,4,10 for a 256,10); `turns` are the
// nodes between, if asked for. Not given where there is none.
Value parameter_behind(const Graph& graph, Value v, std::vector<int>* turns = nullptr) {
  static constexpr std::string_view kTurns[] = {"reshape", "transpose", "flatten", "squeeze", "unsqueeze", "identity"};
  while (v && !is_parameter(graph, v)) {
    const Node& node = graph.node(v);
    if (std::find(std::begin(kTurns), std::end(kTurns), node.op->name) == std::end(kTurns)) return {};
    if (turns) turns->push_back(v.node);
    v = node.inputs[0];
  }
  return v;
}

// Which axis of the weight (input 1) counts outputs, for a layer whose weight is a parameter; −1: it is no such layer.
int axis_of_outputs(const Graph& graph, const Node& node) {
  if (node.inputs.size() < 2 || !parameter_behind(graph, node.inputs[1])) return -1;
  const auto rank = static_cast<int>(graph.shape(node.inputs[1]).rank());
  if (node.op == &ops::conv) return 0;
  if (node.op == &ops::gemm) return node.attributes.as<GemmAttributes>().trans_b ? 0 : 1;
  return node.op == &ops::matmul && rank == 2 ? 1 : -1;
}

// The input that a node without weights takes its classes from; not given where it mixes several, or knows none.
Value classes_from(const Graph& graph, const Node& node) {
  Value result;
  for (const Value v : node.inputs) {
    if (!v || parameter_behind(graph, v) || graph.known(v)) continue;
    if (result) return {};
    result = v;
  }
  return result;
}

ScoresLayer layer_of(const Graph& graph, const std::string& output, Value at) {
  ScoresLayer found;
  const Value scores = at;
  while (true) {
    require(static_cast<bool>(at), ErrorKind::unsupported,
            "output \"{}\": no single convolution or matrix product makes it, so it cannot get a new one", output);
    const Node& node = graph.node(at);
    found.after.push_back(at.node);
    const int axis = axis_of_outputs(graph, node);
    if (axis >= 0) {
      found.layer = at.node;
      found.axis = static_cast<size_t>(axis);
      found.classes = graph.shape(node.inputs[1])[found.axis];
      break;
    }
    const Value next = classes_from(graph, node);
    require(static_cast<bool>(next), ErrorKind::unsupported,
            "output \"{}\" comes from {} \"{}\", expected a convolution or a matrix product with weights before it",
            output, node.op->name, node.name);
    at = next;
  }
  const Shape& shape = graph.shape(scores);
  require(std::find(shape.begin(), shape.end(), found.classes) != shape.end(), ErrorKind::unsupported,
          "output \"{}\" is {}, but \"{}\", the last layer with weights, makes {} channels", output, to_string(shape),
          graph.node(found.layer).name, found.classes);
  return found;
}

// What changes in the graph: parameters with their new shapes, which are used as they are from now on, not turned;
// reshapes with the count of classes that they name.
struct Change {
  std::map<int, Shape> parameters;
  std::vector<int> turns;
  std::map<int, int64_t> reshapes;
};

void note(const Graph& graph, const ScoresLayer& head, int64_t classes, Change& change) {
  const auto users = uses(graph);
  for (const int index : head.after) {
    const Node& node = graph.node(index);
    if (node.op == &ops::reshape) change.reshapes[index] = head.classes;
    for (size_t k = 0; k < node.inputs.size(); ++k) {
      const Value v = node.inputs[k];
      const Value parameter = parameter_behind(graph, v);
      if (!parameter) continue;
      parameter_behind(graph, v, &change.turns);
      require(users[static_cast<size_t>(parameter.node)][0].size() == 1, ErrorKind::unsupported,
              "\"{}\" is the weight of several layers, so that \"{}\" cannot get another one",
              graph.node(parameter).name, node.name);
      Shape shape = graph.shape(v);
      if (index == head.layer && k == 1) shape[head.axis] = classes;
      else std::replace(shape.begin(), shape.end(), head.classes, classes);  // a bias, a scale
      change.parameters[parameter.node] = shape;
    }
  }
}

Value resized(Graph& to, const Graph& from, const Node& node, std::span<const Value> inputs, int64_t before,
              int64_t classes) {
  const Tensor* target = from.known(node.inputs[1]);
  require(target != nullptr, ErrorKind::unsupported, "reshape \"{}\" to a shape known at run time only", node.name);
  std::vector<int64_t> sizes;
  for (int64_t i = 0; i < target->count(); ++i) {
    const auto size = static_cast<int64_t>(target->at(i));
    sizes.push_back(size == before ? classes : size);
  }
  return to.add(ops::reshape, {inputs[0], ints(to, sizes)}, node.attributes, node.name, node.origin);
}

std::vector<Value> outputs_of(const Graph& graph) {
  std::vector<Value> values;
  for (const NamedValue& output : graph.outputs) values.push_back(output.value);
  return values;
}

Graph changed(const Graph& graph, const Change& change, int64_t classes) {
  Rewritten result;
  const Replace replace = [&](int index, std::span<const Value> inputs) -> std::vector<Value> {
    const Node& node = graph.node(index);
    if (const auto found = change.parameters.find(index); found != change.parameters.end())
      return {parameter(result.graph, node.name, {node.outputs[0].dtype, found->second})};
    if (std::find(change.turns.begin(), change.turns.end(), index) != change.turns.end()) return {inputs[0]};
    if (const auto found = change.reshapes.find(index); found != change.reshapes.end())
      return {resized(result.graph, graph, node, inputs, found->second, classes)};
    return {};
  };
  rewrite(graph, outputs_of(graph), replace, result);
  return std::move(result.graph);
}

// Weights for the changed parameters alone: drawn on a graph of the layers that use them, which take inputs instead of
// the network before them.
Weights drawn(const Graph& graph, const Change& change, uint64_t seed) {
  Graph small;
  std::map<Value, Value> at;
  const std::vector<std::vector<std::vector<Use>>> users = uses(graph);
  std::vector<int> nodes;
  for (const Value p : graph.parameters()) {
    if (!change.parameters.contains(p.node)) continue;
    for (const Use& use : users[static_cast<size_t>(p.node)][0]) nodes.push_back(use.node);
  }
  std::sort(nodes.begin(), nodes.end());
  nodes.erase(std::unique(nodes.begin(), nodes.end()), nodes.end());
  for (const int index : nodes) {
    const Node& node = graph.node(index);
    std::vector<Value> inputs;
    for (const Value v : node.inputs) {
      if (v && !at.contains(v)) {
        const Type& type = graph.type(v);
        at[v] = is_parameter(graph, v) ? parameter(small, graph.node(v).name, type)
                                       : input(small, fmt::format("value {}", at.size()), type);
      }
      inputs.push_back(v ? at[v] : Value{});
    }
    at[{index, 0}] = small.add(*node.op, inputs, node.attributes, node.name);
  }
  return initial_weights(small, seed);
}

void keep_used_weights(Model& model) {
  std::erase_if(model.weights, [&](const auto& entry) { return model.graph.find(entry.first) < 0; });
}

}  // namespace

std::vector<std::string> auxiliary_outputs(const Graph& graph) {
  std::vector<std::string> names;
  for (const NamedValue& output : graph.outputs) {
    const std::string_view name = output.name;
    if (name.starts_with("aux") && name.size() > 3 && name.find_first_not_of("0123456789", 3) == std::string_view::npos)
      names.push_back(output.name);
  }
  return names;
}

Model with_new_head(Model model, int64_t classes, std::vector<std::string> names, uint64_t seed) {
  require(classes >= 1 && classes <= int64_t{1} << 24, ErrorKind::usage, "a head for {} classes, expected 1 or more",
          classes);
  require(names.empty() || static_cast<int64_t>(names.size()) == classes, ErrorKind::usage, "{} names for {} classes",
          names.size(), classes);
  require(!model.meaning.scores.empty(), ErrorKind::usage, "{} has no output of scores, so it has no head",
          model.meaning.name);
  const std::vector<std::string> heads = auxiliary_outputs(model.graph);
  Change change;
  for (const NamedValue& output : model.graph.outputs)
    if (output.name == model.meaning.scores || std::find(heads.begin(), heads.end(), output.name) != heads.end())
      note(model.graph, layer_of(model.graph, output.name, output.value), classes, change);
  std::vector<std::string> fresh;
  for (const auto& [index, shape] : change.parameters) fresh.push_back(model.graph.node(index).name);
  Graph graph = changed(model.graph, change, classes);
  Change now;  // the same parameters, by their new indices
  for (const std::string& name : fresh) now.parameters[graph.find(name)] = {};
  for (auto& [name, tensor] : drawn(graph, now, seed)) model.weights[name] = tensor;
  model.graph = std::move(graph);
  keep_used_weights(model);
  model.meaning.classes = std::move(names);
  return model;
}

Model without_heads(Model model) {
  const std::vector<std::string> heads = auxiliary_outputs(model.graph);
  if (heads.empty()) return model;
  std::erase_if(model.graph.outputs,
                [&](const NamedValue& o) { return std::find(heads.begin(), heads.end(), o.name) != heads.end(); });
  model.graph = eliminate_dead_code(model.graph, outputs_of(model.graph)).graph;
  keep_used_weights(model);
  return model;
}

}  // namespace fovea
