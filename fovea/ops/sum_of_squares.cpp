// sum_of_squares: y = Σ_t Σ_i x_t[i]². Gradient: dx_t = 2 d x_t.
// Source: the norm of torch.nn.utils.clip_grad_norm_; Pascanu, Mikolov & Bengio, "On the difficulty of training
// recurrent neural networks", ICML 2013, algorithm 1.
#include "fovea/ops/sum_of_squares.h"

#include "fovea/ops/mul.h"
#include "fovea/ops/scale.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.count() > 0, ErrorKind::shape, "expected one tensor at least");
  for (size_t i = 0; i < in.count(); ++i) {
    require(in.dtype(i) == DType::f32 || in.dtype(i) == DType::f64, ErrorKind::type, "computes in f32; tensor {} is {}",
            i, to_string(in.type(i)));
    require(in.dtype(i) == in.dtype(0), ErrorKind::type, "tensors of {} and {} together", to_string(in.dtype(0)),
            to_string(in.dtype(i)));
  }
  return Type{in.dtype(0), {}};
}

std::vector<Value> differentiate(const Differentiation& d) {
  std::vector<Value> result;
  for (size_t i = 0; i < d.node.inputs.size(); ++i)
    result.push_back(d.wanted[i] ? mul(d.graph, d.input(i), scale(d.graph, d.d_output(), 2)) : Value{});
  return result;
}

void reference(const Call& call) {
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    double sum = 0;
    for (const Tensor& x : call.inputs)
      for (const T value : x.data<T>()) sum += static_cast<double>(value) * static_cast<double>(value);
    call.outputs[0].data<T>()[0] = static_cast<T>(sum);
  });
}

std::vector<Case> cases() {
  const auto of = [](const Shape& shape) { return Case::Input{.type = {DType::f32, shape}}; };
  return {{.name = "one", .inputs = {of({5, 7})}},
          {.name = "several", .inputs = {of({16, 3, 5, 5}), of({1}), of({33, 3, 3, 3})}},
          {.name = "long", .inputs = {of({20000}), of({40})}}};
}

Cost cost(const Node&, std::span<const Type> in) {
  double elements = 0;
  for (const Type& type : in) elements += static_cast<double>(type.shape.count());
  return {.flops = 2 * elements};
}

}  // namespace

namespace ops {
const Op sum_of_squares = {.name = "sum_of_squares",
                           .doc = "the sum of the squares of all elements of all inputs",
                           .infer = infer,
                           .gradient = differentiate,
                           .reference = reference,
                           .cases = cases,
                           .cost = cost};
}

Value sum_of_squares(Graph& graph, std::span<const Value> tensors) {
  return graph.add(ops::sum_of_squares, {tensors.begin(), tensors.end()});
}

}  // namespace fovea
