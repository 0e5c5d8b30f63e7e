// One node of an ONNX file while it is being turned into ours: its inputs, attributes and version.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/formats/onnx_tensor.h"
#include "fovea/graph/graph.h"

namespace fovea {

// What an operator's lowering is given. Attributes that it does not ask for are refused afterwards: none is silently
// ignored.
class OnnxNode {
 public:
  OnnxNode(Graph& to, const onnx::NodeProto& node, int64_t version, std::vector<Value> values,
           const TensorSource& tensors)
      : graph(to), proto(node), opset(version), inputs(std::move(values)), source_(tensors) {}

  Graph& graph;
  const onnx::NodeProto& proto;
  const int64_t opset;
  std::vector<Value> inputs;  // not given where left empty

  bool has(size_t i) const { return i < inputs.size() && inputs[i]; }
  // Throws Error{format} when the input is not given.
  Value in(size_t i) const;
  Value maybe(size_t i) const { return has(i) ? inputs[i] : Value{}; }
  const Shape& shape(size_t i) const { return graph.shape(in(i)); }
  int64_t rank(size_t i) const { return shape(i).rank(); }
  DType dtype(size_t i) const { return graph.dtype(in(i)); }
  // Whether output k is named: somebody may read it.
  bool wants(int k) const { return k < proto.output_size() && !proto.output(k).empty(); }

  // Elements of an input that must be known while building. Throw Error{unsupported} saying that `what` is a run-time
  // value.
  std::vector<int64_t> known_ints(size_t i, std::string_view what) const;
  std::vector<double> known_doubles(size_t i, std::string_view what) const;
  const Tensor& known(size_t i, std::string_view what) const;

  // Attributes, with what is meant when they are left out.
  bool has_attribute(std::string_view name) const;
  int64_t integer(std::string_view name, int64_t otherwise);
  double real(std::string_view name, double otherwise);
  std::string text(std::string_view name, std::string_view otherwise);
  Ints ints(std::string_view name);
  std::vector<double> reals(std::string_view name);
  Tensor tensor(std::string_view name);
  bool flag(std::string_view name, bool otherwise) { return integer(name, otherwise ? 1 : 0) != 0; }
  // For attributes that change nothing in inference.
  void ignore(std::string_view name) { asked_.emplace(name); }
  // Integers given by an attribute in old versions and by input i in new ones; empty where neither is given.
  Ints ints_or_input(std::string_view attribute, size_t i);
  // Throws Error{unsupported} for an attribute that was not asked for.
  void check_attributes() const;

  // An axis in [0, rank) or, with `end`, in [0, rank].
  int64_t axis(int64_t value, int64_t rank, bool end = false) const;

 private:
  const onnx::AttributeProto* find(std::string_view name, int type);
  const TensorSource& source_;
  std::set<std::string, std::less<>> asked_;
};

// The values of the outputs, in order; may be shorter than the node's list where the rest is not used.
using OnnxLowering = std::vector<Value> (*)(OnnxNode&);

struct OnnxOperator {
  std::string_view name;
  OnnxLowering lower;
};

// The tables, one a family of operators.
std::span<const OnnxOperator> onnx_elementwise_operators();
std::span<const OnnxOperator> onnx_network_operators();
std::span<const OnnxOperator> onnx_pool_operators();
std::span<const OnnxOperator> onnx_normalise_operators();
std::span<const OnnxOperator> onnx_reduce_operators();
std::span<const OnnxOperator> onnx_shape_operators();
std::span<const OnnxOperator> onnx_resize_operators();

// Null when the operator is not known.
const OnnxOperator* find_onnx_operator(std::string_view name);

}  // namespace fovea
