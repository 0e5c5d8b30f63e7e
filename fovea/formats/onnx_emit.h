// What the functions that write single operators to ONNX work with.
#pragma once

#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "fovea/formats/onnx_tensor.h"
#include "fovea/graph/op.h"

namespace fovea {

// An ONNX node under construction; setters return it, so that they chain.
class OnnxEmitted {
 public:
  OnnxEmitted(onnx::NodeProto& node) : node_(node) {}  // NOLINT
  OnnxEmitted& integer(std::string_view name, int64_t value);
  OnnxEmitted& real(std::string_view name, double value);
  OnnxEmitted& text(std::string_view name, std::string_view value);
  OnnxEmitted& ints(std::string_view name, const Ints& values);
  OnnxEmitted& tensor(std::string_view name, const Tensor& value);
  const std::string& output(int k = 0) const { return node_.output(k); }

 private:
  onnx::NodeProto& node_;
};

// One node of ours being written: its operands' names, its outputs' names, and a place to put ONNX nodes.
class OnnxEmission {
 public:
  OnnxEmission(const Graph& from, int index, onnx::GraphProto& to, const std::vector<std::vector<std::string>>& names,
               std::unordered_set<std::string>& taken, std::vector<bool> used)
      : graph(from),
        node(from.node(index)),
        names_(names),
        taken_(taken),
        to_(to),
        index_(index),
        used_(std::move(used)) {}

  const Graph& graph;
  const Node& node;

  bool has(size_t i) const { return i < node.inputs.size() && node.inputs[i]; }
  // Name of an operand; empty when it is not given.
  std::string in(size_t i) const;
  std::vector<std::string> all() const;
  const Type& type(size_t i) const { return graph.type(node.inputs[i]); }
  const Shape& shape(size_t i) const { return type(i).shape; }
  const std::string& out(size_t k = 0) const;
  // Whether anybody reads output k.
  bool wants(size_t k) const { return used_[k]; }
  template <class T>
  const T& as() const {
    return node.attributes.as<T>();
  }

  // The last ONNX node of a composition, whose outputs are this node's; `outputs` of them.
  OnnxEmitted final(std::string_view op, std::vector<std::string> inputs, int outputs = 1);
  // A node before it, with one output of a name of its own.
  OnnxEmitted step(std::string_view op, std::vector<std::string> inputs, int outputs = 1);
  // One that computes the given output.
  OnnxEmitted named(std::string_view op, std::vector<std::string> inputs, std::vector<std::string> outputs);
  std::string constant(const Tensor& value);
  std::string ints(const std::vector<int64_t>& values) { return constant(Tensor::ints(values)); }
  std::string number(double value, DType dtype) { return constant(Tensor::full(dtype, {}, value)); }
  // Throws Error{unsupported}: this node cannot be written, and why.
  [[noreturn]] void refuse(std::string_view why) const;
  std::string fresh(std::string_view stem);

 private:
  const std::vector<std::vector<std::string>>& names_;
  std::unordered_set<std::string>& taken_;
  onnx::GraphProto& to_;
  int index_;
  std::vector<bool> used_;  // by output
};

using OnnxEmit = void (*)(OnnxEmission&);
struct OnnxEmitter {
  std::string_view op;  // ours
  OnnxEmit emit;
};

std::span<const OnnxEmitter> onnx_simple_emitters();
std::span<const OnnxEmitter> onnx_network_emitters();
std::span<const OnnxEmitter> onnx_shape_emitters();

// Null when there is none.
const OnnxEmitter* find_onnx_emitter(std::string_view op);

}  // namespace fovea
