// Layers that normalise, scale and shift: LRN, BatchNorm, Scale, Bias, MVN, Softmax.
//   LRN across channels x / (k + alpha/size · Σ_window x²)^beta; within a channel x · (1 + alpha · mean_window
//   x²)^−beta with windows size x size that count their padding. BatchNorm (x − mean) / √(variance + eps); Scale x ·
//   weight + bias; Bias x + bias.
// Source: Caffe's documentation of its layers; Krizhevsky et al. 2012, section 3.3; Ioffe & Szegedy 2015.
#include "fovea/base/error.h"
#include "fovea/formats/caffe_layer.h"
#include "fovea/ops/add.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/div.h"
#include "fovea/ops/input.h"
#include "fovea/ops/lrn.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/normalise.h"
#include "fovea/ops/pow.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/softmax.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

std::vector<Value> lrn_layer(CaffeLayer& layer) {
  const auto& p = layer.proto.lrn_param();
  Graph& g = layer.graph;
  const int64_t size = p.local_size();
  require(size % 2 == 1, ErrorKind::format, "local_size {}: expected an odd one", size);
  const Value x = layer.in();
  if (p.norm_region() == caffe::LRNParameter::ACROSS_CHANNELS)
    return {lrn(g, x, {.size = size, .alpha = p.alpha(), .beta = p.beta(), .bias = p.k()})};
  const Value mean = average_pool(
      g, mul(g, x, x), {.kernel = {size, size}, .stride = 1, .pad = (size - 1) / 2, .ceil = true, .include_pad = true});
  return {mul(g, x, pow(g, shift(g, scale(g, mean, p.alpha()), 1), -double{p.beta()}))};
}

std::vector<Value> batch_norm_layer(CaffeLayer& layer) {
  const auto& p = layer.proto.batch_norm_param();
  require(layer.rank() >= 2, ErrorKind::format, "its bottom is {}, expected channels", to_string(layer.shape()));
  if (p.has_use_global_stats() && !p.use_global_stats()) {
    Ints axes{0};
    for (int64_t k = 2; k < layer.rank(); ++k) axes.push_back(k);
    return {normalise(layer.graph, layer.in(), axes, p.eps()).y};
  }
  const int64_t channels = layer.shape()[1];
  const Value mean = layer.parameter(0, {channels}), variance = layer.parameter(1, {channels});
  return {batch_norm(layer.graph, layer.in(), layer.filled(channels, true), layer.filled(channels, false), mean,
                     variance, {.epsilon = p.eps()})};
}

// Whether a value is a BatchNorm without scale and shift of its own; the two layers after one another are one operator.
bool is_plain_batch_norm(CaffeLayer& layer, Value x) {
  if (layer.graph.node(x).op != &ops::batch_norm) return false;
  const int64_t channels = layer.graph.shape(x)[1];
  const Value ones = layer.filled(channels, true), zeros = layer.filled(channels, false);
  return layer.graph.node(x).inputs[1] == ones && layer.graph.node(x).inputs[2] == zeros;
}

// The axes of the first bottom that a factor or term covers: those of the second bottom, or of a learned one num_axes
// from `axis` on.
Shape covered(const CaffeLayer& layer, int64_t axis, int32_t num_axes) {
  const Shape& x = layer.shape();
  if (layer.bottoms.size() > 1) {
    const Shape& other = layer.shape(1);
    const bool fits = axis + other.rank() <= x.rank() && std::equal(other.begin(), other.end(), x.begin() + axis);
    require(fits, ErrorKind::format, "its bottoms are {} and {}: the second does not match the first from axis {} on",
            to_string(x), to_string(other), axis);
    return other;
  }
  const int64_t end = num_axes < 0 ? x.rank() : axis + num_axes;
  require(num_axes >= -1 && end <= x.rank(), ErrorKind::format, "{} axes from {} on of {}", num_axes, axis, x.rank());
  return Shape(x.begin() + axis, x.begin() + end);
}

// A factor or term over some axes of x, shaped so that it broadcasts.
Value along(CaffeLayer& layer, Value value, int64_t axis) {
  Shape shape = layer.graph.shape(value);
  const int64_t missing = layer.rank() - axis - shape.rank();
  if (shape.empty() || missing == 0) return value;
  shape.insert(shape.end(), static_cast<size_t>(missing), 1);
  return reshape(layer.graph, value, shape);
}

std::vector<Value> scale_layer(CaffeLayer& layer) {
  const auto& p = layer.proto.scale_param();
  Graph& g = layer.graph;
  const bool learned = layer.bottoms.size() == 1;
  const int64_t axis = layer.axis(p.axis(), true);
  const Shape shape = covered(layer, axis, p.num_axes());
  const Value factor = learned ? layer.parameter(0, shape, 1) : layer.in(1);
  const Value term = p.bias_term() ? layer.parameter(learned ? 1 : 0, shape) : Value{};
  if (learned && axis == 1 && shape.rank() == 1 && is_plain_batch_norm(layer, layer.in())) {
    const Node before = g.node(layer.in());
    return {batch_norm(g, before.inputs[0], factor, term ? term : before.inputs[2], before.inputs[3], before.inputs[4],
                       before.attributes.as<BatchNormAttributes>())};
  }
  const Value y = mul(g, layer.in(), along(layer, factor, axis));
  return {term ? add(g, y, along(layer, term, axis)) : y};
}

std::vector<Value> bias_layer(CaffeLayer& layer) {
  const auto& p = layer.proto.bias_param();
  const int64_t axis = layer.axis(p.axis(), true);
  const Shape shape = covered(layer, axis, p.num_axes());
  const Value term = layer.bottoms.size() == 1 ? layer.parameter(0, shape) : layer.in(1);
  return {add(layer.graph, layer.in(), along(layer, term, axis))};
}

// Caffe adds eps to the deviation, not to the variance.
std::vector<Value> mean_variance(CaffeLayer& layer) {
  const auto& p = layer.proto.mvn_param();
  Graph& g = layer.graph;
  require(layer.rank() >= 3, ErrorKind::format, "its bottom is {}, expected N, C and spatial axes",
          to_string(layer.shape()));
  Ints axes;
  for (int64_t k = p.across_channels() ? 1 : 2; k < layer.rank(); ++k) axes.push_back(k);
  const auto mean = [&](Value x) { return reduce(g, x, {.kind = "mean", .axes = axes, .keep = true}); };
  const Value centred = sub(g, layer.in(), mean(layer.in()));
  if (!p.normalize_variance()) return {centred};
  return {div(g, centred, shift(g, sqrt(g, mean(mul(g, centred, centred))), p.eps()))};
}

std::vector<Value> softmax_layer(CaffeLayer& layer) {
  return {softmax(layer.graph, layer.in(), {.axis = layer.axis(layer.proto.softmax_param().axis())})};
}

// At test time the loss gives its probabilities, under the names of both tops.
std::vector<Value> softmax_loss(CaffeLayer& layer) {
  const Value y = softmax_layer(layer)[0];
  return {y, y};
}

}  // namespace

std::span<const CaffeType> caffe_normalise_types() {
  static constexpr CaffeType kTypes[] = {
      {"BatchNorm", batch_norm_layer},
      {"Bias", bias_layer, 1, 2},
      {"LRN", lrn_layer},
      {"MVN", mean_variance},
      {"Scale", scale_layer, 1, 2},
      {"Softmax", softmax_layer},
      {"SoftmaxWithLoss", softmax_loss, 1, 3},
  };
  return kTypes;
}

}  // namespace fovea
