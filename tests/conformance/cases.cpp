#include "tests/conformance/cases.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/base/rng.h"
#include "fovea/ops/input.h"

namespace fovea::testing {

namespace {

Tensor random_tensor(const Case::Input& in, Type type, const Rng& rng) {
  Tensor result(type.dtype, type.shape);
  const int64_t count = result.count();
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), 0);
  for (int64_t i = count; i-- > 1;)
    std::swap(order[static_cast<size_t>(i)],
              order[rng.fork("order").below(static_cast<uint64_t>(i), static_cast<uint64_t>(i + 1))]);
  for (int64_t i = 0; i < count; ++i) {
    double v = in.low + (in.high - in.low) * rng.uniform_double(static_cast<uint64_t>(i));
    // Distinct values stand on a grid, shuffled: no two are closer than the grid's step.
    if (in.distinct)
      v = in.low +
          (in.high - in.low) * (static_cast<double>(order[static_cast<size_t>(i)]) + 0.5) / static_cast<double>(count);
    for (const double kink : {in.kink, -in.kink})
      if (std::abs(v - kink) < 0.02) v = kink + (v < kink ? -0.02 : 0.02);
    result.set(i, v);
  }
  return result;
}

}  // namespace

Built build(const Op& op, const Case& test, DType precision, uint64_t key) {
  Built built;
  for (size_t i = 0; i < test.inputs.size(); ++i) {
    const Case::Input& in = test.inputs[i];
    if (!in.given) {
      built.inputs.push_back({});
      continue;
    }
    Type type = in.type;
    if (type.dtype == DType::f32) type.dtype = precision;
    const std::string name = fmt::format("in{}", i);
    if (in.value) {
      built.inputs.push_back(
          constant(built.graph, in.value->dtype() == DType::f32 ? in.value->cast(precision) : *in.value, name));
      continue;
    }
    const Value value = input(built.graph, name, type);
    built.inputs.push_back(value);
    // Drawn in f32 and widened, so that both precisions see the same numbers.
    Type drawn = type;
    if (drawn.dtype == DType::f64) drawn.dtype = DType::f32;
    built.feeds[name] = random_tensor(in, drawn, Rng(key).fork(i)).cast(type.dtype);
    if (in.differentiate && (type.dtype == DType::f32 || type.dtype == DType::f64))
      built.differentiable.push_back(value);
  }
  const Value result = built.graph.add(op, built.inputs, test.attributes, "test");
  for (size_t k = 0; k < built.graph.node(result).outputs.size(); ++k)
    built.outputs.push_back({result.node, static_cast<int>(k)});
  return built;
}

std::string repro(const Op& op, const Case& test, uint64_t key) {
  std::string types;
  for (const auto& in : test.inputs) types += " " + to_string(in.type);
  return fmt::format("op {} case {} ({}){} key {}; repeat with --gtest_filter='*/{}_*'", op.name, test.name,
                     test.attributes.text(), types, key, op.name);
}

}  // namespace fovea::testing
