// ONNX operators that work element by element, old broadcasting forms included.
#include <array>

#include "fovea/formats/onnx_node.h"
#include "fovea/ops/abs.h"
#include "fovea/ops/add.h"
#include "fovea/ops/and.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/ceil.h"
#include "fovea/ops/celu.h"
#include "fovea/ops/clip.h"
#include "fovea/ops/cos.h"
#include "fovea/ops/div.h"
#include "fovea/ops/elu.h"
#include "fovea/ops/equal.h"
#include "fovea/ops/erf.h"
#include "fovea/ops/exp.h"
#include "fovea/ops/floor.h"
#include "fovea/ops/gelu.h"
#include "fovea/ops/greater.h"
#include "fovea/ops/greater_equal.h"
#include "fovea/ops/hard_sigmoid.h"
#include "fovea/ops/hard_swish.h"
#include "fovea/ops/input.h"
#include "fovea/ops/leaky_relu.h"
#include "fovea/ops/less.h"
#include "fovea/ops/less_equal.h"
#include "fovea/ops/log.h"
#include "fovea/ops/max.h"
#include "fovea/ops/min.h"
#include "fovea/ops/mish.h"
#include "fovea/ops/mod.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/neg.h"
#include "fovea/ops/not.h"
#include "fovea/ops/or.h"
#include "fovea/ops/pow.h"
#include "fovea/ops/prelu.h"
#include "fovea/ops/reciprocal.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/round.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/selu.h"
#include "fovea/ops/sigmoid.h"
#include "fovea/ops/sign.h"
#include "fovea/ops/sin.h"
#include "fovea/ops/softplus.h"
#include "fovea/ops/softsign.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/tanh.h"
#include "fovea/ops/thresholded_relu.h"
#include "fovea/ops/where.h"
#include "fovea/ops/xor.h"

namespace fovea {

namespace {

using Unary = Value (*)(Graph&, Value);
using Binary = Value (*)(Graph&, Value, Value);

template <Unary f>
std::vector<Value> unary(OnnxNode& n) {
  return {f(n.graph, n.in(0))};
}

// Before opset 7 a second operand is broadcast only where the attribute `broadcast` says so, and then its axes stand
// under the first operand's axes from `axis` on (the last ones when not given): sizes of 1 are put behind.
Value old_second_operand(OnnxNode& n) {
  const bool broadcasts = n.flag("broadcast", false);
  const bool placed = n.has_attribute("axis");
  const int64_t axis = n.integer("axis", 0);
  const Shape a = n.shape(0), b = n.shape(1);
  if (!broadcasts) {
    require(a == b, ErrorKind::shape, "operands are {} and {}, and broadcast is 0", to_string(a), to_string(b));
    return n.in(1);
  }
  if (!placed) return n.in(1);
  const int64_t behind = a.rank() - n.axis(axis, a.rank(), true) - b.rank();
  require(behind >= 0, ErrorKind::shape, "shape {} does not fit into {} from axis {}", to_string(b), to_string(a),
          axis);
  if (behind == 0) return n.in(1);
  std::vector<int64_t> to(b.size(), 0);  // 0: as it is
  to.insert(to.end(), static_cast<size_t>(behind), 1);
  return reshape(n.graph, n.in(1), fovea::ints(n.graph, to));
}

template <Binary f>
std::vector<Value> binary(OnnxNode& n) {
  return {f(n.graph, n.in(0), n.opset < 7 ? old_second_operand(n) : n.in(1))};
}

// Operators with any number of operands, of which the first version was not broadcast (a harmless widening).
template <Binary f>
std::vector<Value> variadic(OnnxNode& n) {
  Value result = n.in(0);
  for (size_t i = 1; i < n.inputs.size(); ++i) result = f(n.graph, result, n.in(i));
  return {result};
}

std::vector<Value> mean(OnnxNode& n) {
  const Value sum = variadic<add>(n)[0];
  return {n.inputs.size() == 1 ? sum : scale(n.graph, sum, 1.0 / static_cast<double>(n.inputs.size()))};
}

std::vector<Value> modulo(OnnxNode& n) { return {mod(n.graph, n.in(0), n.in(1), {.fmod = n.flag("fmod", false)})}; }

std::vector<Value> power(OnnxNode& n) { return {pow(n.graph, n.in(0), n.opset < 7 ? old_second_operand(n) : n.in(1))}; }

std::vector<Value> bounded(OnnxNode& n) {
  ClipAttributes a;
  if (n.opset < 11) {
    a.min = n.real("min", a.min);
    a.max = n.real("max", a.max);
    return {clip(n.graph, n.in(0), a)};
  }
  const Value low = n.maybe(1), high = n.maybe(2);
  const Tensor* min = low ? n.graph.known(low) : nullptr;
  const Tensor* max = high ? n.graph.known(high) : nullptr;
  const bool exact = n.dtype(0) != DType::i64 && n.dtype(0) != DType::u64;  // a double holds every bound
  if (!exact || (low && (!min || min->count() != 1)) || (high && (!max || max->count() != 1)))
    return {clip(n.graph, n.in(0), low, high)};
  if (min) a.min = min->at(0);
  if (max) a.max = max->at(0);
  return {clip(n.graph, n.in(0), a)};
}

std::vector<Value> leaky(OnnxNode& n) { return {leaky_relu(n.graph, n.in(0), {.alpha = n.real("alpha", 0.01f)})}; }
std::vector<Value> exponential_linear(OnnxNode& n) { return {elu(n.graph, n.in(0), {.alpha = n.real("alpha", 1)})}; }
std::vector<Value> continuous_elu(OnnxNode& n) { return {celu(n.graph, n.in(0), {.alpha = n.real("alpha", 1)})}; }

std::vector<Value> scaled_elu(OnnxNode& n) {
  const SeluAttributes standard;
  const bool old = n.opset < 6;
  return {selu(n.graph, n.in(0),
               {.alpha = n.real("alpha", old ? 1.6732f : standard.alpha),
                .gamma = n.real("gamma", old ? 1.0507f : standard.gamma)})};
}

std::vector<Value> hard_sigmoidal(OnnxNode& n) {
  return {hard_sigmoid(n.graph, n.in(0), {.alpha = n.real("alpha", 0.2f), .beta = n.real("beta", 0.5)})};
}

std::vector<Value> thresholded(OnnxNode& n) {
  return {thresholded_relu(n.graph, n.in(0), {.alpha = n.real("alpha", 1)})};
}

std::vector<Value> gaussian_error_linear(OnnxNode& n) {
  return {gelu(n.graph, n.in(0), {.approximate = n.text("approximate", "none")})};
}

std::vector<Value> swish(OnnxNode& n) {
  const double alpha = n.real("alpha", 1);
  return {mul(n.graph, n.in(0), sigmoid(n.graph, alpha == 1 ? n.in(0) : scale(n.graph, n.in(0), alpha)))};
}

// Before opset 7 a slope of C elements belongs to axis 1.
std::vector<Value> parametric_relu(OnnxNode& n) {
  Value slope = n.in(1);
  if (n.opset < 7 && n.rank(1) == 1 && n.shape(1)[0] != 1 && n.rank(0) > 2) {
    std::vector<int64_t> to{0};
    to.insert(to.end(), static_cast<size_t>(n.rank(0) - 2), 1);
    slope = reshape(n.graph, slope, fovea::ints(n.graph, to));
  }
  return {prelu(n.graph, n.in(0), slope)};
}

std::vector<Value> choose(OnnxNode& n) { return {where(n.graph, n.in(0), n.in(1), n.in(2))}; }

// The element type was a name before opset 6.
DType target_type(OnnxNode& n) {
  if (n.opset >= 6) return dtype_from_onnx(static_cast<int>(n.integer("to", 0)));
  const std::string name = n.text("to", "");
  for (int type = 1; type < 17; ++type)
    if (onnx_type_name(type) == name) return dtype_from_onnx(type);
  fail(ErrorKind::format, "there is no element type \"{}\"", name);
}

std::vector<Value> converted(OnnxNode& n) {
  n.ignore("saturate");  // both concern 8-bit floats, which are refused by name
  n.ignore("round_mode");
  return {cast(n.graph, n.in(0), target_type(n))};
}

std::vector<Value> converted_like(OnnxNode& n) {
  n.ignore("saturate");
  n.ignore("round_mode");
  return {cast(n.graph, n.in(0), n.dtype(1))};
}

std::vector<Value> same(OnnxNode& n) { return {n.in(0)}; }

constexpr OnnxOperator kOperators[] = {
    {"Abs", unary<abs>},
    {"Add", binary<add>},
    {"And", binary<and_>},
    {"Cast", converted},
    {"CastLike", converted_like},
    {"Ceil", unary<ceil>},
    {"Celu", continuous_elu},
    {"Clip", bounded},
    {"Cos", unary<cos>},
    {"Div", binary<div>},
    {"Elu", exponential_linear},
    {"Equal", binary<equal>},
    {"Erf", unary<erf>},
    {"Exp", unary<exp>},
    {"Floor", unary<floor>},
    {"Gelu", gaussian_error_linear},
    {"Greater", binary<greater>},
    {"GreaterOrEqual", binary<greater_equal>},
    {"HardSigmoid", hard_sigmoidal},
    {"HardSwish", unary<hard_swish>},
    {"Identity", same},
    {"LeakyRelu", leaky},
    {"Less", binary<less>},
    {"LessOrEqual", binary<less_equal>},
    {"Log", unary<log>},
    {"Max", variadic<maximum>},
    {"Mean", mean},
    {"Min", variadic<minimum>},
    {"Mish", unary<mish>},
    {"Mod", modulo},
    {"Mul", binary<mul>},
    {"Neg", unary<neg>},
    {"Not", unary<not_>},
    {"Or", binary<or_>},
    {"PRelu", parametric_relu},
    {"Pow", power},
    {"Reciprocal", unary<reciprocal>},
    {"Relu", unary<relu>},
    {"Round", unary<round>},
    {"Selu", scaled_elu},
    {"Sigmoid", unary<sigmoid>},
    {"Sign", unary<sign>},
    {"Sin", unary<sin>},
    {"Softplus", unary<softplus>},
    {"Softsign", unary<softsign>},
    {"Sqrt", unary<sqrt>},
    {"Sub", binary<sub>},
    {"Sum", variadic<add>},
    {"Swish", swish},
    {"Tanh", unary<tanh>},
    {"ThresholdedRelu", thresholded},
    {"Where", choose},
    {"Xor", binary<xor_>},
};

}  // namespace

std::span<const OnnxOperator> onnx_elementwise_operators() { return kOperators; }

}  // namespace fovea
