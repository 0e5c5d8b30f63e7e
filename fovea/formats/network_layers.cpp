#include "fovea/formats/network_layers.h"

#include "fovea/ops/adaptive_average_pool.h"
#include "fovea/ops/add.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/celu.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv_transpose.h"
#include "fovea/ops/dropout.h"
#include "fovea/ops/elu.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gelu.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/hard_sigmoid.h"
#include "fovea/ops/hard_swish.h"
#include "fovea/ops/identity.h"
#include "fovea/ops/input.h"
#include "fovea/ops/leaky_relu.h"
#include "fovea/ops/locally_connected.h"
#include "fovea/ops/lp_pool.h"
#include "fovea/ops/mish.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/normalise.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/prelu.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/resize.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/selu.h"
#include "fovea/ops/sigmoid.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/softmax.h"
#include "fovea/ops/softplus.h"
#include "fovea/ops/softsign.h"
#include "fovea/ops/tanh.h"
#include "fovea/ops/thresholded_relu.h"
#include "fovea/ops/window.h"

namespace fovea {

namespace {

constexpr int64_t kMostChannels = int64_t{1} << 20, kLargestWindow = 4096;

size_t axes_of(const DescribedLayer& layer) { return layer.shape().size() - 2; }

// One number for all spatial axes, or one an axis.
Ints sizes(const DescribedLayer& layer, std::string_view key, int64_t least, int64_t otherwise) {
  Ints values = layer.section.integers(key, least, kLargestWindow);
  if (values.empty()) values = otherwise;
  if (values.size() == 1) values.resize(axes_of(layer), values[0]);
  if (values.size() != axes_of(layer))
    layer.section.wrong(key, "expected one number, or {} (the input is {})", axes_of(layer), to_string(layer.shape()));
  return values;
}

Ints required_sizes(const DescribedLayer& layer, std::string_view key) {
  if (!layer.section.has(key)) layer.section.wrong("", "it needs `{}`", key);
  return sizes(layer, key, 1, 1);
}

// The number of outputs: a number, or "classes".
int64_t out_of(const DescribedLayer& layer) {
  const TomlValue* v = layer.section.find("out");
  if (!v) layer.section.wrong("", "it needs `out`: the number of its outputs, or \"classes\"");
  if (v->kind != TomlValue::Kind::text) return layer.section.integer("out", 0, 1, kMostChannels);
  if (v->text != "classes") layer.section.wrong("out", "expected a number or \"classes\", got {}", v->described());
  if (layer.builder.classes <= 0) layer.section.wrong("out", "[network] does not say how many classes there are");
  return layer.builder.classes;
}

struct Window {
  Ints kernel, stride, dilation, pad;
};

// pad = "same": as much on both sides as keeps the size at stride 1.
Window window_of(const DescribedLayer& layer, bool stride_is_kernel) {
  layer.one_input();
  layer.spatial();
  Window w;
  w.kernel = required_sizes(layer, "kernel");
  w.stride = sizes(layer, "stride", 1, 1);
  if (stride_is_kernel && !layer.section.has("stride")) w.stride = w.kernel;
  w.dilation = sizes(layer, "dilation", 1, 1);
  const TomlValue* pad = layer.section.find("pad");
  if (!pad || pad->kind != TomlValue::Kind::text) {
    w.pad = layer.section.integers("pad", 0, kLargestWindow);
    const size_t axes = axes_of(layer);
    if (w.pad.empty()) w.pad = 0;
    if (w.pad.size() != 1 && w.pad.size() != axes && w.pad.size() != 2 * axes)
      layer.section.wrong("pad", "expected \"same\", one number, {} (one an axis) or {} (all begins, then all ends)",
                          axes, 2 * axes);
    return w;
  }
  if (pad->text != "same") layer.section.wrong("pad", "expected numbers or \"same\", got {}", pad->described());
  for (size_t k = 0; k < w.kernel.size(); ++k) {
    if (w.kernel[k] % 2 == 0) layer.section.wrong("pad", "\"same\" is for odd windows, this is {}", w.kernel[k]);
    w.pad.push_back((w.kernel[k] - 1) / 2 * w.dilation[k]);
  }
  return w;
}

Shape shape_of(std::initializer_list<int64_t> first, const Ints& rest) {
  Shape shape(first);
  shape.insert(shape.end(), rest.begin(), rest.end());
  return shape;
}

int64_t groups_of(const DescribedLayer& layer, int64_t channels) {
  const int64_t groups = layer.section.integer("groups", 1, 1, kMostChannels);
  if (channels % groups != 0) layer.section.wrong("groups", "{} channels are not divided by {}", channels, groups);
  return groups;
}

// A layer that a norm follows needs no bias.
bool bias_of(const DescribedLayer& layer) {
  return layer.section.flag("bias", layer.section.text("norm", "none") == "none");
}

Value conv_layer(const DescribedLayer& layer) {
  const Window w = window_of(layer, false);
  const int64_t in = layer.shape()[1], groups = groups_of(layer, in), out = out_of(layer);
  if (out % groups != 0) layer.section.wrong("out", "{} outputs are not divided by {} groups", out, groups);
  const Value weight = layer.parameter("weight", shape_of({out, in / groups}, w.kernel));
  const Value bias = bias_of(layer) ? layer.parameter("bias", {out}) : Value{};
  return layer.named(conv(layer.graph(), layer.x(), weight, bias,
                          {.stride = w.stride, .dilation = w.dilation, .pad = w.pad, .groups = groups}));
}

Value conv_transpose_layer(const DescribedLayer& layer) {
  const Window w = window_of(layer, false);
  const int64_t in = layer.shape()[1], groups = groups_of(layer, in), out = out_of(layer);
  if (out % groups != 0) layer.section.wrong("out", "{} outputs are not divided by {} groups", out, groups);
  const Value weight = layer.parameter("weight", shape_of({in, out / groups}, w.kernel));
  const Value bias = bias_of(layer) ? layer.parameter("bias", {out}) : Value{};
  return layer.named(conv_transpose(layer.graph(), layer.x(), weight, bias,
                                    {.stride = w.stride,
                                     .dilation = w.dilation,
                                     .pad = w.pad,
                                     .groups = groups,
                                     .output_padding = sizes(layer, "output_padding", 0, 0)}));
}

Value locally_connected_layer(const DescribedLayer& layer) {
  const Window w = window_of(layer, false);
  const Shape x = layer.shape();
  const int64_t out = out_of(layer);
  int64_t positions = 1;
  Ints spatial;
  for (const WindowAxis& axis : window_axes(spatial_sizes(x), {w.kernel, w.stride, w.dilation, w.pad})) {
    spatial.push_back(axis.output);
    positions *= axis.output;  // below 2^34, as is every layer's size
  }
  const Value weight = layer.parameter("weight", shape_of({positions, out, x[1]}, w.kernel));
  const Value bias = bias_of(layer) ? layer.parameter("bias", shape_of({out}, spatial)) : Value{};
  return layer.named(locally_connected(layer.graph(), layer.x(), weight, bias,
                                       {.stride = w.stride, .dilation = w.dilation, .pad = w.pad}));
}

Value linear_layer(const DescribedLayer& layer) {
  layer.one_input();
  Value x = layer.x();
  if (layer.shape().rank() != 2) x = layer.named(flatten(layer.graph(), x), "flatten");
  const int64_t in = layer.graph().shape(x)[1], out = out_of(layer);
  const Value weight = layer.parameter("weight", {out, in});
  const Value bias = bias_of(layer) ? layer.parameter("bias", {out}) : Value{};
  return layer.named(gemm(layer.graph(), x, weight, bias, {.trans_b = true}));
}

Value max_pool_layer(const DescribedLayer& layer) {
  const Window w = window_of(layer, true);
  return layer.named(max_pool(layer.graph(), layer.x(),
                              {.kernel = w.kernel,
                               .stride = w.stride,
                               .dilation = w.dilation,
                               .pad = w.pad,
                               .ceil = layer.section.flag("ceil", false)}));
}

Value average_pool_layer(const DescribedLayer& layer) {
  const Window w = window_of(layer, true);
  return layer.named(average_pool(layer.graph(), layer.x(),
                                  {.kernel = w.kernel,
                                   .stride = w.stride,
                                   .dilation = w.dilation,
                                   .pad = w.pad,
                                   .ceil = layer.section.flag("ceil", false),
                                   .include_pad = layer.section.flag("include_pad", false)}));
}

Value lp_pool_layer(const DescribedLayer& layer) {
  const Window w = window_of(layer, true);
  return layer.named(lp_pool(layer.graph(), layer.x(),
                             {.kernel = w.kernel,
                              .stride = w.stride,
                              .dilation = w.dilation,
                              .pad = w.pad,
                              .ceil = layer.section.flag("ceil", false),
                              .p = layer.section.number("p", 2, 1, 100)}));
}

Value global_average(const DescribedLayer& layer) {
  layer.spatial();
  return layer.named(global_average_pool(layer.graph(), layer.x()));
}
Value global_max(const DescribedLayer& layer) {
  layer.spatial();
  return layer.named(global_max_pool(layer.graph(), layer.x()));
}
Value global_lp(const DescribedLayer& layer) {
  layer.spatial();
  return layer.named(global_lp_pool(layer.graph(), layer.x(), layer.section.number("p", 2, 1, 100)));
}
Value adaptive_average(const DescribedLayer& layer) {
  layer.one_input();
  layer.spatial();
  return layer.named(adaptive_average_pool(layer.graph(), layer.x(), required_sizes(layer, "size")));
}

Value lrn_layer(const DescribedLayer& layer) {
  TomlSection& s = layer.section;
  return layer.named(lrn(layer.graph(), layer.x(),
                         {.size = s.integer("size", 5, 1, kMostChannels),
                          .alpha = s.number("alpha", 1e-4, 0, 1e6),
                          .beta = s.number("beta", 0.75, 0, 100),
                          .bias = s.number("bias", 1, 1e-6, 1e6)}));
}

double epsilon_of(const DescribedLayer& layer) { return layer.section.number("epsilon", 1e-5, 1e-12, 1); }

Value batch_norm_layer(const DescribedLayer& layer) {
  const Shape channels{layer.shape()[1]};
  const Value scale = layer.parameter("weight", channels), shift = layer.parameter("bias", channels);
  const Value mean = layer.parameter("running_mean", channels), variance = layer.parameter("running_var", channels);
  return layer.named(
      batch_norm(layer.graph(), layer.x(), scale, shift, mean, variance, {.epsilon = epsilon_of(layer)}));
}
Value instance_norm_layer(const DescribedLayer& layer) {
  layer.spatial();
  const Shape channels{layer.shape()[1]};
  const Value scale = layer.parameter("weight", channels), shift = layer.parameter("bias", channels);
  return layer.named(instance_norm(layer.graph(), layer.x(), scale, shift, epsilon_of(layer)));
}
Value group_norm_layer(const DescribedLayer& layer) {
  layer.spatial();
  const Shape channels{layer.shape()[1]};
  if (!layer.section.has("groups")) layer.section.wrong("", "it needs `groups`");
  const int64_t groups = groups_of(layer, channels[0]);
  const Value scale = layer.parameter("weight", channels), shift = layer.parameter("bias", channels);
  return layer.named(group_norm(layer.graph(), layer.x(), scale, shift, groups, epsilon_of(layer)));
}

Value dropout_layer(const DescribedLayer& layer) {
  const double rate = layer.section.number("rate", 0.5, 0, 0.999);
  return layer.named(dropout(layer.graph(), layer.x(), DropoutAttributes{rate}));
}
Value softmax_layer(const DescribedLayer& layer) { return layer.named(softmax(layer.graph(), layer.x(), {.axis = 1})); }
Value log_softmax_layer(const DescribedLayer& layer) {
  return layer.named(log_softmax(layer.graph(), layer.x(), {.axis = 1}));
}
Value flatten_layer(const DescribedLayer& layer) { return layer.named(flatten(layer.graph(), layer.x())); }
Value identity_layer(const DescribedLayer& layer) { return layer.named(identity(layer.graph(), layer.x())); }
Value scale_layer(const DescribedLayer& layer) {
  if (!layer.section.has("factor")) layer.section.wrong("", "it needs `factor`");
  return layer.named(scale(layer.graph(), layer.x(), layer.section.number("factor", 1, -1e6, 1e6)));
}

Value concat_layer(const DescribedLayer& layer) { return layer.named(concat(layer.graph(), layer.inputs, 1)); }
// Folds the inputs from the left.
Value folded(const DescribedLayer& layer, Value (*join)(Graph&, Value, Value)) {
  if (layer.inputs.size() < 2) layer.section.wrong("from", "it joins two layers or more: from = [\"a\", \"b\"]");
  Value result = layer.inputs[0];
  for (size_t k = 1; k < layer.inputs.size(); ++k) {
    const Shape &a = layer.shape(), &b = layer.graph().shape(layer.inputs[k]);
    if (a != b) layer.section.wrong("from", "sizes differ: {} and {}", to_string(a), to_string(b));
    if (k > 1) layer.named(result, "partial" + std::to_string(k - 1));
    result = join(layer.graph(), result, layer.inputs[k]);
  }
  return layer.named(result);
}
Value add_layer(const DescribedLayer& layer) { return folded(layer, add); }
Value multiply_layer(const DescribedLayer& layer) { return folded(layer, mul); }

Value upsample_layer(const DescribedLayer& layer) {
  layer.one_input();
  layer.spatial();
  const bool linear = layer.section.choice("mode", "nearest", {"nearest", "linear"}) == "linear";
  const int64_t factor = layer.section.integer("factor", 2, 1, 64);
  Ints result = spatial_sizes(layer.shape());
  for (int64_t& size : result) size *= factor;
  ResizeAttributes how;
  if (linear) how.mode = "linear";
  else how.coordinates = "asymmetric", how.nearest = "floor";
  return layer.named(resize_to(layer.graph(), layer.x(), result, how));
}

// The way around a residual block. Nothing where sizes stay; else option B, a convolution 1×1 and a batch norm, or A,
// every stride-th pixel and channels of zeros. Source: He et al., CVPR 2016, section 3.3.
Value shortcut_layer(const DescribedLayer& layer) {
  layer.one_input();
  layer.spatial();
  const int64_t in = layer.shape()[1], out = out_of(layer), stride = layer.section.integer("stride", 1, 1, 64);
  const bool projects = layer.section.choice("option", "B", {"A", "B"}) == "B";
  Value x = layer.x();
  Graph& g = layer.graph();
  if (in == out && stride == 1) return x;
  if (projects) {
    const Value weight = layer.parameter("weight", shape_of({out, in}, Ints(std::vector<int64_t>(axes_of(layer), 1))));
    x = layer.named(conv(g, x, weight, {}, {.stride = stride}));
    const DescribedLayer norm{layer.builder, layer.section, layer.name + ".norm", {x}};
    return batch_norm_layer(norm);
  }
  if (out < in) layer.section.wrong("out", "option A adds channels, {} are fewer than the input's {}", out, in);
  const int64_t rank = layer.shape().rank();
  for (int64_t axis = 2; axis < rank && stride > 1; ++axis)
    x = layer.named(slice(g, x, axis, 0, g.shape(x)[static_cast<size_t>(axis)], stride),
                    "slice" + std::to_string(axis - 1));
  if (out == in) return layer.named(x);
  Ints before(std::vector<int64_t>(static_cast<size_t>(rank), 0)), after = before;
  before[1] = (out - in) / 2;
  after[1] = out - in - before[1];
  return layer.named(pad(g, x, before, after));
}

// Activations: one input of any shape.
template <Value (*F)(Graph&, Value)>
Value plain(const DescribedLayer& layer) {
  return layer.named(F(layer.graph(), layer.x()));
}
Value swish_layer(const DescribedLayer& layer) {
  const Value gate = layer.named(sigmoid(layer.graph(), layer.x()), "sigmoid");
  return layer.named(mul(layer.graph(), layer.x(), gate));
}
Value scaled_tanh_layer(const DescribedLayer& layer) {
  Graph& g = layer.graph();
  const Value inner = layer.named(scale(g, layer.x(), 2.0 / 3), "inner");
  return layer.named(scale(g, layer.named(tanh(g, inner), "tanh"), 1.7159));
}
Value leaky_relu_layer(const DescribedLayer& layer) {
  return layer.named(leaky_relu(layer.graph(), layer.x(), {.alpha = layer.section.number("slope", 0.01, 0, 100)}));
}
Value prelu_layer(const DescribedLayer& layer) {
  Shape slopes(std::vector<int64_t>(layer.shape().size() - 1, 1));
  slopes[0] = layer.shape()[1];
  return layer.named(prelu(layer.graph(), layer.x(), layer.parameter("weight", slopes)));
}
Value elu_layer(const DescribedLayer& layer) {
  return layer.named(elu(layer.graph(), layer.x(), {.alpha = layer.section.number("alpha", 1, 1e-6, 100)}));
}
Value celu_layer(const DescribedLayer& layer) {
  return layer.named(celu(layer.graph(), layer.x(), {.alpha = layer.section.number("alpha", 1, 1e-6, 100)}));
}
Value selu_layer(const DescribedLayer& layer) { return layer.named(selu(layer.graph(), layer.x())); }
Value gelu_layer(const DescribedLayer& layer) {
  return layer.named(
      gelu(layer.graph(), layer.x(), {.approximate = layer.section.choice("approximate", "none", {"none", "tanh"})}));
}
Value hard_sigmoid_layer(const DescribedLayer& layer) { return layer.named(hard_sigmoid(layer.graph(), layer.x())); }
Value thresholded_relu_layer(const DescribedLayer& layer) {
  return layer.named(
      thresholded_relu(layer.graph(), layer.x(), {.alpha = layer.section.number("threshold", 1, 0, 1e6)}));
}

constexpr std::string_view kWindowKeys = "`kernel`; `stride` the kernel's size, `dilation` 1, `pad` 0, `ceil` false";
const LayerKind kKinds[] = {
    {"conv", "`out`, `kernel`; `stride` 1, `dilation` 1, `pad` 0 or \"same\", `groups` 1, `bias` true",
     "convolution over 1, 2 or 3 spatial axes; weight [O,I/G,K…]", conv_layer, true},
    {"locally_connected", "`out`, `kernel`; `stride` 1, `dilation` 1, `pad` 0, `bias` true",
     "a convolution whose weights are not shared; weight [P,O,I,K…]", locally_connected_layer, true},
    {"conv_transpose",
     "`out`, `kernel`; `stride` 1, `dilation` 1, `pad` 0, `groups` 1, `output_padding` 0, `bias` true",
     "the adjoint of a convolution: (size − 1) · stride + kernel − 2 pad; weight [I,O/G,K…]", conv_transpose_layer,
     true},
    {"linear", "`out`; `bias` true", "fully connected; the input is flattened; weight [O,I]", linear_layer, true},
    {"max_pool", kWindowKeys, "the largest of each window", max_pool_layer},
    {"average_pool", "`kernel`; `stride` the kernel's size, `dilation` 1, `pad` 0, `ceil` false, `include_pad` false",
     "the mean of each window", average_pool_layer},
    {"lp_pool", "`kernel`; `stride` the kernel's size, `dilation` 1, `pad` 0, `ceil` false, `p` 2",
     "(Σ abs(x)^p)^(1/p) of each window", lp_pool_layer},
    {"global_average_pool", "", "the mean of each plane: [N,C,1,1]", global_average},
    {"global_max_pool", "", "the largest of each plane: [N,C,1,1]", global_max},
    {"global_lp_pool", "`p` 2", "(Σ abs(x)^p)^(1/p) of each plane: [N,C,1,1]", global_lp},
    {"adaptive_average_pool", "`size`", "means over windows that cover the input evenly: [N,C,size]", adaptive_average},
    {"lrn", "`size` 5, `alpha` 1e-4, `beta` 0.75, `bias` 1",
     "local response normalisation across channels; alpha is divided by size", lrn_layer},
    {"batch_norm", "`epsilon` 1e-5", "each channel by its statistics; weight, bias, running_mean, running_var [C]",
     batch_norm_layer},
    {"instance_norm", "`epsilon` 1e-5", "each plane by its own statistics; weight, bias [C]", instance_norm_layer},
    {"group_norm", "`groups`; `epsilon` 1e-5", "each group of channels by its own statistics; weight, bias [C]",
     group_norm_layer},
    {"dropout", "`rate` 0.5", "elements dropped in training; nothing otherwise", dropout_layer},
    {"softmax", "", "exp(x) / Σ exp(x) over the channels", softmax_layer},
    {"log_softmax", "", "x − log Σ exp(x) over the channels", log_softmax_layer},
    {"flatten", "", "[N,C,H,W] → [N,C·H·W]", flatten_layer},
    {"concat", "`from`", "the inputs one after the other along the channels", concat_layer, false, false, true},
    {"add", "`from`", "the sum of inputs of one size", add_layer, false, false, true},
    {"multiply", "`from`", "the product of inputs of one size", multiply_layer, false, false, true},
    {"scale", "`factor`", "x · factor", scale_layer},
    {"upsample", "`factor` 2, `mode` \"nearest\" or \"linear\"", "a larger picture", upsample_layer},
    {"shortcut", "`out`; `stride` 1, `option` \"B\" or \"A\"",
     "the way around a residual block: nothing where sizes stay, else B: 1×1 convolution (weight) and batch norm "
     "(norm.weight, …), A: every stride-th pixel and channels of zeros",
     shortcut_layer},
    {"relu", "", "max(0, x)", plain<relu>, false, true},
    {"leaky_relu", "`slope` 0.01", "x, slope · x below 0", leaky_relu_layer, false, true},
    {"prelu", "", "the same with a learned slope a channel; weight [C,1,1]", prelu_layer, false, true},
    {"elu", "`alpha` 1", "x, alpha (e^x − 1) below 0", elu_layer, false, true},
    {"celu", "`alpha` 1", "x, alpha (e^(x/alpha) − 1) below 0", celu_layer, false, true},
    {"selu", "", "the self-normalising ELU", selu_layer, false, true},
    {"gelu", "`approximate` \"none\" or \"tanh\"", "x Φ(x)", gelu_layer, false, true},
    {"swish", "", "x σ(x)", swish_layer, false, true},
    {"hard_swish", "", "x max(0, min(1, x/6 + 1/2))", plain<hard_swish>, false, true},
    {"mish", "", "x tanh(softplus(x))", plain<mish>, false, true},
    {"sigmoid", "", "1 / (1 + e^−x)", plain<sigmoid>, false, true},
    {"hard_sigmoid", "", "max(0, min(1, 0.2 x + 0.5))", hard_sigmoid_layer, false, true},
    {"tanh", "", "tanh(x)", plain<tanh>, false, true},
    {"scaled_tanh", "", "1.7159 tanh(2x/3), LeCun's", scaled_tanh_layer, false, true},
    {"softplus", "", "ln(1 + e^x)", plain<softplus>, false, true},
    {"softsign", "", "x / (1 + abs(x))", plain<softsign>, false, true},
    {"thresholded_relu", "`threshold` 1", "x above the threshold, else 0", thresholded_relu_layer, false, true},
    {"identity", "", "x", identity_layer, false, true},
};

}  // namespace

void DescribedLayer::one_input() const {
  if (inputs.size() != 1) section.wrong("from", "expected one layer, got {}", inputs.size());
}

void DescribedLayer::spatial() const {
  if (shape().rank() < 3) section.wrong("", "expected an input with spatial axes, it is {}", to_string(shape()));
}

Value DescribedLayer::parameter(std::string_view part, const Shape& shape) const {
  const std::string full = fmt::format("{}.{}", name, part);
  if (!is_sane(shape, sizeof(float))) section.wrong("", "the weight {} would be {}", full, to_string(shape));
  if (graph().find(full) >= 0) section.wrong("", "its weight {} has the name of another layer or weight", full);
  return builder.parameter(full, shape);
}

Value DescribedLayer::named(Value value, std::string_view part) const {
  std::string full = part.empty() ? name : fmt::format("{}.{}", name, part);
  if (graph().node(value).name == full) return value;
  if (graph().find(full) >= 0) section.wrong("", "the name {} is taken", full);
  return builder.named(std::move(full), value);
}

std::span<const LayerKind> layer_kinds() { return kKinds; }

const LayerKind* find_layer_kind(std::string_view name) {
  for (const LayerKind& kind : kKinds)
    if (kind.name == name) return &kind;
  return nullptr;
}

std::vector<std::string> layer_kind_names(bool activations) {
  std::vector<std::string> names;
  for (const LayerKind& kind : kKinds)
    if (kind.activation || !activations) names.emplace_back(kind.name);
  return names;
}

}  // namespace fovea
