// tile: y[p] = x[p mod n] on every axis, n being x's size. The gradient is summed over the copies. Source: ONNX
// Tile-13.
#include "fovea/ops/tile.h"

#include "fovea/ops/input.h"
#include "fovea/ops/movement.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const auto repeats = in.ints(1, "the number of repeats");
  Shape to = in.shape(0);
  require(repeats.size() == to.size(), ErrorKind::shape, "{} repeats for {}", repeats.size(), to_string(to));
  for (size_t k = 0; k < to.size(); ++k) {
    require(repeats[k] >= 0 && repeats[k] < int64_t{1} << 40, ErrorKind::shape, "cannot repeat axis {} {} times", k,
            repeats[k]);
    require(is_sane({to[k], repeats[k]}, 1), ErrorKind::shape, "axis {} repeated {} times is too large", k, repeats[k]);
    to[k] *= repeats[k];
  }
  return Type{in.dtype(0), to};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const Shape from = d.shape(d.input(0)), to = d.shape(d.d_output());
  const auto repeats = d.graph.known(d.input(1))->to_ints();
  Shape apart;  // copies, size, copies, size, …
  Ints copies;
  for (size_t k = 0; k < from.size(); ++k) {
    copies.push_back(apart.rank());
    apart.push_back(repeats[k]);
    apart.push_back(from[k]);
  }
  if (copies.empty()) return {d.d_output(), {}};
  return {reduce(d.graph, reshape(d.graph, d.d_output(), apart), {.kind = "sum", .axes = copies}), {}};
}

void reference(const Call& call) {
  const Shape &from = call.inputs[0].shape(), &to = call.outputs[0].shape();
  const auto strides = from.strides();
  std::vector<AxisTable> tables;
  for (size_t k = 0; k < from.size(); ++k) {
    AxisTable table = stepped(to[k], 0, 1, 1);
    for (int64_t& entry : table) entry = entry % from[k] * strides[k];
    tables.push_back(std::move(table));
  }
  move_elements(call.inputs[0], call.outputs[0], tables);
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {2, 3, 5}}};
  return {{.name = "all", .inputs = {x, known_ints({2, 1, 3})}},
          {.name = "once", .inputs = {x, known_ints({1, 1, 1})}},
          {.name = "never", .inputs = {x, known_ints({1, 0, 2})}}};
}

}  // namespace

namespace ops {
const Op tile = {
    .name = "tile",
    .doc = "x repeated along its axes",
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value tile(Graph& graph, Value x, Value repeats) { return graph.add(ops::tile, {x, repeats}); }
Value tile(Graph& graph, Value x, const Ints& repeats) { return tile(graph, x, ints(graph, repeats)); }

}  // namespace fovea
