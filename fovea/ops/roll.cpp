// roll: y[p] = x[(p - shift) mod n] along the axes named. The gradient is rolled back. Source: numpy.roll.
#include "fovea/ops/roll.h"

#include "fovea/ops/movement.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const auto& a = in.as<RollAttributes>();
  require(a.shifts.size() == a.axes.size(), ErrorKind::shape, "{} shifts for {} axes", a.shifts.size(), a.axes.size());
  for (const int64_t axis : a.axes) normal_axis(axis, in.shape(0).rank(), "roll");
  return in.type(0);
}

std::vector<Value> differentiate(const Differentiation& d) {
  const auto& a = d.as<RollAttributes>();
  Ints back;
  for (const int64_t shift : a.shifts) back.push_back(-shift);
  return {roll(d.graph, d.d_output(), back, a.axes)};
}

void reference(const Call& call) {
  const auto& a = call.as<RollAttributes>();
  const Shape& shape = call.outputs[0].shape();
  const auto strides = shape.strides();
  std::vector<AxisTable> tables;
  for (size_t k = 0; k < shape.size(); ++k) {
    int64_t shift = 0;
    for (size_t i = 0; i < a.axes.size(); ++i)
      if (static_cast<size_t>(normal_axis(a.axes[i], shape.rank(), "roll")) == k && shape[k] > 0)
        shift = (shift + a.shifts[i] % shape[k]) % shape[k];
    AxisTable table = stepped(shape[k], -shift, 1, 1);
    for (int64_t& entry : table) entry = (entry % shape[k] + shape[k]) % shape[k] * strides[k];
    tables.push_back(std::move(table));
  }
  move_elements(call.inputs[0], call.outputs[0], tables);
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {2, 3, 4, 5}}};
  return {{.name = "both", .inputs = {x}, .attributes = RollAttributes{{1, -2}, {2, 3}}},
          {.name = "far", .inputs = {x}, .attributes = RollAttributes{{13}, {-1}}},
          {.name = "twice", .inputs = {x}, .attributes = RollAttributes{{1, 1}, {3, 3}}}};
}

}  // namespace

namespace ops {
const Op roll = {
    .name = "roll",
    .doc = "x shifted cyclically along axes",
    .attributes = &RollAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value roll(Graph& graph, Value x, Ints shifts, Ints axes) {
  return graph.add(ops::roll, {x}, RollAttributes{std::move(shifts), std::move(axes)});
}

}  // namespace fovea
