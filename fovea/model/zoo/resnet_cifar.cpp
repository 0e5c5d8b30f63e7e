// Residual networks for CIFAR: three layers of n blocks of 16, 32, 64 channels at 32×32, 16×16, 8×8 pixels.
//
//   resnetD_cifar              conv1 3×3, 16 · blocks relu(3×3 · 3×3 + x) · average · linear      D = 6n + 2
//                              20 (n = 3), 32, 44, 56, 110 (n = 18), 1202 (n = 200)
//     shortcuts where sizes change: option A takes every second pixel and adds channels of zeros, half of them before
//     and half behind; option B ("…_cifar_b") is a 1×1 convolution and a batch norm
//   preresnet110_cifar         BN · relu · 3×3 · BN · relu · 3×3, + x, no relu after it; option A       D = 6n + 2
//   preresnet164_, 1001_cifar  bottlenecks BN · relu · 1×1 · BN · relu · 3×3 · BN · relu · 1×1, 4 times as wide; the
//                              stride is in the first 1×1; 1×1 shortcuts without batch norm             D = 9n + 2
//     a block that changes sizes by a convolution, and the first block of all, normalise before they split in two
//   resnetD_stochastic_cifar   resnetD_cifar whose branch l of L survives a training step with probability
//                              p_l = 1 − l/L · (1 − p_L), p_L = 0.5; at inference it is scaled by it:
//                              "<block>.survival"
//
// Names: those of the state dicts of akamaster's repository (conv1, bn1, layer1.0.conv1, layer2.0.shortcut.0, linear);
// "layer1.0" is the block's output, "layer1.0.relu" the relu inside, "layer1.0.add" the sum, "layer2.0.shortcut" the
// parameter-free shortcut. The pre-activation networks are named alike, with bn1, relu1 before conv1 of a block; "bn"
// and "relu" stand behind the last block.
//
// Source: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016, section 4.2; the same,
// "Identity mappings in deep residual networks", ECCV 2016, section 4 and appendix; Huang, Sun, Liu, Sedra &
// Weinberger, "Deep networks with stochastic depth", ECCV 2016, equations 4 and 5.
#include "fovea/model/zoo/resnet_cifar.h"

#include "fovea/model/zoo/families.h"
#include "fovea/ops/add.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/slice.h"

namespace fovea {

namespace {

constexpr std::string_view kSurvival = ".survival";

struct Form {
  int64_t blocks = 3;       // n, in each of the three layers
  bool projection = false;  // option B
  bool pre_activation = false;
  bool bottleneck = false;   // pre-activation only
  double last_survival = 1;  // p_L
};

class CifarNetwork {
 public:
  CifarNetwork(NetworkBuilder& builder, const Form& form) : b_(builder), g_(builder.graph), form_(form) {}

  void build() {
    Value x = b_.conv("conv1", b_.input(), 16, 3, {.pad = 1, .bias = false});
    if (!form_.pre_activation) x = b_.relu("relu", b_.batch_norm("bn1", x));
    for (int index = 0; index < 3; ++index) {
      const std::string layer = fmt::format("layer{}", index + 1);
      for (int64_t i = 0; i < form_.blocks; ++i) {
        const std::string block = fmt::format("{}.{}", layer, i);
        const int64_t width = int64_t{16} << index, stride = i == 0 && index > 0 ? 2 : 1;
        ++position_;
        x = form_.pre_activation ? pre_activated(block, x, width, stride) : residual(block, x, width, stride);
      }
      b_.alias(layer, x);
    }
    if (form_.pre_activation) x = b_.relu("relu", b_.batch_norm("bn", x));
    x = b_.named("avgpool", global_average_pool(g_, x));
    b_.output("scores", b_.linear("linear", x, b_.classes));
  }

 private:
  // Every stride-th pixel, and zero channels around: no parameters.
  Value subsampled(const std::string& name, Value x, int64_t out, int64_t stride) {
    if (stride == 1 && b_.channels(x) == out) return x;
    for (int64_t axis = 2; axis < 4 && stride > 1; ++axis)
      x = slice(g_, x, axis, 0, g_.shape(x)[static_cast<size_t>(axis)], stride);
    const int64_t missing = out - b_.channels(x), before = missing / 2;
    return b_.named(name, pad(g_, x, Ints{0, before, 0, 0}, Ints{0, missing - before, 0, 0}));
  }

  Value shortcut(const std::string& block, Value x, int64_t out, int64_t stride) {
    if (!form_.projection || (stride == 1 && b_.channels(x) == out))
      return subsampled(block + ".shortcut", x, out, stride);
    x = b_.conv(block + ".shortcut.0", x, out, 1, {.stride = stride, .bias = false});
    return b_.batch_norm(block + ".shortcut.1", x);
  }

  // p_l · F(x) where the branch may be dropped in training.
  Value survived(const std::string& block, Value branch) {
    if (form_.last_survival == 1) return branch;
    const double share = static_cast<double>(position_) / static_cast<double>(3 * form_.blocks);
    return b_.named(block + std::string(kSurvival), scale(g_, branch, 1 - share * (1 - form_.last_survival)));
  }

  Value residual(const std::string& block, Value x, int64_t width, int64_t stride) {
    Value y = b_.conv(block + ".conv1", x, width, 3, {.stride = stride, .pad = 1, .bias = false});
    y = b_.relu(block + ".relu", b_.batch_norm(block + ".bn1", y));
    y = b_.conv(block + ".conv2", y, width, 3, {.pad = 1, .bias = false});
    y = survived(block, b_.batch_norm(block + ".bn2", y));
    return b_.relu(block, b_.named(block + ".add", add(g_, y, shortcut(block, x, width, stride))));
  }

  Value activated(const std::string& block, int k, Value x) {
    return b_.relu(fmt::format("{}.relu{}", block, k), b_.batch_norm(fmt::format("{}.bn{}", block, k), x));
  }

  Value pre_activated(const std::string& block, Value x, int64_t width, int64_t stride) {
    const int64_t out = form_.bottleneck ? 4 * width : width;
    const bool projected = form_.bottleneck && b_.channels(x) != out;
    Value y = activated(block, 1, x);
    if (position_ == 1 || projected) x = y;
    const auto conv = [&](int k, int64_t channels, int64_t kernel, int64_t step) {
      y = b_.conv(fmt::format("{}.conv{}", block, k), y, channels, kernel,
                  {.stride = step, .pad = kernel / 2, .bias = false});
    };
    if (form_.bottleneck) {
      conv(1, width, 1, stride);
      y = activated(block, 2, y);
      conv(2, width, 3, 1);
      y = activated(block, 3, y);
      conv(3, out, 1, 1);
    } else {
      conv(1, width, 3, stride);
      y = activated(block, 2, y);
      conv(2, width, 3, 1);
    }
    if (projected) x = b_.conv(block + ".shortcut.0", x, out, 1, {.stride = stride, .bias = false});
    else x = subsampled(block + ".shortcut", x, out, stride);
    return b_.named(block, add(g_, y, x));
  }

  NetworkBuilder& b_;
  Graph& g_;
  const Form form_;
  int64_t position_ = 0;  // of the block among all, from 1: l
};

struct Paper {
  const char* text;
  int year;
};
constexpr Paper kResidual{"He, Zhang, Ren & Sun, Deep residual learning for image recognition", 2015};
constexpr Paper kIdentity{"He, Zhang, Ren & Sun, Identity mappings in deep residual networks", 2016};
constexpr Paper kStochastic{"Huang, Sun, Liu, Sedra & Weinberger, Deep networks with stochastic depth", 2016};

Architecture member(std::string name, const Paper& paper, int64_t depth, Form form) {
  form.blocks = (depth - 2) / (form.bottleneck ? 9 : 6);
  return {
      std::move(name), "ResNet", paper.text, paper.year, depth, {3, 32, 32}, 10, "whole", [form](NetworkBuilder& b) {
        CifarNetwork(b, form).build();
      }};
}

}  // namespace

std::vector<SurvivingBranch> surviving_branches(const Graph& graph) {
  std::vector<SurvivingBranch> result;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    if (node.op != &ops::mul || !node.name.ends_with(kSurvival)) continue;
    const Tensor* probability = graph.known(node.inputs[1]);
    if (!probability || probability->count() != 1) continue;
    const std::string block = node.name.substr(0, node.name.size() - kSurvival.size());
    result.push_back({block, node.inputs[0], {i, 0}, probability->at(0)});
  }
  return result;
}

std::vector<Architecture> cifar_resnets() {
  std::vector<Architecture> result;
  for (const int64_t depth : {20, 32, 44, 56, 110, 1202})
    result.push_back(member(fmt::format("resnet{}_cifar", depth), kResidual, depth, {}));
  for (const int64_t depth : {20, 32, 44, 56, 110})
    result.push_back(member(fmt::format("resnet{}_cifar_b", depth), kResidual, depth, {.projection = true}));
  result.push_back(member("preresnet110_cifar", kIdentity, 110, {.pre_activation = true}));
  for (const int64_t depth : {164, 1001})
    result.push_back(member(fmt::format("preresnet{}_cifar", depth), kIdentity, depth,
                            {.pre_activation = true, .bottleneck = true}));
  for (const int64_t depth : {110, 1202})
    result.push_back(
        member(fmt::format("resnet{}_stochastic_cifar", depth), kStochastic, depth, {.last_survival = 0.5}));
  return result;
}

}  // namespace fovea
