// slice: y[p] = x[start + p · step] along the axes named. Starts and ends below 0 count from the end; then they are
// clamped to [0, n], or to [0, n - 1] and [-1, n - 1] for a negative step. The gradient is padded with zeros; spread
// out where a step is not 1 (ops/spread.cpp).
// Source: ONNX Slice-13.
#include "fovea/ops/slice.h"

#include <algorithm>

#include "fovea/ops/input.h"
#include "fovea/ops/movement.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/spread.h"

namespace fovea {

namespace {

struct Cut {
  int64_t start = 0, step = 1, count = 0;
};

Cut cut_axis(int64_t size, int64_t start, int64_t end, int64_t step) {
  if (start < 0) start += size;
  if (end < 0) end += size;
  step = std::clamp(step, -size - 1, size + 1);  // a longer one takes the first element only, all the same
  if (step > 0) {
    start = std::clamp<int64_t>(start, 0, size);
    end = std::clamp<int64_t>(end, 0, size);
    return {start, step, std::max<int64_t>(0, (end - start + step - 1) / step)};
  }
  start = std::clamp<int64_t>(start, -1, size - 1);
  end = std::clamp<int64_t>(end, -1, size - 1);
  return {start, step, std::max<int64_t>(0, (start - end - step - 1) / -step)};
}

using Lists = std::vector<std::vector<int64_t>>;  // starts, ends, axes, steps; the last two may be empty

std::vector<Cut> cuts(const Shape& shape, const Lists& lists) {
  const auto &starts = lists[0], &ends = lists[1], &axes = lists[2], &steps = lists[3];
  const size_t n = starts.size();
  require(ends.size() == n && (axes.empty() || axes.size() == n) && (steps.empty() || steps.size() == n) &&
              n <= shape.size(),
          ErrorKind::shape, "{} starts, {} ends, {} axes and {} steps for {}", n, ends.size(), axes.size(),
          steps.size(), to_string(shape));
  std::vector<Cut> result;
  for (const int64_t size : shape) result.push_back({0, 1, size});
  std::vector<bool> seen(shape.size(), false);
  for (size_t i = 0; i < n; ++i) {
    const auto axis =
        static_cast<size_t>(normal_axis(axes.empty() ? static_cast<int64_t>(i) : axes[i], shape.rank(), "slice"));
    const int64_t step = steps.empty() ? 1 : steps[i];
    require(step != 0, ErrorKind::shape, "the step along axis {} is 0", axis);
    require(!seen[axis], ErrorKind::shape, "axis {} is named twice", axis);
    seen[axis] = true;
    result[axis] = cut_axis(shape[axis], starts[i], ends[i], step);
  }
  return result;
}

Inferred infer(const Inference& in) {
  static constexpr std::string_view names[] = {"the start of a slice", "the end of a slice", "the axes of a slice",
                                               "the step of a slice"};
  Lists lists(4);
  for (size_t i = 0; i < 4; ++i)
    if (i < 2 || in.has(i + 1)) lists[i] = in.ints(i + 1, names[i]);
  Shape to;
  for (const Cut& cut : cuts(in.shape(0), lists)) to.push_back(cut.count);
  return Type{in.dtype(0), to};
}

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Shape shape = d.shape(d.input(0));
  Lists lists(4);
  for (size_t i = 0; i < 4; ++i)
    if (d.input(i + 1)) lists[i] = g.known(d.input(i + 1))->to_ints();
  const auto all = cuts(shape, lists);
  Ints starts, steps;
  bool dense = true;
  for (const Cut& cut : all) {
    // A single element is at its start, whatever the step.
    starts.push_back(cut.count == 0 ? 0 : cut.start);
    steps.push_back(cut.count <= 1 ? 1 : cut.step);
    dense = dense && steps.back() == 1;
  }
  if (!dense) return {spread(g, d.d_output(), {starts, steps, shape})};
  Ints ends;
  for (size_t k = 0; k < all.size(); ++k) ends.push_back(shape[k] - starts[k] - all[k].count);
  return {pad(g, d.d_output(), starts, ends)};
}

void reference(const Call& call) {
  Lists lists(4);
  for (size_t i = 0; i < 4; ++i)
    if (call.has(i + 1)) lists[i] = call.inputs[i + 1].to_ints();
  const Shape& shape = call.inputs[0].shape();
  const auto strides = shape.strides();
  std::vector<AxisTable> tables;
  for (const Cut& cut : cuts(shape, lists))
    tables.push_back(stepped(cut.count, cut.start, cut.step, strides[tables.size()]));
  move_elements(call.inputs[0], call.outputs[0], tables);
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {4, 5, 7}}}, none{.given = false};
  auto one = [&](std::string name, std::vector<int64_t> starts, std::vector<int64_t> ends, std::vector<int64_t> axes,
                 std::vector<int64_t> steps) {
    return Case{.name = std::move(name),
                .inputs = {x, known_ints(starts), known_ints(ends), axes.empty() ? none : known_ints(axes),
                           steps.empty() ? none : known_ints(steps)}};
  };
  return {one("first_axes", {1, 2}, {3, 5}, {}, {}),
          one("named", {1, 0}, {1000, -1}, {-1, 0}, {}),
          one("strided", {1, 0}, {5, 7}, {1, 2}, {2, 3}),
          one("backwards", {-1, 5}, {INT64_MIN, 0}, {1, 2}, {-1, -2}),
          one("backwards_clamped", {100}, {-100}, {2}, {-3}),
          one("long_step", {2}, {INT64_MAX}, {2}, {INT64_MAX}),
          one("empty", {3}, {1}, {1}, {})};
}

}  // namespace

namespace ops {
const Op slice = {
    .name = "slice",
    .doc = "x[start : end : step] along axes",
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value slice(Graph& graph, Value x, Value starts, Value ends, Value axes, Value steps) {
  std::vector<Value> inputs{x, starts, ends};
  if (axes || steps) inputs.push_back(axes);
  if (steps) inputs.push_back(steps);
  return graph.add(ops::slice, std::move(inputs));
}

Value slice(Graph& graph, Value x, int64_t axis, int64_t start, int64_t end, int64_t step) {
  const Value starts = ints(graph, {start}), ends = ints(graph, {end}), axes = ints(graph, {axis});
  return slice(graph, x, starts, ends, axes, step == 1 ? Value{} : ints(graph, {step}));
}

}  // namespace fovea
