// pad: positions added before and after each axis; negative pads crop. constant: one value; reflect: … 2 1 [0 1 2] 1 0
// …, repeated as often as needed; symmetric: … 1 0 [0 1 2] 2 1 …, so that a window that moves over it touches every
// element equally often; edge: 0 0 [0 1 2] 2 2; wrap: 1 2 [0 1 2] 0 1. The gradient of constant padding is
// cropped; that of the other modes adds what stands at the added positions to the elements they repeat. Source: ONNX
// Pad-19; numpy.pad.
#include "fovea/ops/pad.h"

#include <algorithm>

#include "fovea/ops/input.h"
#include "fovea/ops/movement.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scatter_add.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

struct Pads {
  Ints begin, end;  // one an axis
};

Pads spread(const Shape& shape, const std::vector<int64_t>& pads, const std::vector<int64_t>* axes) {
  const size_t n = axes ? axes->size() : shape.size();
  require(pads.size() == 2 * n, ErrorKind::shape, "{} pads for {} axes of {}", pads.size(), n, to_string(shape));
  Pads result{Ints(std::vector<int64_t>(shape.size(), 0)), Ints(std::vector<int64_t>(shape.size(), 0))};
  for (size_t i = 0; i < n; ++i) {
    const auto axis =
        static_cast<size_t>(axes ? normal_axis((*axes)[i], shape.rank(), "pad") : static_cast<int64_t>(i));
    constexpr int64_t limit = int64_t{1} << 40;
    require(
        std::max({pads[i], pads[n + i], -pads[i], -pads[n + i]}) < limit && pads[i] > -limit && pads[n + i] > -limit,
        ErrorKind::shape, "pads {} and {} are too large", pads[i], pads[n + i]);
    result.begin[axis] = pads[i];
    result.end[axis] = pads[n + i];
  }
  return result;
}

// Position in [0, size) that output position p repeats, or kOutside.
int64_t source(const std::string& mode, int64_t at, int64_t size) {
  if (at >= 0 && at < size) return at;
  if (mode == "constant") return kOutside;
  if (mode == "edge") return std::clamp<int64_t>(at, 0, size - 1);
  const int64_t period = mode == "wrap" ? size : mode == "symmetric" ? 2 * size : std::max<int64_t>(1, 2 * (size - 1));
  const int64_t rest = ((at % period) + period) % period;
  if (rest < size) return rest;
  return mode == "symmetric" ? period - 1 - rest : period - rest;
}

Inferred infer(const Inference& in) {
  const std::string& mode = in.as<PadAttributes>().mode;
  require(mode == "constant" || mode == "reflect" || mode == "symmetric" || mode == "edge" || mode == "wrap",
          ErrorKind::usage, "mode is '{}', expected constant, reflect, symmetric, edge or wrap", mode);
  const Shape& from = in.shape(0);
  const std::vector<int64_t> axes = in.has(3) ? in.ints(3, "the axes to pad") : std::vector<int64_t>{};
  const Pads pads = spread(from, in.ints(1, "the padding"), in.has(3) ? &axes : nullptr);
  if (in.has(2))
    require(in.shape(2).count() == 1 && in.dtype(2) == in.dtype(0), ErrorKind::shape,
            "the value is {}, expected one {}", to_string(in.type(2)), to_string(in.dtype(0)));
  Shape to;
  for (size_t k = 0; k < from.size(); ++k) {
    to.push_back(from[k] + pads.begin[k] + pads.end[k]);
    require(to[k] >= 0, ErrorKind::shape, "pads of {} and {} crop more than axis {} of {}", pads.begin[k], pads.end[k],
            k, to_string(from));
    require(mode == "constant" || from[k] > 0 || to[k] == 0, ErrorKind::shape, "axis {} of {} has nothing to repeat", k,
            to_string(from));
  }
  return Type{in.dtype(0), to};
}

Pads pads_of(const Differentiation& d) {
  const std::vector<int64_t> axes = d.input(3) ? d.graph.known(d.input(3))->to_ints() : std::vector<int64_t>{};
  return spread(d.shape(d.input(0)), d.graph.known(d.input(1))->to_ints(), d.input(3) ? &axes : nullptr);
}

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const std::string& mode = d.as<PadAttributes>().mode;
  const Pads pads = pads_of(d);
  const Shape shape = d.shape(d.input(0));
  std::vector<Value> result(d.node.inputs.size());
  if (mode == "constant") {
    Ints begin, end;
    for (const int64_t p : pads.begin) begin.push_back(-p);
    for (const int64_t p : pads.end) end.push_back(-p);
    result[0] = pad(g, d.d_output(), begin, end);
    if (d.input(2) && d.wanted[2])
      result[2] = reshape(g, sub(g, reduce(g, d.d_output()), reduce(g, result[0])), d.shape(d.input(2)));
    return result;
  }
  Value sum = d.d_output();
  for (size_t k = 0; k < shape.size(); ++k) {
    if (pads.begin[k] == 0 && pads.end[k] == 0) continue;
    std::vector<int64_t> indices;
    for (int64_t p = 0; p < shape[k] + pads.begin[k] + pads.end[k]; ++p)
      indices.push_back(source(mode, p - pads.begin[k], shape[k]));
    sum = scatter_add(g, sum, ints(g, indices), {.axis = static_cast<int64_t>(k), .size = shape[k]});
  }
  result[0] = sum;
  return result;
}

void reference(const Call& call) {
  const Shape &from = call.inputs[0].shape(), &to = call.outputs[0].shape();
  const std::vector<int64_t> axes = call.has(3) ? call.inputs[3].to_ints() : std::vector<int64_t>{};
  const Pads pads = spread(from, call.inputs[1].to_ints(), call.has(3) ? &axes : nullptr);
  const auto strides = from.strides();
  std::vector<AxisTable> tables;
  for (size_t k = 0; k < from.size(); ++k) {
    AxisTable table = stepped(to[k], -pads.begin[k], 1, 1);
    for (int64_t& entry : table) {
      entry = source(call.as<PadAttributes>().mode, entry, from[k]);
      if (entry != kOutside) entry *= strides[k];
    }
    tables.push_back(std::move(table));
  }
  move_elements(call.inputs[0], call.outputs[0], tables, call.has(2) ? call.inputs[2].raw() : nullptr);
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {2, 3, 4, 5}}}, value{.type = {DType::f32, {}}}, none{.given = false};
  std::vector<Case> result;
  for (const std::string mode : {"constant", "reflect", "symmetric", "edge", "wrap"}) {
    const PadAttributes a{mode};
    result.push_back({.name = mode, .inputs = {x, known_ints({0, 0, 1, 2, 0, 1, 0, 3})}, .attributes = a});
    result.push_back({.name = mode + "_crop", .inputs = {x, known_ints({0, 1, -1, 2, 0, 0, 1, -2})}, .attributes = a});
    result.push_back(
        {.name = mode + "_far", .inputs = {{.type = {DType::f32, {3}}}, known_ints({8, 7})}, .attributes = a});
    result.push_back(
        {.name = mode + "_axes", .inputs = {x, known_ints({1, 2, 0, 1}), none, known_ints({-1, 1})}, .attributes = a});
  }
  result.push_back(
      {.name = "value", .inputs = {x, known_ints({0, 0, 1, 2, 0, 1, 0, 3}), value}, .attributes = PadAttributes{}});
  result.push_back({.name = "one_reflected",
                    .inputs = {{.type = {DType::f32, {1}}}, known_ints({2, 2})},
                    .attributes = PadAttributes{"reflect"}});
  return result;
}

}  // namespace

namespace ops {
const Op pad = {
    .name = "pad",
    .doc = "x with positions added before and after each axis",
    .attributes = &PadAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
};
}

Value pad(Graph& graph, Value x, Value pads, Value value, Value axes, PadAttributes attributes) {
  std::vector<Value> inputs{x, pads};
  if (value || axes) inputs.push_back(value);
  if (axes) inputs.push_back(axes);
  return graph.add(ops::pad, std::move(inputs), std::move(attributes));
}

Value pad(Graph& graph, Value x, const Ints& begins, const Ints& ends, PadAttributes attributes, double value) {
  std::vector<int64_t> all(begins);
  all.insert(all.end(), ends.begin(), ends.end());
  const Value pads = ints(graph, all);
  return pad(graph, x, pads, value == 0 ? Value{} : scalar(graph, value, graph.dtype(x)), {}, std::move(attributes));
}

}  // namespace fovea
