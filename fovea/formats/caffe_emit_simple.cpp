// Elementwise operators, normalisations and operators that move elements as Caffe's layers.
#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/formats/caffe_emit.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/channel_affine.h"
#include "fovea/ops/clip.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/dropout.h"
#include "fovea/ops/elu.h"
#include "fovea/ops/leaky_relu.h"
#include "fovea/ops/lrn.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/softmax.h"
#include "fovea/ops/split.h"

namespace fovea {

bool emit_caffe_deconvolution(CaffeEmission& e, Value adjoint, const Tensor& bias);

namespace {

// Numbers that broadcast to x, cut to the axes they cover: [from, from + shape.rank()).
struct Covering {
  int64_t from = 0;
  Tensor numbers;
};

std::optional<Covering> covering(const Shape& x, const Tensor& numbers) {
  if (numbers.rank() > x.rank()) return std::nullopt;
  if (numbers.count() == 1) return Covering{0, numbers.reshaped({})};
  Shape full(static_cast<size_t>(x.rank() - numbers.rank()), 1);
  full.insert(full.end(), numbers.shape().begin(), numbers.shape().end());
  const auto is_one = [](int64_t size) { return size == 1; };
  const int64_t from = std::find_if_not(full.begin(), full.end(), is_one) - full.begin();
  const int64_t end = full.rend() - std::find_if_not(full.rbegin(), full.rend(), is_one);
  if (!std::equal(full.begin() + from, full.begin() + end, x.begin() + from)) return std::nullopt;
  return Covering{from, numbers.reshaped(Shape(full.begin() + from, full.begin() + end))};
}

template <class Parameter>
void set_axes(Parameter& p, const Covering& c) {
  if (c.from != 1) p.set_axis(static_cast<int32_t>(c.from));
  if (c.numbers.rank() != 1) p.set_num_axes(static_cast<int32_t>(c.numbers.rank()));
}

// The operand of a commutative operator that no run changes, with its numbers; the other depends on the picture.
struct Sides {
  Value other;
  std::optional<Covering> numbers;
  bool constant = false;  // one number that is no weight: a setting of the layer
};
Sides sides(CaffeEmission& e, const Node& node, const Shape& result) {
  for (const size_t k : {size_t{1}, size_t{0}}) {
    const auto numbers = e.numbers(node.inputs[k]);
    if (!numbers || e.graph.shape(node.inputs[1 - k]) != result) continue;
    return {node.inputs[1 - k], covering(result, *numbers),
            numbers->count() == 1 && e.graph.known(node.inputs[k]) != nullptr};
  }
  return {};
}

void eltwise(CaffeEmission& e, caffe::EltwiseParameter::EltwiseOp operation) {
  if (e.shape(0) != e.shape(1)) e.refuse("Caffe's Eltwise does not broadcast");
  e.layer("Eltwise", e.node.inputs).mutable_eltwise_param()->set_operation(operation);
}

void add_node(CaffeEmission& e) {
  const Sides s = sides(e, e.node, e.result());
  if (!s.numbers) return eltwise(e, caffe::EltwiseParameter::SUM);
  if (s.constant)
    return e.layer("Power", {s.other}).mutable_power_param()->set_shift(s.numbers->numbers.data<float>()[0]);
  if (s.numbers->from == 1 && emit_caffe_deconvolution(e, s.other, s.numbers->numbers)) return;
  if (const Node* product = e.only(s.other, "mul")) {  // a learned factor and term over the same axes are one layer
    const Sides factor = sides(e, *product, e.result());
    if (factor.numbers && factor.numbers->from == s.numbers->from &&
        factor.numbers->numbers.shape() == s.numbers->numbers.shape()) {
      e.merge(s.other);
      auto& layer = e.layer("Scale", {factor.other});
      set_axes(*layer.mutable_scale_param(), *s.numbers);
      layer.mutable_scale_param()->set_bias_term(true);
      add_blob(layer, factor.numbers->numbers);
      add_blob(layer, s.numbers->numbers);
      return;
    }
  }
  auto& layer = e.layer("Bias", {s.other});
  set_axes(*layer.mutable_bias_param(), *s.numbers);
  add_blob(layer, s.numbers->numbers);
}

void mul_node(CaffeEmission& e) {
  const Sides s = sides(e, e.node, e.result());
  if (s.constant)
    return e.layer("Power", {s.other}).mutable_power_param()->set_scale(s.numbers->numbers.data<float>()[0]);
  if (s.numbers) {
    auto& layer = e.layer("Scale", {s.other});
    set_axes(*layer.mutable_scale_param(), *s.numbers);
    add_blob(layer, s.numbers->numbers);
    return;
  }
  if (e.shape(0) == e.shape(1)) return eltwise(e, caffe::EltwiseParameter::PROD);
  // A factor for each channel that depends on the picture: [N,C,1,1] over [N,C,H,W].
  for (const size_t k : {size_t{1}, size_t{0}}) {
    const Shape &x = e.shape(1 - k), &factor = e.shape(k);
    const bool fits = x == e.result() && factor.rank() == x.rank() && factor.count(2, factor.rank()) == 1 &&
                      factor[0] == x[0] && factor[1] == x[1];
    if (!fits) continue;
    auto& flat = e.step("Reshape", e.fresh(e.node.name + "/factor"), e.blob(e.node.inputs[k]));
    for (int axis = 0; axis < 2; ++axis) flat.mutable_reshape_param()->mutable_shape()->add_dim(0);
    if (factor.rank() > 2) flat.mutable_reshape_param()->mutable_shape()->set_dim(1, -1);
    const std::string bottom = flat.top(0);
    auto& layer = e.layer("Scale", {e.node.inputs[1 - k]});
    layer.add_bottom(bottom);
    layer.mutable_scale_param()->set_axis(0);
    return;
  }
  e.refuse("Caffe's Eltwise does not broadcast");
}

void sub_node(CaffeEmission& e) {
  if (e.shape(0) != e.shape(1)) e.refuse("Caffe's Eltwise does not broadcast");
  auto& p = *e.layer("Eltwise", e.node.inputs).mutable_eltwise_param();
  p.add_coeff(1);
  p.add_coeff(-1);
}

void max_node(CaffeEmission& e) { eltwise(e, caffe::EltwiseParameter::MAX); }

void batch_norm_node(CaffeEmission& e) {
  const Tensor scale = e.fixed(1, "its scale"), bias = e.fixed(2, "its bias");
  const Tensor mean = e.fixed(3, "its mean"), variance = e.fixed(4, "its variance");
  const auto is_all = [](const Tensor& t, float value) {
    const auto data = t.data<float>();
    return std::all_of(data.begin(), data.end(), [&](float v) { return v == value; });
  };
  const bool plain =
      e.graph.known(e.node.inputs[1]) && e.graph.known(e.node.inputs[2]) && is_all(scale, 1) && is_all(bias, 0);
  // The statistics keep their own name ("bn1" of bn1.running_mean) where it is free.
  std::string name = e.graph.node(e.node.inputs[3]).name;
  name = name.ends_with(".running_mean") ? name.substr(0, name.rfind('.')) : e.node.name + "/normalise";
  if (name == e.node.name) name += "/normalise";
  auto& norm = plain ? e.layer("BatchNorm") : e.step("BatchNorm", e.fresh(name), e.blob(e.node.inputs[0]));
  norm.mutable_batch_norm_param()->set_eps(static_cast<float>(e.as<BatchNormAttributes>().epsilon));
  add_blob(norm, mean);
  add_blob(norm, variance);
  add_blob(norm, Tensor::of<float>({1}, {1}));
  if (plain) return;
  const std::string top = norm.top(0);
  auto& layer = e.layer("Scale", {});
  layer.add_bottom(top);
  layer.mutable_scale_param()->set_bias_term(true);
  add_blob(layer, scale);
  add_blob(layer, bias);
}

void channel_affine_node(CaffeEmission& e) {
  const bool relu = e.as<ChannelAffineAttributes>().activation == "relu";
  const std::string blob = e.blob(e.node.inputs[0]);
  auto& layer = relu ? e.step("Scale", e.fresh(e.node.name + "/scale"), blob) : e.layer("Scale");
  layer.mutable_scale_param()->set_bias_term(true);
  add_blob(layer, e.fixed(1, "its scale"));
  add_blob(layer, e.fixed(2, "its shift"));
  if (!relu) return;
  const std::string top = layer.top(0);
  e.layer("ReLU", {}).add_bottom(top);
}

void prelu_node(CaffeEmission& e) {
  const auto c = covering(e.shape(), e.fixed(1, "its slope"));
  const bool shared = c && c->numbers.rank() == 0;
  if (!c || (!shared && (c->from != 1 || c->numbers.rank() != 1))) e.refuse("Caffe has a slope for each channel");
  auto& layer = e.layer("PReLU");
  if (shared) layer.mutable_prelu_param()->set_channel_shared(true);
  add_blob(layer, c->numbers);
}

void lrn_node(CaffeEmission& e) {
  const auto& a = e.as<LrnAttributes>();
  if (a.size % 2 == 0) e.refuse("Caffe's LRN has odd windows");
  auto& p = *e.layer("LRN").mutable_lrn_param();
  p.set_local_size(static_cast<uint32_t>(a.size));
  p.set_alpha(static_cast<float>(a.alpha));
  p.set_beta(static_cast<float>(a.beta));
  p.set_k(static_cast<float>(a.bias));
}

void softmax_node(CaffeEmission& e) {
  const int64_t axis = normal_axis(e.as<SoftmaxAttributes>().axis, e.shape().rank(), "softmax");
  auto& layer = e.layer("Softmax");
  if (axis != 1) layer.mutable_softmax_param()->set_axis(static_cast<int32_t>(axis));
}

void concat_node(CaffeEmission& e) {
  const int64_t axis = normal_axis(e.as<ConcatAttributes>().axis, e.shape().rank(), "concat");
  auto& layer = e.layer("Concat", e.node.inputs);
  if (axis != 1) layer.mutable_concat_param()->set_axis(static_cast<int32_t>(axis));
}

void split_node(CaffeEmission& e) {
  const int64_t axis = normal_axis(e.as<SplitAttributes>().axis, e.shape().rank(), "split");
  auto& p = *e.layer("Slice").mutable_slice_param();
  if (axis != 1) p.set_axis(static_cast<int32_t>(axis));
  int64_t point = 0;
  for (size_t k = 0; k + 1 < e.node.outputs.size(); ++k)
    p.add_slice_point(static_cast<uint32_t>(point += e.result(k)[static_cast<size_t>(axis)]));
}

void reshape_node(CaffeEmission& e) {
  const Shape &x = e.shape(), &y = e.result();
  if (x.rank() >= 1 && y == Shape{x[0], x.count(1, x.rank())}) {
    e.layer("Flatten");
    return;
  }
  auto& shape = *e.layer("Reshape").mutable_reshape_param()->mutable_shape();
  for (size_t k = 0; k < y.size(); ++k) shape.add_dim(k == 0 && !x.empty() && x[0] == y[0] ? 0 : y[k]);
}

void reduce_node(CaffeEmission& e) {
  const auto& a = e.as<ReduceAttributes>();
  const int64_t rank = e.shape().rank();
  std::vector<bool> reduced(static_cast<size_t>(rank), a.axes.empty());
  for (const int64_t axis : a.axes) reduced[static_cast<size_t>(normal_axis(axis, rank, "reduce"))] = true;
  const int64_t first = std::find(reduced.begin(), reduced.end(), true) - reduced.begin();
  const bool tail = std::find(reduced.begin() + first, reduced.end(), false) == reduced.end();
  if (rank == 4 && a.keep && first == 2 && tail && (a.kind == "max" || a.kind == "mean")) {
    auto& p = *e.layer("Pooling").mutable_pooling_param();
    p.set_pool(a.kind == "max" ? caffe::PoolingParameter::MAX : caffe::PoolingParameter::AVE);
    return p.set_global_pooling(true);
  }
  if (!tail || a.keep || (a.kind != "sum" && a.kind != "mean")) e.refuse("Caffe's Reduction sums the last axes");
  auto& p = *e.layer("Reduction").mutable_reduction_param();
  p.set_operation(a.kind == "sum" ? caffe::ReductionParameter::SUM : caffe::ReductionParameter::MEAN);
  p.set_axis(static_cast<int32_t>(first));
}

void pow_node(CaffeEmission& e) {
  const Tensor exponent = e.fixed(1, "its exponent");
  if (exponent.count() != 1) e.refuse("Caffe's Power has one exponent");
  e.layer("Power").mutable_power_param()->set_power(exponent.data<float>()[0]);
}

void clip_node(CaffeEmission& e) {
  const auto& a = e.as<ClipAttributes>();
  auto& p = *e.layer("Clip").mutable_clip_param();
  p.set_min(static_cast<float>(a.min));
  p.set_max(static_cast<float>(a.max));
}

void dropout_node(CaffeEmission& e) {
  if (e.has(1)) e.refuse("it is a training-time operator");
  e.layer("Dropout").mutable_dropout_param()->set_dropout_ratio(static_cast<float>(e.as<DropoutAttributes>().rate));
}

void elu_node(CaffeEmission& e) {
  e.layer("ELU").mutable_elu_param()->set_alpha(static_cast<float>(e.as<EluAttributes>().alpha));
}

void leaky_relu_node(CaffeEmission& e) {
  e.layer("ReLU").mutable_relu_param()->set_negative_slope(static_cast<float>(e.as<LeakyReluAttributes>().alpha));
}

struct Plain {
  std::string_view op, type;
};
constexpr Plain kPlain[] = {{"abs", "AbsVal"}, {"exp", "Exp"},         {"identity", "Split"}, {"log", "Log"},
                            {"relu", "ReLU"},  {"sigmoid", "Sigmoid"}, {"softplus", "BNLL"},  {"tanh", "TanH"}};

void plain_node(CaffeEmission& e) {
  for (const Plain& plain : kPlain)
    if (plain.op == e.node.op->name) e.layer(plain.type);
}

}  // namespace

std::span<const CaffeEmitter> caffe_simple_emitters() {
  static constexpr CaffeEmitter kEmitters[] = {
      {"abs", plain_node},
      {"add", add_node},
      {"batch_norm", batch_norm_node},
      {"channel_affine", channel_affine_node},
      {"clip", clip_node},
      {"concat", concat_node},
      {"dropout", dropout_node},
      {"elu", elu_node},
      {"exp", plain_node},
      {"flatten", reshape_node},
      {"identity", plain_node},
      {"leaky_relu", leaky_relu_node},
      {"log", plain_node},
      {"lrn", lrn_node},
      {"max", max_node},
      {"mul", mul_node},
      {"pow", pow_node},
      {"prelu", prelu_node},
      {"reduce", reduce_node},
      {"relu", plain_node},
      {"reshape", reshape_node},
      {"sigmoid", plain_node},
      {"softmax", softmax_node},
      {"softplus", plain_node},
      {"split", split_node},
      {"squeeze", reshape_node},
      {"sub", sub_node},
      {"tanh", plain_node},
      {"unsqueeze", reshape_node},
  };
  return kEmitters;
}

}  // namespace fovea
