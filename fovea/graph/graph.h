// Graph: a pure description of a computation. Nodes stand in topological order, by index; there is no memory and no
// device here.
#pragma once

#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include "fovea/graph/attributes.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

struct Op;

// An edge: output `output` of node `node`. A default Value means "not given", as for optional inputs.
struct Value {
  int node = -1;
  int output = 0;
  explicit operator bool() const { return node >= 0; }
  auto operator<=>(const Value&) const = default;
};

// Element type and shape of a value. Always concrete: a model with free sizes is rebuilt for each choice of them (see
// respecialise).
struct Type {
  DType dtype = DType::f32;
  Shape shape;
  bool operator==(const Type&) const = default;
  size_t bytes() const { return static_cast<size_t>(shape.count()) * size_of(dtype); }
};
std::string to_string(const Type& type);  // "f32[1x3x224x224]"

struct Node {
  const Op* op = nullptr;
  std::vector<Value>
      inputs;  // each with a smaller node index than this node's; may be "not given" where the op allows it
  Attributes attributes;
  std::vector<Type> outputs;
  std::string name;    // unique in the graph; the source model's own name where it had one
  std::string origin;  // where it came from: "resnet18.onnx node 17"; may be empty
};

struct NamedValue {
  std::string name;
  Value value;
};

class Graph {
 public:
  // Appends a node, inferring its output types. An empty name becomes "<op>_<index>"; a taken one gets a suffix "_2",
  // "_3", …. Throws what op.infer throws, prefixed with op, node name and origin. Returns output 0; the others are
  // {result.node, k}.
  Value add(const Op& op, std::vector<Value> inputs, Attributes attributes = {}, std::string name = {},
            std::string origin = {});

  int size() const { return static_cast<int>(nodes_.size()); }
  const Node& node(int index) const { return nodes_[static_cast<size_t>(index)]; }
  const Node& node(Value value) const { return node(value.node); }
  const std::vector<Node>& nodes() const { return nodes_; }
  const Type& type(Value value) const;
  const Shape& shape(Value value) const { return type(value).shape; }
  DType dtype(Value value) const { return type(value).dtype; }

  // The value itself where it is already known while building: constants, shapes, and small tensors computed from
  // those. This is how shape arithmetic is resolved.
  const Tensor* known(Value value) const;

  // Node index by name, or -1. Names given with set_name included.
  int find(std::string_view name) const;
  void rename(int node, std::string name);
  // Says where a node came from.
  void set_origin(int node, std::string origin) { nodes_[static_cast<size_t>(node)].origin = std::move(origin); }

  // What the graph computes, by name, in order.
  std::vector<NamedValue> outputs;

  // The nodes of the op named "input" and "parameter", in order.
  std::vector<Value> inputs() const;
  std::vector<Value> parameters() const;

  // One line a node: "%7 conv1 = conv(%0, %1, %2) stride=2,2 : f32[1x64x112x112]".
  std::string text() const;
  // Graphviz.
  std::string dot() const;

 private:
  std::string unique_name(std::string name, const Op& op);
  std::vector<Node> nodes_;
  std::vector<std::vector<std::optional<Tensor>>> known_;
  std::unordered_map<std::string, int> by_name_;
};

// Checks every invariant (inputs exist and come earlier, types equal what infer says, names unique, outputs exist).
// Throws Error{internal} at the first breach. Run after every transform in tests.
void verify(const Graph& graph);

// For each node, whether any of `wants` depends on it.
std::vector<bool> reachable(const Graph& graph, std::span<const Value> wants);

// For each value, the (node, input position) pairs that use it: users[node][output].
struct Use {
  int node;
  int input;
};
std::vector<std::vector<std::vector<Use>>> uses(const Graph& graph);

// Copies `source` node by node into `target`, letting the caller replace any node. `replace(node index, mapped inputs)`
// returns the values standing for the node's outputs, or an empty vector for "copy it". Returns old value → new value
// lookups; outputs are not copied.
class Mapping {
 public:
  Value operator()(Value old) const {
    return old ? map_[static_cast<size_t>(old.node)][static_cast<size_t>(old.output)] : Value{};
  }
  std::vector<std::vector<Value>> map_;
};
using Replace = std::function<std::vector<Value>(int node, std::span<const Value> inputs)>;
Mapping copy(const Graph& source, Graph& target, const Replace& replace = {}, const std::vector<bool>* keep = nullptr);

}  // namespace fovea
