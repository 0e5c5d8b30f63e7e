// normalise: y = (x − μ) · r, μ = mean of x, v = mean of (x − μ)², r = (v + ε)^(−1/2), over some axes of each sample.
// Instance, layer and group normalisation differ only in the axes and in how scale and bias broadcast.
// Source: ONNX InstanceNormalization-6, LayerNormalization-17, GroupNormalization-21.
#include "fovea/ops/normalise.h"

#include "fovea/ops/add.h"
#include "fovea/ops/div.h"
#include "fovea/ops/expand.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/window.h"

namespace fovea {

namespace {

Ints axes_from(int64_t first, int64_t rank) {
  Ints axes;
  for (int64_t k = first; k < rank; ++k) axes.push_back(k);
  return axes;
}

// A vector [C] under the shape [1,C,1...] of the given rank.
Value along_channels(Graph& g, Value v, int64_t rank) {
  Shape shape(static_cast<size_t>(rank), 1);
  shape[1] = g.shape(v).count();
  return reshape(g, v, shape);
}

void require_vector(const Graph& g, Value v, int64_t size, std::string_view where, std::string_view what) {
  require(g.shape(v) == Shape{size}, ErrorKind::shape, "{}: {} is {}, expected {}", where, what, to_string(g.shape(v)),
          size);
}

}  // namespace

Normalised normalise(Graph& g, Value x, const Ints& axes, double epsilon) {
  require(!axes.empty(), ErrorKind::usage, "normalise: no axes given");
  const ReduceAttributes mean_of{.kind = "mean", .axes = axes, .keep = true};
  const Value mean = reduce(g, x, mean_of);
  const Value centred = sub(g, x, mean);
  const Value variance = reduce(g, mul(g, centred, centred), mean_of);
  const Value deviation = sqrt(g, add(g, variance, scalar(g, epsilon, g.dtype(x))));
  const Value inverse = div(g, scalar(g, 1, g.dtype(x)), deviation);
  return {mul(g, centred, inverse), mean, inverse};
}

Value instance_norm(Graph& g, Value x, Value scale, Value bias, double epsilon) {
  const Shape shape = g.shape(x);
  spatial_sizes(shape);
  require_vector(g, scale, shape[1], "instance_norm", "scale");
  require_vector(g, bias, shape[1], "instance_norm", "bias");
  const Value y = normalise(g, x, axes_from(2, shape.rank()), epsilon).y;
  return add(g, mul(g, y, along_channels(g, scale, shape.rank())), along_channels(g, bias, shape.rank()));
}

Normalised layer_norm(Graph& g, Value x, Value scale, Value bias, int64_t axis, double epsilon) {
  const int64_t rank = g.shape(x).rank();
  Normalised result = normalise(g, x, axes_from(normal_axis(axis, rank, "layer_norm"), rank), epsilon);
  if (scale) result.y = mul(g, result.y, scale);
  if (bias) result.y = add(g, result.y, bias);
  return result;
}

Value group_norm(Graph& g, Value x, Value scale, Value bias, int64_t groups, double epsilon) {
  const Shape shape = g.shape(x);
  require(shape.rank() >= 2 && groups >= 1 && shape[1] % groups == 0, ErrorKind::shape,
          "group_norm: {} groups do not divide the channels of {}", groups, to_string(shape));
  const Shape grouped{shape[0], groups, shape[1] / groups * shape.count(2, shape.rank())};
  const Value y = reshape(g, normalise(g, reshape(g, x, grouped), 2, epsilon).y, shape);
  const auto parameter_of = [&](Value v, std::string_view what) {
    if (g.shape(v) == Shape{groups} && groups != shape[1])
      v = reshape(g, expand(g, reshape(g, v, Shape{groups, 1}), Shape{groups, shape[1] / groups}), Shape{shape[1]});
    require_vector(g, v, shape[1], "group_norm", what);
    return along_channels(g, v, shape.rank());
  };
  return add(g, mul(g, y, parameter_of(scale, "scale")), parameter_of(bias, "bias"));
}

}  // namespace fovea
