// one_hot: y[o, k, r] = on where k = indices[o, r], off elsewhere. Negative indices count from the end; those outside
// of [-depth, depth) are off everywhere. Source: ONNX OneHot-11.
#include "fovea/ops/one_hot.h"

#include "fovea/ops/movement.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.shape(1).count() == 1 && in.shape(2) == Shape{2}, ErrorKind::shape,
          "depth is {} and values are {}, expected one number and two", to_string(in.shape(1)), to_string(in.shape(2)));
  const int64_t depth =
      is_float(in.dtype(1)) ? static_cast<int64_t>(in.doubles(1, "the depth")[0]) : in.ints(1, "the depth")[0];
  require(depth >= 0 && is_sane({depth}, 1), ErrorKind::shape, "depth is {}", depth);
  Shape to = in.shape(0);
  const int64_t axis = normal_axis(in.as<OneHotAttributes>().axis, to.rank() + 1, "one_hot");
  to.insert(to.begin() + axis, depth);
  return Type{in.dtype(2), to};
}

void reference(const Call& call) {
  const Shape& to = call.outputs[0].shape();
  const int64_t axis = normal_axis(call.as<OneHotAttributes>().axis, to.rank(), "one_hot");
  const int64_t depth = to[static_cast<size_t>(axis)], inner = to.count(axis + 1, to.rank());
  const Tensor indices = call.inputs[0].cast(DType::i64);
  const auto at = indices.data<int64_t>();
  dispatch(call.inputs[2].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T off = call.inputs[2].data<T>()[0], on = call.inputs[2].data<T>()[1];
    const auto y = call.outputs[0].data<T>();
    std::fill(y.begin(), y.end(), off);
    for (int64_t i = 0; i < indices.count(); ++i) {
      int64_t index = at[static_cast<size_t>(i)];
      if (index < 0) index += depth;
      if (index >= 0 && index < depth) y[static_cast<size_t>((i / inner * depth + index) * inner + i % inner)] = on;
    }
  });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const int64_t axis : {-1, 0, 1})
    result.push_back(
        {.name = "odd",
         .inputs = {{.type = {DType::i64, {3, 4}}, .low = -7, .high = 7}, known_ints({5}), {.type = {DType::f32, {2}}}},
         .attributes = OneHotAttributes{axis}});
  return result;
}

}  // namespace

namespace ops {
const Op one_hot = {
    .name = "one_hot",
    .doc = "on at the index, off elsewhere",
    .attributes = &OneHotAttributes::info,
    .infer = infer,
    .no_gradient = "it depends on integers; its two values are taken as constants",
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
};
}

Value one_hot(Graph& graph, Value indices, Value depth, Value values, int64_t axis) {
  return graph.add(ops::one_hot, {indices, depth, values}, OneHotAttributes{axis});
}

}  // namespace fovea
