// Op: the constant record that says what an operator means. One operator, one file under fovea/ops; one line in
// fovea/ops/list.cpp.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/graph/graph.h"

namespace fovea {

// What `infer` sees. The one place where shapes and types are checked.
struct Inference {
  std::span<const Value> inputs;
  std::span<const Type* const> types;    // null where an optional input is not given
  std::span<const Tensor* const> known;  // the value itself where it is known at build time, else null
  const Attributes& attributes;

  size_t count() const { return types.size(); }
  bool has(size_t i) const { return i < types.size() && types[i] != nullptr; }
  // Throw Error{shape} naming the input's position when it is not given.
  const Type& type(size_t i) const;
  const Shape& shape(size_t i) const { return type(i).shape; }
  DType dtype(size_t i) const { return type(i).dtype; }
  // The integers of an input that must be known at build time (a shape, axes, starts). Throws Error{unsupported} saying
  // that `what` is a run-time value.
  std::vector<int64_t> ints(size_t i, std::string_view what) const;
  std::vector<double> doubles(size_t i, std::string_view what) const;
  template <class T>
  const T& as() const {
    return attributes.as<T>();
  }
};

struct Inferred {
  std::vector<Type> types;
  std::vector<std::optional<Tensor>> known = {};   // only where the op alone knows the value (`shape`); usually empty
  Inferred(Type type) : types{std::move(type)} {}  // NOLINT
  Inferred(std::vector<Type> all) : types(std::move(all)) {}  // NOLINT
};

// What `reference` sees: whole tensors, plain layout. Outputs are allocated with the inferred types and filled with
// garbage.
struct Call {
  const Node& node;
  std::span<const Tensor> inputs;  // an empty (0 element f32) tensor where an optional input is not given: check has(i)
  std::span<Tensor> outputs;
  bool has(size_t i) const { return i < node.inputs.size() && static_cast<bool>(node.inputs[i]); }
  template <class T>
  const T& as() const {
    return node.attributes.as<T>();
  }
};

// What `gradient` sees. It appends nodes to the graph and returns one Value an input (not given: no gradient flows
// there). References to nodes die when the graph grows: `node` is a copy.
struct Differentiation {
  Graph& graph;
  Node node;                         // a copy of the node being differentiated
  std::span<const Value> outputs;    // its output values
  std::span<const Value> d_outputs;  // gradient of the loss w.r.t. each output; not given where nothing depends on it
  std::vector<bool> wanted;          // which inputs' gradients are asked for; others may be left not given
  Value input(size_t i) const { return i < node.inputs.size() ? node.inputs[i] : Value{}; }
  Value d_output(size_t i = 0) const { return d_outputs[i]; }
  const Shape& shape(Value v) const { return graph.shape(v); }
  template <class T>
  const T& as() const {
    return node.attributes.as<T>();
  }
};

// Work of one node.
struct Cost {
  double flops = 0;  // floating-point operations; a multiply-add counts 2
  double macs = 0;   // multiply-adds of convolutions and matrix products, as networks are quoted; 0 for everything else
};

// One conformance case: attributes and input types. Inputs are drawn at random; see `range` and `integers`.
struct Case {
  struct Input {
    Type type;
    double low = -1, high = 1;         // uniform range of the random values
    std::optional<Tensor> value = {};  // a given value: built as a constant (known while building)
    bool distinct = false;      // values all different and well apart (max pooling, sorting: no ties near a kink)
    bool differentiate = true;  // false for inputs such as indices
    bool given = true;          // false: optional input not given
    double kink = 1e30;         // keep random values at least 0.02 away from this point and its negative
  };
  std::string name;
  std::vector<Input> inputs;
  Attributes attributes = {};
  double tolerance = 1;  // multiplies the derived tolerance; above 1 needs a reason in a comment
  bool gradient = true;  // false: values only (the gradient is checked by other cases)
};

using InferFunction = Inferred (*)(const Inference&);
using GradientFunction = std::vector<Value> (*)(const Differentiation&);
using ReferenceFunction = void (*)(const Call&);

struct Op {
  std::string_view name;  // snake_case, unique
  std::string_view doc;   // one sentence with the formula; the file's header says the rest
  const AttributesInfo& (*attributes)() = &NoAttributes::info;
  InferFunction infer = nullptr;
  GradientFunction gradient = nullptr;
  std::string_view no_gradient = {};  // the reason, when gradient is null
  ReferenceFunction reference = nullptr;
  std::vector<Case> (*cases)() = nullptr;
  Cost (*cost)(const Node& node, std::span<const Type> inputs) = nullptr;  // null: one flop an output element
  // The fused op's meaning as a composition of others, for transforms and tests; null for primitive ops.
  std::vector<Value> (*decompose)(Graph&, const Node&, std::span<const Value> inputs) = nullptr;
  // Inputs for which a zero tensor makes every output zero whatever the others are (used to skip gated steps), as bits.
  uint32_t zero_in_zero_out = 0;
  bool elementwise = false;  // output i depends on the inputs' elements i only and shapes are equal: layouts pass
                             // through, may run in place
};

}  // namespace fovea
