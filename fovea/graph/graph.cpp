#include "fovea/graph/graph.h"

#include <algorithm>

#include "fovea/graph/op.h"

namespace fovea {

namespace {

// Values larger than this are never computed while building.
constexpr int64_t kKnownLimit = 1 << 14;

std::string where(const Op& op, const std::string& name, const std::string& origin) {
  return origin.empty() ? fmt::format("{} \"{}\"", op.name, name)
                        : fmt::format("{} \"{}\" ({})", op.name, name, origin);
}

}  // namespace

std::string to_string(const Type& type) { return fmt::format("{}[{}]", to_string(type.dtype), to_string(type.shape)); }

std::string Graph::unique_name(std::string name, const Op& op) {
  if (name.empty()) name = fmt::format("{}_{}", op.name, nodes_.size());
  if (!by_name_.contains(name)) return name;
  for (int suffix = 2;; ++suffix) {
    std::string candidate = fmt::format("{}_{}", name, suffix);
    if (!by_name_.contains(candidate)) return candidate;
  }
}

Value Graph::add(const Op& op, std::vector<Value> inputs, Attributes attributes, std::string name, std::string origin) {
  name = unique_name(std::move(name), op);
  require(&attributes.info() == &op.attributes(), ErrorKind::internal, "{} takes {}, got {}", op.name,
          op.attributes().name, attributes.info().name);
  std::vector<const Type*> types;
  std::vector<const Tensor*> values;
  bool all_known = !inputs.empty();
  for (const Value input : inputs) {
    require(input.node < size() && (!input || input.output < static_cast<int>(node(input).outputs.size())),
            ErrorKind::internal, "{}: input %{}:{} does not exist", where(op, name, origin), input.node, input.output);
    types.push_back(input ? &type(input) : nullptr);
    values.push_back(input ? known(input) : nullptr);
    if (input && !values.back()) all_known = false;
  }
  Node node{&op, std::move(inputs), std::move(attributes), {}, std::move(name), std::move(origin)};
  std::vector<std::optional<Tensor>> known;
  try {
    Inferred inferred = op.infer({node.inputs, types, values, node.attributes});
    for (const Type& t : inferred.types)
      require(is_sane(t.shape, size_of(t.dtype)), ErrorKind::shape, "output shape {} is negative or too large",
              to_string(t.shape));
    node.outputs = std::move(inferred.types);
    known = std::move(inferred.known);
    known.resize(node.outputs.size());
    bool small = true;
    for (const Type& t : node.outputs) small = small && t.shape.count() <= kKnownLimit;
    if (all_known && small && op.reference) {
      std::vector<Tensor> given;
      for (const Tensor* value : values) given.push_back(value ? *value : Tensor());
      std::vector<Tensor> results;
      for (const Type& t : node.outputs) results.emplace_back(t.dtype, t.shape);
      op.reference({node, given, results});
      for (size_t i = 0; i < results.size(); ++i) known[i] = std::move(results[i]);
    }
  } catch (const Error& error) { throw error.within(where(op, node.name, node.origin)); }
  by_name_[node.name] = size();
  nodes_.push_back(std::move(node));
  known_.push_back(std::move(known));
  return {size() - 1, 0};
}

const Type& Graph::type(Value value) const { return node(value).outputs[static_cast<size_t>(value.output)]; }

const Tensor* Graph::known(Value value) const {
  const auto& found = known_[static_cast<size_t>(value.node)][static_cast<size_t>(value.output)];
  return found ? &*found : nullptr;
}

int Graph::find(std::string_view name) const {
  const auto found = by_name_.find(std::string(name));
  return found == by_name_.end() ? -1 : found->second;
}

void Graph::rename(int index, std::string name) {
  Node& renamed = nodes_[static_cast<size_t>(index)];
  if (renamed.name == name) return;
  by_name_.erase(renamed.name);
  renamed.name = unique_name(std::move(name), *renamed.op);
  by_name_[renamed.name] = index;
}

std::vector<Value> Graph::inputs() const {
  std::vector<Value> result;
  for (int i = 0; i < size(); ++i)
    if (node(i).op->name == "input") result.push_back({i, 0});
  return result;
}

std::vector<Value> Graph::parameters() const {
  std::vector<Value> result;
  for (int i = 0; i < size(); ++i)
    if (node(i).op->name == "parameter") result.push_back({i, 0});
  return result;
}

std::string Graph::text() const {
  std::string result;
  for (int i = 0; i < size(); ++i) {
    const Node& n = node(i);
    std::vector<std::string> arguments, types;
    for (const Value input : n.inputs)
      arguments.push_back(!input         ? "-"
                          : input.output ? fmt::format("%{}:{}", input.node, input.output)
                                         : fmt::format("%{}", input.node));
    for (const Type& t : n.outputs) types.push_back(to_string(t));
    const std::string attributes = n.attributes.text();
    result += fmt::format("%{} \"{}\" = {}({}){}{} : {}\n", i, n.name, n.op->name, fmt::join(arguments, ", "),
                          attributes.empty() ? "" : " ", attributes, fmt::join(types, ", "));
  }
  for (const NamedValue& output : outputs)
    result += fmt::format("output \"{}\" = %{}:{}\n", output.name, output.value.node, output.value.output);
  return result;
}

std::string Graph::dot() const {
  std::string result = "digraph {\n  node [shape=box, fontname=\"sans-serif\"];\n";
  for (int i = 0; i < size(); ++i) {
    const Node& n = node(i);
    std::string label =
        fmt::format("{}\\n{}\\n{}", n.name, n.op->name, n.outputs.empty() ? "" : to_string(n.outputs[0]));
    std::replace(label.begin(), label.end(), '"', '\'');
    result += fmt::format("  n{} [label=\"{}\"];\n", i, label);
    for (const Value input : n.inputs)
      if (input) result += fmt::format("  n{} -> n{};\n", input.node, i);
  }
  return result + "}\n";
}

void verify(const Graph& graph) {
  for (int i = 0; i < graph.size(); ++i) {
    const Node& n = graph.node(i);
    std::vector<const Type*> types;
    std::vector<const Tensor*> known;
    for (const Value input : n.inputs) {
      require(input.node < i && (!input || input.output < static_cast<int>(graph.node(input).outputs.size())),
              ErrorKind::internal, "node %{} \"{}\": input %{}:{} does not come before it", i, n.name, input.node,
              input.output);
      types.push_back(input ? &graph.type(input) : nullptr);
      known.push_back(input ? graph.known(input) : nullptr);
    }
    require(graph.find(n.name) == i, ErrorKind::internal, "node %{}: the name \"{}\" is not unique", i, n.name);
    require(n.op->infer({n.inputs, types, known, n.attributes}).types == n.outputs, ErrorKind::internal,
            "node %{} \"{}\": stored types differ from inferred ones", i, n.name);
  }
  for (const NamedValue& output : graph.outputs)
    require(output.value && output.value.node < graph.size(), ErrorKind::internal, "output \"{}\" does not exist",
            output.name);
}

std::vector<bool> reachable(const Graph& graph, std::span<const Value> wants) {
  std::vector<bool> result(static_cast<size_t>(graph.size()), false);
  for (const Value want : wants)
    if (want) result[static_cast<size_t>(want.node)] = true;
  for (int i = graph.size(); i-- > 0;)
    if (result[static_cast<size_t>(i)])
      for (const Value input : graph.node(i).inputs)
        if (input) result[static_cast<size_t>(input.node)] = true;
  return result;
}

std::vector<std::vector<std::vector<Use>>> uses(const Graph& graph) {
  std::vector<std::vector<std::vector<Use>>> result(static_cast<size_t>(graph.size()));
  for (int i = 0; i < graph.size(); ++i) {
    const Node& n = graph.node(i);
    result[static_cast<size_t>(i)].resize(n.outputs.size());
    for (size_t k = 0; k < n.inputs.size(); ++k)
      if (n.inputs[k])
        result[static_cast<size_t>(n.inputs[k].node)][static_cast<size_t>(n.inputs[k].output)].push_back(
            {i, static_cast<int>(k)});
  }
  return result;
}

Mapping copy(const Graph& source, Graph& target, const Replace& replace, const std::vector<bool>* keep) {
  Mapping mapping;
  mapping.map_.resize(static_cast<size_t>(source.size()));
  for (int i = 0; i < source.size(); ++i) {
    const Node& n = source.node(i);
    auto& images = mapping.map_[static_cast<size_t>(i)];
    images.resize(n.outputs.size());
    if (keep && !(*keep)[static_cast<size_t>(i)]) continue;
    std::vector<Value> inputs;
    for (const Value input : n.inputs) inputs.push_back(mapping(input));
    if (replace) {
      std::vector<Value> replaced = replace(i, inputs);
      if (!replaced.empty()) {
        replaced.resize(n.outputs.size());
        images = std::move(replaced);
        continue;
      }
    }
    const Value copied = target.add(*n.op, std::move(inputs), n.attributes, n.name, n.origin);
    for (size_t k = 0; k < images.size(); ++k) images[k] = {copied.node, static_cast<int>(k)};
  }
  return mapping;
}

}  // namespace fovea
