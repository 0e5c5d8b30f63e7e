// spread: y = 0 but y[start + p · step] = x[p] along every axis: what slice takes, put back. Its gradient is that
// slice. Source: the adjoint of ONNX Slice-13.
#include "fovea/ops/spread.h"

#include "fovea/ops/input.h"
#include "fovea/ops/movement.h"
#include "fovea/ops/slice.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const auto& a = in.as<SpreadAttributes>();
  const Shape& x = in.shape(0);
  require(a.starts.size() == x.size() && a.steps.size() == x.size() && a.sizes.size() == x.size(), ErrorKind::shape,
          "{} starts, {} steps and {} sizes for {}", a.starts.size(), a.steps.size(), a.sizes.size(), to_string(x));
  for (size_t k = 0; k < x.size(); ++k) {
    const int64_t size = a.sizes[k], start = a.starts[k], step = a.steps[k];
    require(step != 0, ErrorKind::shape, "the step along axis {} is 0", k);
    require(size >= 0, ErrorKind::shape, "axis {} of the result has {} elements", k, size);
    if (x[k] == 0) continue;
    // Checked without a product that could overflow.
    const int64_t room = step > 0 ? size - 1 - start : start, length = step > 0 ? step : -(step + 1) + 1;
    const bool fits = start >= 0 && start < size && (x[k] == 1 || (length > 0 && x[k] - 1 <= room / length));
    require(fits, ErrorKind::shape, "axis {}: {} elements from {} by {} do not fit in {}", k, x[k], start, step, size);
  }
  return Type{in.dtype(0), Shape(a.sizes.begin(), a.sizes.end())};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const auto& a = d.as<SpreadAttributes>();
  const Shape x = d.shape(d.input(0));
  std::vector<int64_t> starts, ends, axes, steps;
  for (size_t k = 0; k < x.size(); ++k) {
    starts.push_back(a.starts[k]);
    const int64_t end = x[k] == 0 ? a.starts[k] : a.starts[k] + (x[k] - 1) * a.steps[k] + (a.steps[k] > 0 ? 1 : -1);
    ends.push_back(end < 0 ? INT64_MIN : end);  // below 0 would count from the end
    axes.push_back(static_cast<int64_t>(k));
    steps.push_back(a.steps[k]);
  }
  Graph& g = d.graph;
  return {slice(g, d.d_output(), ints(g, starts), ints(g, ends), ints(g, axes), ints(g, steps))};
}

void reference(const Call& call) {
  const auto& a = call.as<SpreadAttributes>();
  const Shape& x = call.inputs[0].shape();
  const auto strides = x.strides();
  std::vector<AxisTable> tables;
  for (size_t k = 0; k < x.size(); ++k) {
    AxisTable table(static_cast<size_t>(a.sizes[k]), kOutside);
    for (int64_t p = 0; p < x[k]; ++p) table[static_cast<size_t>(a.starts[k] + p * a.steps[k])] = p * strides[k];
    tables.push_back(std::move(table));
  }
  move_elements(call.inputs[0], call.outputs[0], tables);
}

std::vector<Case> cases() {
  const auto one = [](std::string name, Shape x, SpreadAttributes a) {
    return Case{.name = std::move(name), .inputs = {{.type = {DType::f32, std::move(x)}}}, .attributes = std::move(a)};
  };
  return {one("shortcut", {2, 32, 3, 4}, {{0, 0, 0, 0}, {1, 1, 2, 2}, {2, 32, 6, 7}}),
          one("shifted_channels", {2, 16, 3, 2}, {{0, 8, 1, 0}, {1, 1, 1, 3}, {2, 32, 5, 5}}),
          one("odd_channels", {1, 5, 2, 3}, {{0, 3, 0, 1}, {1, 1, 2, 1}, {1, 21, 3, 4}}),
          one("strided_channels", {2, 3, 2, 2}, {{0, 1, 0, 0}, {1, 2, 1, 1}, {2, 20, 2, 2}}),
          one("backwards", {3, 4}, {{2, 6}, {-1, -2}, {3, 7}}),
          one("dense", {2, 3}, {{0, 0}, {1, 1}, {2, 3}})};
}

}  // namespace

namespace ops {
const Op spread = {
    .name = "spread",
    .doc = "zeros, with x at start + p * step along each axis: the adjoint of slice",
    .attributes = &SpreadAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value spread(Graph& graph, Value x, SpreadAttributes attributes) {
  return graph.add(ops::spread, {x}, std::move(attributes));
}

}  // namespace fovea
