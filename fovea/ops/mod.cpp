// mod: the remainder r of a / b, broadcast. fmod = false: r has b's sign (Python); true: a's sign (C). An integer
// modulo 0 gives 0. dr/da = 1, dr/db = -(a - r) / b. Source: ONNX Mod-13, which has no floating-point remainders of b's
// sign.
#include "fovea/ops/mod.h"

#include "fovea/ops/arithmetic.h"
#include "fovea/ops/div.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/round.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/sum_to.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  Graph& g = d.graph;
  const Value y = d.outputs[0];
  const Value dy = d.d_output();
  std::vector<Value> result(2);
  if (d.wanted[0]) result[0] = sum_to(g, dy, d.shape(d.input(0)));
  if (d.wanted[1]) {
    // (a - r) / b is a whole number; rounding says so, and that it has no slope.
    const Value times = round(g, div(g, sub(g, d.input(0), y), d.input(1)));
    result[1] = neg(g, sum_to(g, mul(g, dy, times), d.shape(d.input(1))));
  }
  return result;
}

template <class T>
T remainder(T a, T b, bool fmod) {
  if constexpr (std::is_same_v<T, bool>) {
    return false;
  } else if constexpr (std::is_integral_v<T>) {
    const T r = subtract(a, multiply(divide(a, b), b));
    if (b == T(0)) return T(0);
    return !fmod && r != T(0) && (r < T(0)) != (b < T(0)) ? static_cast<T>(r + b) : r;
  } else {
    const T r = std::fmod(a, b);
    return !fmod && r != T(0) && (r < T(0)) != (b < T(0)) ? r + b : r;
  }
}

void reference(const Call& call) {
  const bool fmod = call.as<ModAttributes>().fmod;
  map_pair(call, [fmod](auto a, auto b) { return remainder(a, b, fmod); });
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const bool fmod : {false, true}) {
    // Far from where the quotient jumps: a / b is within (1.1, 1.9) or its negative.
    const Case::Input a{.type = {DType::f32, {2, 3, 5}}, .low = 2.3, .high = 2.8},
        b{.type = {DType::f32, {3, 1}}, .low = 1.5, .high = 2};
    const Case::Input minus{.type = {DType::f32, {2, 3, 5}}, .low = -2.8, .high = -2.3};
    const Case::Input integers{.type = {DType::i64, {2, 3, 5}}, .low = -9, .high = 9};
    result.push_back({.name = "plus", .inputs = {a, b}, .attributes = ModAttributes{fmod}});
    result.push_back({.name = "minus", .inputs = {minus, b}, .attributes = ModAttributes{fmod}});
    result.push_back(
        {.name = "i64", .inputs = {integers, integers}, .attributes = ModAttributes{fmod}, .gradient = false});
  }
  return result;
}

}  // namespace

namespace ops {
const Op mod = {
    .name = "mod",
    .doc = "the remainder of a / b",
    .attributes = &ModAttributes::info,
    .infer = infer_arithmetic,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .zero_in_zero_out = 1,
};
}

Value mod(Graph& graph, Value a, Value b, ModAttributes attributes) { return graph.add(ops::mod, {a, b}, attributes); }

}  // namespace fovea
