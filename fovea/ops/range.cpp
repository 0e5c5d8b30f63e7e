// range: start + i · delta for i < max(0, ceil((limit - start) / delta)). Source: ONNX Range-11.
#include "fovea/ops/range.h"

#include <algorithm>
#include <cmath>

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/movement.h"

namespace fovea {

namespace {

int64_t count_of(const Inference& in) {
  if (is_float(in.dtype(0))) {
    const double start = in.doubles(0, "the start")[0], limit = in.doubles(1, "the limit")[0],
                 delta = in.doubles(2, "the step")[0];
    require(delta != 0, ErrorKind::usage, "the step is 0");
    const double count = std::ceil((limit - start) / delta);
    require(count < 0x1p40, ErrorKind::shape, "{} to {} by {} has too many elements", start, limit, delta);
    return count > 0 ? static_cast<int64_t>(count) : 0;  // NaN: none
  }
  const int64_t start = in.ints(0, "the start")[0], limit = in.ints(1, "the limit")[0],
                delta = in.ints(2, "the step")[0];
  require(delta != 0, ErrorKind::usage, "the step is 0");
  if (delta > 0 ? limit <= start : limit >= start) return 0;
  const uint64_t way = delta > 0 ? static_cast<uint64_t>(limit) - static_cast<uint64_t>(start)
                                 : static_cast<uint64_t>(start) - static_cast<uint64_t>(limit);
  const uint64_t step = delta > 0 ? static_cast<uint64_t>(delta) : uint64_t{0} - static_cast<uint64_t>(delta);
  const uint64_t count = (way - 1) / step + 1;
  require(count < uint64_t{1} << 40, ErrorKind::shape, "{} to {} by {} has too many elements", start, limit, delta);
  return static_cast<int64_t>(count);
}

Inferred infer(const Inference& in) {
  for (size_t i = 0; i < 3; ++i) {
    require(in.shape(i).count() == 1, ErrorKind::shape, "input {} must be one number, it is {}", i,
            to_string(in.shape(i)));
    require(in.dtype(i) == in.dtype(0) && in.dtype(0) != DType::boolean, ErrorKind::type,
            "expected numbers of one type, got {} and {}", to_string(in.dtype(0)), to_string(in.dtype(i)));
  }
  return Type{in.dtype(0), {count_of(in)}};
}

void reference(const Call& call) {
  dispatch(call.outputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    const C start = static_cast<C>(call.inputs[0].data<T>()[0]), delta = static_cast<C>(call.inputs[2].data<T>()[0]);
    const auto y = call.outputs[0].data<T>();
    for (size_t i = 0; i < y.size(); ++i) y[i] = T(subtract(start, multiply(static_cast<C>(i), subtract(C(0), delta))));
  });
}

std::vector<Case> cases() {
  auto one = [](std::string name, const Tensor& start, const Tensor& limit, const Tensor& delta) {
    Case result{.name = std::move(name), .inputs = {}};
    for (const Tensor& t : {start, limit, delta})
      result.inputs.push_back({.type = {t.dtype(), {}}, .value = t, .differentiate = false});
    return result;
  };
  auto i = [](int64_t v) { return Tensor::scalar<int64_t>(v); };
  auto f = [](float v) { return Tensor::scalar<float>(v); };
  return {one("up", i(1), i(9), i(3)), one("down", i(5), i(-4), i(-2)), one("none", i(5), i(5), i(1)),
          one("float", f(0.5F), f(3), f(0.25F))};
}

}  // namespace

namespace ops {
const Op range = {
    .name = "range",
    .doc = "start, start + delta, ... before limit",
    .infer = infer,
    .no_gradient = "its inputs are known at build time",
    .reference = reference,
    .cases = cases,
};
}

Value range(Graph& graph, Value start, Value limit, Value delta) {
  return graph.add(ops::range, {start, limit, delta});
}

}  // namespace fovea
