// What the functions that write single operators as layers of Caffe work with.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "caffe.pb.h"
#include "fovea/model/model.h"

namespace fovea {

// The network being written.
struct CaffeWriting {
  const Graph& graph;
  const Weights& weights;
  caffe::NetParameter network;                         // layers with their blobs
  std::vector<std::vector<std::string>> blobs;         // names by node and output
  std::vector<std::vector<std::vector<Use>>> readers;  // by node and output
  std::vector<bool> merged;                            // nodes that the layer of a later node will say
  std::set<std::string> taken;                         // names of layers and blobs
};

// One node of ours being written.
class CaffeEmission {
 public:
  CaffeEmission(CaffeWriting& to, int node_index)
      : graph(to.graph), node(to.graph.node(node_index)), to_(to), index_(node_index) {}

  const Graph& graph;
  const Node& node;

  bool has(size_t i) const { return i < node.inputs.size() && node.inputs[i]; }
  const Shape& shape(size_t i = 0) const { return graph.shape(node.inputs[i]); }
  const Shape& result(size_t k = 0) const { return node.outputs[k].shape; }
  template <class T>
  const T& as() const {
    return node.attributes.as<T>();
  }
  // The numbers of an operand that no run changes: a weight or constant, also reshaped; in f32 and the operand's shape.
  std::optional<Tensor> numbers(Value value) const;
  std::optional<Tensor> numbers(size_t i) const { return has(i) ? numbers(node.inputs[i]) : std::nullopt; }
  // The same, refusing the node when it depends on the picture.
  Tensor fixed(size_t i, std::string_view what) const;
  // Name of the blob of an operand that depends on the picture.
  std::string blob(Value value) const;
  // A layer of this type with the node's name that reads these operands and writes the node's outputs.
  caffe::LayerParameter& layer(std::string_view type, const std::vector<Value>& bottoms);
  caffe::LayerParameter& layer(std::string_view type) { return layer(type, {node.inputs[0]}); }
  // A layer before it, with a name and a blob of its own; `bottom` and the result are names of blobs.
  caffe::LayerParameter& step(std::string_view type, const std::string& name, const std::string& bottom);
  // The node that computes an operand when nobody else reads it and it is of the op named; else null. merge() then
  // leaves it to this layer.
  const Node* only(Value value, std::string_view op) const;
  void merge(Value value) { to_.merged[static_cast<size_t>(value.node)] = true; }
  std::string fresh(const std::string& name);
  // Throws Error{unsupported}: this node cannot be written, and why.
  [[noreturn]] void refuse(std::string_view why) const;

 private:
  CaffeWriting& to_;
  int index_;
};

void add_blob(caffe::LayerParameter& layer, const Tensor& numbers);

using CaffeEmit = void (*)(CaffeEmission&);
struct CaffeEmitter {
  std::string_view op;  // ours
  CaffeEmit emit;
};
std::span<const CaffeEmitter> caffe_window_emitters();
std::span<const CaffeEmitter> caffe_simple_emitters();
// Null when Caffe has no layer for it.
const CaffeEmitter* find_caffe_emitter(std::string_view op);

}  // namespace fovea
