// fused_batch_norm_training: y = activation(batch_norm_training(x) + residual), with its μ and v.
// fused_batch_norm_training_gradient: e = d where y > 0, else 0; dx, dscale, dbias = batch_norm_training_gradient(e,
// …).
//   Without a residual y is not looked at: it is scale · (x − μ) · (v + ε)^(−1/2) + bias again.
// fused_batch_norm_training_gradient_of_sum: the same with d + more for d: where a network's paths join, gradients are
//   added.
// Fused operators: their meaning is their decomposition. Source: ops/batch_norm_training.cpp and ops/relu.cpp.
#include "fovea/ops/fused_batch_norm_training.h"

#include <cmath>

#include "fovea/ops/add.h"
#include "fovea/ops/batch_norm_training.h"
#include "fovea/ops/div.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

using FusedAttributes = FusedBatchNormTrainingAttributes;

enum : size_t { kD, kX, kScale, kMean, kVariance, kBias, kY, kMore };  // inputs of the gradients
enum : size_t { kResidual = 3 };                                       // of the forward pass

Inferred infer(const Inference& in) {
  const auto& a = in.as<FusedAttributes>();
  require(a.activation.empty() || a.activation == "relu", ErrorKind::usage, "unknown activation '{}'", a.activation);
  const size_t operands = std::min<size_t>(in.count(), 3);
  const Attributes plain = BatchNormAttributes{a.epsilon};
  Inferred result = ops::batch_norm_training.infer(
      {in.inputs.first(operands), in.types.first(operands), in.known.first(operands), plain});
  if (in.has(kResidual))
    require(in.type(kResidual) == result.types[0], ErrorKind::shape, "residual is {}, the input is {}",
            to_string(in.type(kResidual)), to_string(result.types[0]));
  return result;
}

std::vector<Value> decompose(Graph& g, const Node& node, std::span<const Value> inputs) {
  const auto& a = node.attributes.as<FusedAttributes>();
  Value y = batch_norm_training(g, inputs[0], inputs[1], inputs[2], {a.epsilon});
  const Value mean{y.node, 1}, variance{y.node, 2};
  if (inputs.size() > kResidual && inputs[kResidual]) y = add(g, y, inputs[kResidual]);
  if (a.activation == "relu") y = relu(g, y);
  return {y, mean, variance};
}

void reference(const Call& call) {
  const auto& a = call.as<FusedAttributes>();
  Node plain = call.node;
  plain.op = &ops::batch_norm_training;
  plain.attributes = BatchNormAttributes{a.epsilon};
  plain.inputs.resize(3);
  ops::batch_norm_training.reference({plain, call.inputs.first(3), call.outputs});
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto y = call.outputs[0].data<T>();
    if (call.has(kResidual)) {
      const auto r = call.inputs[kResidual].data<T>();
      for (size_t i = 0; i < y.size(); ++i) y[i] += r[i];
    }
    if (a.activation == "relu")
      for (T& v : y) v = v < T(0) ? T(0) : v;
  });
}

Inferred infer_gradient_of(const Inference& in, bool of_sum) {
  require(in.as<FusedAttributes>().activation == "relu", ErrorKind::usage, "the activation is '{}', expected 'relu'",
          in.as<FusedAttributes>().activation);
  const Attributes plain = BatchNormAttributes{in.as<FusedAttributes>().epsilon};
  const size_t operands = std::min<size_t>(in.count(), kBias);
  Inferred result = ops::batch_norm_training_gradient.infer(
      {in.inputs.first(operands), in.types.first(operands), in.known.first(operands), plain});
  require(in.has(kBias) != in.has(kY), ErrorKind::usage, "expected the bias or the output y, not both");
  const auto expect = [&](size_t i, const Type& type) {
    require(in.type(i) == type, ErrorKind::shape, "input {} is {}, expected {}", i, to_string(in.type(i)),
            to_string(type));
  };
  if (in.has(kBias)) expect(kBias, in.type(kScale));
  else expect(kY, in.type(kX));
  if (of_sum) expect(kMore, in.type(kX));
  result.types.push_back(in.type(kX));
  return result;
}

Inferred infer_gradient(const Inference& in) { return infer_gradient_of(in, false); }
Inferred infer_gradient_of_sum(const Inference& in) { return infer_gradient_of(in, true); }

std::vector<Value> decompose_gradient(Graph& g, const Node& node, std::span<const Value> inputs) {
  const double epsilon = node.attributes.as<FusedAttributes>().epsilon;
  const Value x = inputs[kX], d = inputs.size() > kMore ? add(g, inputs[kD], inputs[kMore]) : inputs[kD];
  Value y = inputs.size() > kY ? inputs[kY] : Value{};
  if (!y) {
    const Shape& shape = g.shape(x);
    Shape channel(shape.size(), 1);
    channel[1] = shape[1];
    const auto column = [&](Value v) { return reshape(g, v, channel); };
    const Value factor = div(g, inputs[kScale], sqrt(g, shift(g, inputs[kVariance], epsilon)));
    y = add(g, mul(g, sub(g, x, column(inputs[kMean])), column(factor)), column(inputs[kBias]));
  }
  const Value e = relu_gradient(g, d, y);
  const Value dx = batch_norm_training_gradient(g, e, x, inputs[kScale], inputs[kMean], inputs[kVariance], {epsilon});
  return {dx, {dx.node, 1}, {dx.node, 2}, e};
}

void reference_gradient(const Call& call) {
  const double epsilon = call.as<FusedAttributes>().epsilon;
  const Shape& shape = call.inputs[kX].shape();
  const auto channels = static_cast<size_t>(shape[1]), inner = static_cast<size_t>(shape.count(2, shape.rank()));
  dispatch_float(call.inputs[kX].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto data = [&](size_t i) { return call.inputs[i].data<T>(); };
    const auto e = call.outputs[3].data<T>();
    for (size_t i = 0; i < e.size(); ++i) {
      double y = 0;
      if (call.has(kY)) {
        y = double(data(kY)[i]);
      } else {
        const size_t c = i / inner % channels;
        const double r = 1 / std::sqrt(double(data(kVariance)[c]) + epsilon);
        y = (double(data(kX)[i]) - double(data(kMean)[c])) * r * double(data(kScale)[c]) + double(data(kBias)[c]);
      }
      const T d = call.has(kMore) ? data(kD)[i] + data(kMore)[i] : data(kD)[i];
      e[i] = y > 0 ? d : T(0);
    }
  });
  Node plain = call.node;
  plain.op = &ops::batch_norm_training_gradient;
  plain.attributes = BatchNormAttributes{epsilon};
  plain.inputs.resize(kBias);
  std::vector<Tensor> inputs(call.inputs.begin(), call.inputs.begin() + kBias);
  inputs[kD] = call.outputs[3];
  ops::batch_norm_training_gradient.reference({plain, inputs, call.outputs.first(3)});
}

// Odd sizes, one that fills no block of channels, one of several pieces of a sum, and no positions at all.
std::vector<Shape> shapes() { return {{2, 3, 5, 7}, {3, 16, 2, 3}, {6, 5}, {2, 20, 17, 19}}; }

std::string name_of(const Shape& x, const char* kind) { return fmt::format("{}_rank{}_{}", kind, x.rank(), x[1]); }

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const Shape& shape : shapes()) {
    const Case::Input x{.type = {DType::f32, shape}}, c{.type = {DType::f32, {shape[1]}}};
    const FusedAttributes rectified{.activation = "relu"};
    result.push_back({.name = name_of(shape, "relu"), .inputs = {x, c, c}, .attributes = rectified});
    result.push_back({.name = name_of(shape, "residual"), .inputs = {x, c, c, x}, .attributes = FusedAttributes{0.1}});
    result.push_back({.name = name_of(shape, "residual_relu"), .inputs = {x, c, c, x}, .attributes = rectified});
  }
  return result;
}

std::vector<Case> cases_of(bool of_sum) {
  std::vector<Case> result;
  for (const Shape& shape : shapes()) {
    const Case::Input x{.type = {DType::f32, shape}}, c{.type = {DType::f32, {shape[1]}}};
    const Case::Input variance{.type = c.type, .low = 0.3, .high = 2}, none{.type = {}, .given = false};
    const Case::Input y{.type = x.type, .kink = 0};
    Case plain{.name = name_of(shape, "bias"), .inputs = {x, x, c, c, variance, c, none}};
    Case joined{.name = name_of(shape, "output"), .inputs = {x, x, c, c, variance, none, y}};
    for (Case* test : {&plain, &joined}) {
      test->attributes = FusedAttributes{.activation = "relu"};
      if (of_sum) test->inputs.push_back(x);
      result.push_back(std::move(*test));
    }
  }
  return result;
}

std::vector<Case> gradient_cases() { return cases_of(false); }
std::vector<Case> gradient_of_sum_cases() { return cases_of(true); }

Cost cost(const Node&, std::span<const Type> in) { return {.flops = 9 * static_cast<double>(in[0].shape.count())}; }

}  // namespace

namespace ops {
const Op fused_batch_norm_training = {.name = "fused_batch_norm_training",
                                      .doc = "activation(batch_norm_training(x) + residual)",
                                      .attributes = &FusedAttributes::info,
                                      .infer = infer,
                                      .no_gradient = "fusing comes after differentiation",
                                      .reference = reference,
                                      .cases = cases,
                                      .cost = cost,
                                      .decompose = decompose};
const Op fused_batch_norm_training_gradient = {.name = "fused_batch_norm_training_gradient",
                                               .doc = "the gradient of fused_batch_norm_training with a relu",
                                               .attributes = &FusedAttributes::info,
                                               .infer = infer_gradient,
                                               .no_gradient = "fusing comes after differentiation",
                                               .reference = reference_gradient,
                                               .cases = gradient_cases,
                                               .cost = cost,
                                               .decompose = decompose_gradient,
                                               .zero_in_zero_out = 1};
const Op fused_batch_norm_training_gradient_of_sum = {.name = "fused_batch_norm_training_gradient_of_sum",
                                                      .doc = "fused_batch_norm_training_gradient of d + more",
                                                      .attributes = &FusedAttributes::info,
                                                      .infer = infer_gradient_of_sum,
                                                      .no_gradient = "fusing comes after differentiation",
                                                      .reference = reference_gradient,
                                                      .cases = gradient_of_sum_cases,
                                                      .cost = cost,
                                                      .decompose = decompose_gradient};
}  // namespace ops

}  // namespace fovea
