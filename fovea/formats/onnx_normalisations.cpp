// ONNX normalisations, softmax and dropout.
#include "fovea/formats/onnx_node.h"
#include "fovea/ops/add.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/batch_norm_training.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/constant_of_shape.h"
#include "fovea/ops/dropout.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/input.h"
#include "fovea/ops/lrn.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/normalise.h"
#include "fovea/ops/reciprocal.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/shape.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/softmax.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

// Before opset 9, spatial 0 means a mean and a variance for every element of C,H,W.
std::vector<Value> element_norm(OnnxNode& n, double epsilon) {
  Graph& g = n.graph;
  const Value centred = sub(g, n.in(0), n.in(3));
  const Value normal = mul(g, centred, reciprocal(g, sqrt(g, shift(g, n.in(4), epsilon))));
  return {add(g, mul(g, normal, n.in(1)), n.in(2))};
}

// running ← momentum · running + (1 − momentum) · batch; the variance is the biased one.
std::vector<Value> training_norm(OnnxNode& n, double epsilon, double momentum) {
  Graph& g = n.graph;
  const Value y = batch_norm_training(g, n.in(0), n.in(1), n.in(2), {.epsilon = epsilon});
  std::vector<Value> result{y};
  for (int k = 1; k <= 2; ++k)
    result.push_back(add(g, scale(g, n.in(static_cast<size_t>(k) + 2), momentum), scale(g, {y.node, k}, 1 - momentum)));
  return result;
}

// Old forms say is_test 0 or 1; files with one output mean inference either way, as every runtime reads them.
std::vector<Value> batch_normalisation(OnnxNode& n) {
  const double epsilon = n.real("epsilon", 1e-5f), momentum = n.real("momentum", 0.9f);
  bool training = false;
  if (n.opset < 7) n.ignore("is_test");
  if (n.opset >= 14) training = n.flag("training_mode", false);
  else
    for (int k = 1; k < n.proto.output_size(); ++k)
      require(!n.wants(k), ErrorKind::unsupported, "unsupported output {}: training before opset 14", k);
  if (n.opset < 9 && !n.flag("spatial", true)) return element_norm(n, epsilon);
  if (training) return training_norm(n, epsilon, momentum);
  return {batch_norm(n.graph, n.in(0), n.in(1), n.in(2), n.in(3), n.in(4), {.epsilon = epsilon})};
}

std::vector<Value> instance_normalisation(OnnxNode& n) {
  return {instance_norm(n.graph, n.in(0), n.in(1), n.in(2), n.real("epsilon", 1e-5f))};
}

std::vector<Value> group_normalisation(OnnxNode& n) {
  const double epsilon = n.real("epsilon", 1e-5f);
  require(n.integer("stash_type", 1) == 1, ErrorKind::unsupported, "unsupported stash_type");
  return {group_norm(n.graph, n.in(0), n.in(1), n.in(2), n.integer("num_groups", 0), epsilon)};
}

std::vector<Value> layer_normalisation(OnnxNode& n) {
  const double epsilon = n.real("epsilon", 1e-5f);
  require(n.integer("stash_type", 1) == 1, ErrorKind::unsupported, "unsupported stash_type");
  const Normalised all = layer_norm(n.graph, n.in(0), n.in(1), n.maybe(2), n.integer("axis", -1), epsilon);
  return {all.y, all.mean, all.inverse_deviation};
}

std::vector<Value> mean_variance_normalisation(OnnxNode& n) {
  Ints axes = n.ints("axes");
  if (axes.empty()) axes = Ints{0, 2, 3};
  return {normalise(n.graph, n.in(0), axes, 1e-9).y};
}

std::vector<Value> local_response(OnnxNode& n) {
  return {lrn(n.graph, n.in(0),
              {.size = n.integer("size", 0),
               .alpha = n.real("alpha", 1e-4f),
               .beta = n.real("beta", 0.75),
               .bias = n.real("bias", 1)})};
}

// Before opset 13 all axes from `axis` on count as one.
template <Value (*f)(Graph&, Value, SoftmaxAttributes)>
std::vector<Value> normalised_exponential(OnnxNode& n) {
  Graph& g = n.graph;
  const Value x = n.in(0);
  if (n.opset >= 13) return {f(g, x, {.axis = n.integer("axis", -1)})};
  const Shape shape_now = n.shape(0);
  const int64_t axis = n.axis(n.integer("axis", 1), shape_now.rank(), true);
  if (axis + 1 == shape_now.rank()) return {f(g, x, {.axis = axis})};
  return {reshape(g, f(g, flatten(g, x, axis), {.axis = 1}), shape(g, x))};
}

// Random only in training; the mask of an identity is all true (of x's type before opset 10).
std::vector<Value> dropped(OnnxNode& n) {
  Graph& g = n.graph;
  n.ignore("seed");
  if (n.opset < 7) n.ignore("is_test");
  double ratio = n.opset < 12 ? n.real("ratio", 0.5) : 0.5;
  if (n.opset >= 12 && n.has(1) && (n.has(2) || n.graph.known(n.in(1)))) {
    const std::vector<double> given = n.known_doubles(1, "ratio");
    require(given.size() == 1, ErrorKind::format, "ratio has {} elements", given.size());
    ratio = given[0];
  }
  if (n.has(2)) {
    const Tensor& training = n.known(2, "training_mode");
    require(training.count() == 1, ErrorKind::format, "training_mode has {} elements", training.count());
    require(training.at(0) == 0 || ratio == 0, ErrorKind::unsupported,
            "unsupported training_mode: its random numbers are not defined");
  }
  const bool remembered = (n.dtype(0) == DType::f32 || n.dtype(0) == DType::f64) && ratio >= 0 && ratio < 1;
  if (!n.wants(1)) return {remembered ? dropout(g, n.in(0), DropoutAttributes{ratio}) : n.in(0)};
  const DType mask = n.opset < 10 ? n.dtype(0) : DType::boolean;
  return {n.in(0), constant_of_shape(g, shape(g, n.in(0)), {.value = Tensor::full(mask, {}, 1)})};
}

constexpr OnnxOperator kOperators[] = {
    {"BatchNormalization", batch_normalisation},
    {"Dropout", dropped},
    {"GroupNormalization", group_normalisation},
    {"InstanceNormalization", instance_normalisation},
    {"LRN", local_response},
    {"LayerNormalization", layer_normalisation},
    {"LogSoftmax", normalised_exponential<log_softmax>},
    {"MeanVarianceNormalization", mean_variance_normalisation},
    {"Softmax", normalised_exponential<softmax>},
};

}  // namespace

std::span<const OnnxOperator> onnx_normalise_operators() { return kOperators; }

}  // namespace fovea
