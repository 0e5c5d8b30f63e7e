// Layers that work element by element.
//   ReLU max(x, 0) + slope · min(x, 0)      Power (shift + scale · x)^power     Exp base^(shift + scale · x)
//   Log log_base(shift + scale · x)         BNLL ln(1 + e^x)                    Swish x · sigmoid(beta · x)
//   Threshold x > t ? 1 : 0                 Eltwise Σ coeff_i · x_i, Π x_i or max x_i
// A base of -1 means e. Source: Caffe's documentation of its layers.
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/formats/caffe_layer.h"
#include "fovea/ops/abs.h"
#include "fovea/ops/add.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/clip.h"
#include "fovea/ops/dropout.h"
#include "fovea/ops/elu.h"
#include "fovea/ops/exp.h"
#include "fovea/ops/greater.h"
#include "fovea/ops/input.h"
#include "fovea/ops/leaky_relu.h"
#include "fovea/ops/log.h"
#include "fovea/ops/max.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/pow.h"
#include "fovea/ops/prelu.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sigmoid.h"
#include "fovea/ops/softplus.h"
#include "fovea/ops/tanh.h"

namespace fovea {

namespace {

// scale · x + shift; x itself where that changes nothing.
Value affine(Graph& g, Value x, double factor, double term) {
  if (factor != 1) x = scale(g, x, factor);
  return term == 0 ? x : shift(g, x, term);
}

// ln(base), 1 for the base e. Throws where the base has no logarithm.
double log_of_base(float base) {
  require(base == -1 || base > 0, ErrorKind::format, "base {}: expected a positive one, or -1 for e", base);
  return base == -1 ? 1 : std::log(static_cast<double>(base));
}

std::vector<Value> relu_layer(CaffeLayer& layer) {
  const double slope = layer.proto.relu_param().negative_slope();
  return {slope == 0 ? relu(layer.graph, layer.in()) : leaky_relu(layer.graph, layer.in(), {.alpha = slope})};
}

std::vector<Value> prelu_layer(CaffeLayer& layer) {
  Graph& g = layer.graph;
  require(layer.rank() >= 2, ErrorKind::format, "its bottom is {}, expected channels", to_string(layer.shape()));
  if (layer.proto.prelu_param().channel_shared()) return {prelu(g, layer.in(), layer.parameter(0, {}, 0.25))};
  const int64_t channels = layer.shape()[1];
  const Value slope = layer.parameter(0, {channels}, 0.25);
  if (layer.rank() == 2) return {prelu(g, layer.in(), slope)};
  Shape shape(static_cast<size_t>(layer.rank()) - 1, 1);
  shape[0] = channels;
  return {prelu(g, layer.in(), reshape(g, slope, shape))};
}

std::vector<Value> elu_layer(CaffeLayer& layer) {
  return {elu(layer.graph, layer.in(), {.alpha = layer.proto.elu_param().alpha()})};
}

std::vector<Value> power(CaffeLayer& layer) {
  const auto& p = layer.proto.power_param();
  const Value x = affine(layer.graph, layer.in(), p.scale(), p.shift());
  return {p.power() == 1 ? x : pow(layer.graph, x, p.power())};
}

std::vector<Value> exponential(CaffeLayer& layer) {
  const auto& p = layer.proto.exp_param();
  const Value x = affine(layer.graph, layer.in(), p.scale(), p.shift());
  return {exp(layer.graph, affine(layer.graph, x, log_of_base(p.base()), 0))};
}

std::vector<Value> logarithm(CaffeLayer& layer) {
  const auto& p = layer.proto.log_param();
  const double base = log_of_base(p.base());
  require(base != 0, ErrorKind::format, "base 1 has no logarithms");
  const Value x = affine(layer.graph, layer.in(), p.scale(), p.shift());
  return {affine(layer.graph, log(layer.graph, x), 1 / base, 0)};
}

std::vector<Value> swish(CaffeLayer& layer) {
  Graph& g = layer.graph;
  return {mul(g, layer.in(), sigmoid(g, affine(g, layer.in(), layer.proto.swish_param().beta(), 0)))};
}

std::vector<Value> threshold(CaffeLayer& layer) {
  Graph& g = layer.graph;
  const Value limit = scalar(g, layer.proto.threshold_param().threshold());
  return {cast(g, greater(g, layer.in(), limit), DType::f32)};
}

std::vector<Value> clip_layer(CaffeLayer& layer) {
  const auto& p = layer.proto.clip_param();
  require(p.has_min() && p.has_max(), ErrorKind::format, "expected min and max");
  return {clip(layer.graph, layer.in(), ClipAttributes{.min = p.min(), .max = p.max()})};
}

std::vector<Value> dropout_layer(CaffeLayer& layer) {
  const double rate = layer.proto.dropout_param().dropout_ratio();
  require(rate >= 0 && rate < 1, ErrorKind::format, "dropout_ratio {}: expected at least 0 and below 1", rate);
  return {dropout(layer.graph, layer.in(), DropoutAttributes{rate})};
}

std::vector<Value> eltwise(CaffeLayer& layer) {
  using Eltwise = caffe::EltwiseParameter;
  const auto& p = layer.proto.eltwise_param();
  Graph& g = layer.graph;
  require(p.coeff_size() == 0 || p.coeff_size() == static_cast<int>(layer.bottoms.size()), ErrorKind::format,
          "{} values of coeff for {} bottoms", p.coeff_size(), layer.bottoms.size());
  require(p.coeff_size() == 0 || p.operation() == Eltwise::SUM, ErrorKind::format, "coeff belongs to SUM");
  Value result;
  for (size_t i = 0; i < layer.bottoms.size(); ++i) {
    require(layer.shape(i) == layer.shape(), ErrorKind::format, "its bottoms are {} and {}, expected equal shapes",
            to_string(layer.shape()), to_string(layer.shape(i)));
    const Value x = p.coeff_size() == 0 ? layer.in(i) : affine(g, layer.in(i), p.coeff(static_cast<int>(i)), 0);
    if (!result) result = x;
    else if (p.operation() == Eltwise::SUM) result = add(g, result, x);
    else if (p.operation() == Eltwise::PROD) result = mul(g, result, x);
    else result = maximum(g, result, x);
  }
  return {result};
}

template <Value (*Function)(Graph&, Value)>
std::vector<Value> unary(CaffeLayer& layer) {
  return {Function(layer.graph, layer.in())};
}

}  // namespace

std::span<const CaffeType> caffe_elementwise_types() {
  static constexpr int kMany = 1 << 16;
  static constexpr CaffeType kTypes[] = {
      {"AbsVal", unary<abs>},
      {"BNLL", unary<softplus>},
      {"Clip", clip_layer},
      {"Dropout", dropout_layer},
      {"ELU", elu_layer},
      {"Eltwise", eltwise, 2, kMany},
      {"Exp", exponential},
      {"Log", logarithm},
      {"PReLU", prelu_layer},
      {"Power", power},
      {"ReLU", relu_layer},
      {"Sigmoid", unary<sigmoid>},
      {"SigmoidCrossEntropyLoss", unary<sigmoid>, 1, 2},  // at test time
      {"Swish", swish},
      {"TanH", unary<tanh>},
      {"Threshold", threshold},
  };
  return kTypes;
}

}  // namespace fovea
