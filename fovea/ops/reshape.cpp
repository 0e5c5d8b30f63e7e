// reshape: the same elements in row-major order under another shape. A size of -1 is inferred; a size of 0 copies the
// input's unless allow_zero. Source: ONNX Reshape-14.
#include "fovea/ops/reshape.h"

#include "fovea/ops/input.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const Shape& from = in.shape(0);
  Shape to = in.ints(1, "the new shape");
  int64_t rest = -1;
  for (size_t k = 0; k < to.size(); ++k) {
    if (to[k] == 0 && !in.as<ReshapeAttributes>().allow_zero) {
      require(k < from.size(), ErrorKind::shape, "size 0 at axis {} has no input axis to copy, input is {}", k,
              to_string(from));
      to[k] = from[k];
    }
    if (to[k] == -1) {
      require(rest < 0, ErrorKind::shape, "more than one size is -1 in {}", to_string(to));
      rest = static_cast<int64_t>(k);
    } else {
      require(to[k] >= 0, ErrorKind::shape, "negative size in {}", to_string(to));
    }
  }
  if (rest >= 0) {
    to[static_cast<size_t>(rest)] = 1;
    require(is_sane(to, 1), ErrorKind::shape, "shape {} is too large", to_string(to));
    const int64_t others = to.count();
    require(others > 0 && from.count() % others == 0, ErrorKind::shape,
            "{} elements do not fill {} with a -1 at axis {}", from.count(), to_string(to), rest);
    to[static_cast<size_t>(rest)] = from.count() / others;
  }
  require(is_sane(to, 1) && to.count() == from.count(), ErrorKind::shape, "cannot reshape {} to {}", to_string(from),
          to_string(to));
  return Type{in.dtype(0), to};
}

std::vector<Value> differentiate(const Differentiation& d) {
  return {reshape(d.graph, d.d_output(), d.shape(d.input(0))), {}};
}

void reference(const Call& call) {
  if (call.inputs[0].bytes() > 0) std::memcpy(call.outputs[0].raw(), call.inputs[0].raw(), call.inputs[0].bytes());
}

std::vector<Case> cases() {
  auto to = [](std::vector<int64_t> shape) {
    return Case::Input{.type = {DType::i64, {static_cast<int64_t>(shape.size())}},
                       .value = Tensor::ints(shape),
                       .differentiate = false};
  };
  const Case::Input x{.type = {DType::f32, {2, 3, 4}}};
  return {{.name = "infer", .inputs = {x, to({4, -1})}, .attributes = ReshapeAttributes{}},
          {.name = "copy", .inputs = {x, to({0, 12})}, .attributes = ReshapeAttributes{}},
          {.name = "extend", .inputs = {x, to({1, 2, 3, 2, 2})}, .attributes = ReshapeAttributes{.allow_zero = true}}};
}

Cost cost(const Node&, std::span<const Type>) { return {}; }

}  // namespace

namespace ops {
const Op reshape = {.name = "reshape",
                    .doc = "the same elements under another shape",
                    .attributes = &ReshapeAttributes::info,
                    .infer = infer,
                    .gradient = differentiate,
                    .reference = reference,
                    .cases = cases,
                    .cost = cost,
                    .zero_in_zero_out = 1};
}

Value reshape(Graph& graph, Value x, Value shape, ReshapeAttributes attributes) {
  return graph.add(ops::reshape, {x, shape}, attributes);
}

Value reshape(Graph& graph, Value x, const Shape& shape) {
  if (graph.shape(x) == shape) return x;
  return reshape(graph, x, ints(graph, shape), {.allow_zero = true});
}

}  // namespace fovea
