// Densely connected networks: each layer sees the maps of all layers before it, x_l = H_l([x_0, x_1, …, x_{l−1}]).
//
//   growth k, blocks              start              layers            H                         between blocks
//   densenet121  32  6 12 24 16   conv 7×7/2, 2k,    "bottleneck":     BN · relu · 1×1, 4k ·     BN · relu · 1×1 to
//   half densenet169  32  6 12 32 32   max pool 3×3/2     two               BN · relu · 3×3, k        the maps ·
//   average 2×2 densenet201  32  6 12 48 32 densenet161  48  6 12 36 24 densenet40_cifar     12  12 12 12   conv 3×3,
//   16       one         BN · relu · 3×3, k        1×1 to as many maps densenet100_cifar    12  32 32 32   conv 3×3, 16
//   one densenet100bc_cifar  12  16 16 16   conv 3×3, 2k       two         as for ImageNet           as for ImageNet
//   then BN · relu · average · fc. Convolutions have no bias. In CIFAR's networks a dropout of 0.2 follows each
//   convolution but the first one, as in the paper's training without augmentation.
//
// Names: torchvision's (features.denseblock1.denselayer1.norm1 …), for CIFAR alike. Beside them: "….concat" is what
// layer 2 and later ones see, "features.denseblock1" the block's output, "relu" the last relu; torchvision's
// "features.denseblock1.denselayer1" is an alias of its last convolution.
//
// Source: Huang, Liu, van der Maaten & Weinberger, "Densely connected convolutional networks", CVPR 2017 (arXiv
// 1608.06993), table 1 and section 3.
#include "fovea/model/zoo/families.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/global_pool.h"

namespace fovea {

namespace {

struct Dense {
  int64_t growth = 32;
  std::vector<int64_t> blocks;
  int64_t start = 64;  // maps before the first block
  bool bottleneck = true;
  int64_t compression = 2;  // the maps are divided by this between blocks
  bool cifar = false;
};

class DenseNetwork {
 public:
  DenseNetwork(NetworkBuilder& builder, const Dense& form) : b_(builder), form_(form) {}

  void build() {
    Value x = stem();
    for (size_t k = 1; k <= form_.blocks.size(); ++k) {
      x = block(fmt::format("features.denseblock{}", k), x, form_.blocks[k - 1]);
      if (k < form_.blocks.size()) x = transition(fmt::format("features.transition{}", k), x);
    }
    x = b_.batch_norm(fmt::format("features.norm{}", form_.blocks.size() + 1), x);
    x = b_.relu("relu", x);
    x = b_.named("avgpool", global_average_pool(b_.graph, x));
    b_.output("scores", b_.linear("classifier", x, b_.classes));
  }

 private:
  Value stem() {
    if (form_.cifar) return conv("features.conv0", b_.input(), form_.start, 3);
    Value x = b_.conv("features.conv0", b_.input(), form_.start, 7, {.stride = 2, .pad = 3, .bias = false});
    x = b_.relu("features.relu0", b_.batch_norm("features.norm0", x));
    return b_.max_pool("features.pool0", x, {.kernel = 3, .stride = 2, .pad = 1});
  }

  Value conv(const std::string& name, Value x, int64_t out, int64_t kernel) {
    return b_.conv(name, x, out, kernel, {.pad = kernel / 2, .bias = false});
  }

  Value dropped(const std::string& name, Value x) { return form_.cifar ? b_.dropout(name, x, 0.2) : x; }

  Value layer(const std::string& name, Value x) {
    x = b_.relu(name + ".relu1", b_.batch_norm(name + ".norm1", x));
    if (form_.bottleneck) {
      x = dropped(name + ".drop1", conv(name + ".conv1", x, 4 * form_.growth, 1));
      x = b_.relu(name + ".relu2", b_.batch_norm(name + ".norm2", x));
    }
    const std::string last = form_.bottleneck ? "2" : "1";
    x = conv(name + ".conv" + last, x, form_.growth, 3);
    b_.alias(name, x);
    return dropped(name + ".drop" + last, x);
  }

  // Each layer's maps are appended to what it saw.
  Value block(const std::string& name, Value x, int64_t layers) {
    for (int64_t i = 1; i <= layers; ++i) {
      const Value fresh = layer(fmt::format("{}.denselayer{}", name, i), x);
      x = concat(b_.graph, {x, fresh});
      b_.named(i == layers ? name : fmt::format("{}.denselayer{}.concat", name, i + 1), x);
    }
    return x;
  }

  Value transition(const std::string& name, Value x) {
    x = b_.relu(name + ".relu", b_.batch_norm(name + ".norm", x));
    x = dropped(name + ".drop", conv(name + ".conv", x, b_.channels(x) / form_.compression, 1));
    x = b_.named(name + ".pool", average_pool(b_.graph, x, {.kernel = {2, 2}, .stride = 2}));
    b_.alias(name, x);
    return x;
  }

  NetworkBuilder& b_;
  const Dense form_;
};

Architecture member(std::string name, int64_t depth, const Dense& form) {
  const int64_t side = form.cifar ? 32 : 224;
  return {std::move(name),
          "DenseNet",
          "Huang, Liu, van der Maaten & Weinberger, Densely connected convolutional networks",
          2016,
          depth,
          {3, side, side},
          form.cifar ? 10 : 1000,
          form.cifar ? "cifar" : "torchvision",
          [form](NetworkBuilder& b) { DenseNetwork(b, form).build(); }};
}

}  // namespace

std::vector<Architecture> densenets() {
  const Dense bc{.growth = 12, .blocks = {16, 16, 16}, .start = 24, .cifar = true};
  Dense plain = bc;
  plain.start = 16;
  plain.bottleneck = false;
  plain.compression = 1;
  Dense plain40 = plain, plain100 = plain;
  plain40.blocks = {12, 12, 12};
  plain100.blocks = {32, 32, 32};
  return {member("densenet121", 121, {.growth = 32, .blocks = {6, 12, 24, 16}, .start = 64}),
          member("densenet169", 169, {.growth = 32, .blocks = {6, 12, 32, 32}, .start = 64}),
          member("densenet201", 201, {.growth = 32, .blocks = {6, 12, 48, 32}, .start = 64}),
          member("densenet161", 161, {.growth = 48, .blocks = {6, 12, 36, 24}, .start = 96}),
          member("densenet40_cifar", 40, plain40),
          member("densenet100_cifar", 100, plain100),
          member("densenet100bc_cifar", 100, bc)};
}

}  // namespace fovea
