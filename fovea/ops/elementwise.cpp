#include "fovea/ops/elementwise.h"

namespace fovea {

Inferred infer_same(const Inference& in) { return in.type(0); }

Inferred infer_same_float(const Inference& in) {
  require(is_float(in.dtype(0)), ErrorKind::type, "expected floating point, got {}", to_string(in.dtype(0)));
  return in.type(0);
}

Inferred infer_broadcast(const Inference& in) {
  require(in.dtype(0) == in.dtype(1), ErrorKind::type, "operands are {} and {}", to_string(in.dtype(0)),
          to_string(in.dtype(1)));
  return Type{in.dtype(0), broadcast(in.shape(0), in.shape(1))};
}

Inferred infer_comparison(const Inference& in) {
  Inferred result = infer_broadcast(in);
  result.types[0].dtype = DType::boolean;
  return result;
}

std::vector<Case> unary_cases(double low, double high, double kink) {
  auto given = [&](Shape shape) {
    return Case::Input{.type = {DType::f32, std::move(shape)}, .low = low, .high = high, .kink = kink};
  };
  return {{.name = "odd", .inputs = {given({2, 3, 5, 7})}},
          {.name = "scalar", .inputs = {given({})}},
          {.name = "wide", .inputs = {given({1, 16, 9, 8})}}};
}

std::vector<Case> binary_cases(double low, double high) {
  auto pair = [&](std::string name, Shape a, Shape b) {
    return Case{.name = std::move(name),
                .inputs = {{.type = {DType::f32, std::move(a)}, .low = low, .high = high},
                           {.type = {DType::f32, std::move(b)}, .low = low, .high = high}}};
  };
  return {pair("same", {2, 3, 5}, {2, 3, 5}), pair("channel", {2, 16, 3, 5}, {1, 16, 1, 1}), pair("scalar", {3, 5}, {}),
          pair("two_way", {4, 1, 3}, {2, 1}), pair("left", {5}, {2, 3, 5})};
}

}  // namespace fovea
