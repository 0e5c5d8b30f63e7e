// Residual networks for ImageNet: y = relu(F(x) + x), in the form that torchvision's weights have.
//
//   conv1 7×7/2, 64 · max pool 3×3/2 · four layers of blocks of 64, 128, 256, 512 channels · average · fc
//   basic block       3×3 · 3×3                                 resnet18   2  2  2  2
//                                                               resnet34   3  4  6  3
//   bottleneck block  1×1 · 3×3 · 1×1 with 4 times as many      resnet50   3  4  6  3
//                                                               resnet101  3  4 23  3
//                                                               resnet152  3  8 36  3
//   The first block of layers 2, 3 and 4 halves the picture: in its first 3×3 convolution, which in a bottleneck is the
//   second one ("V1.5": the paper and Caffe put the stride into the 1×1 before it). Where a block's sizes change, its
//   shortcut is a 1×1 convolution ("downsample", option B).
//
// For CIFAR's pictures of 32×32 many repositories keep all this but begin with a convolution 3×3, 64, and no pooling
// (resnet18_cifar; other networks than the narrow ones that the paper has for CIFAR: resnet_cifar.cpp).
//
// Names: torchvision's. "layer1.0" is the block's output, "layer1" that of its last block. torchvision runs one relu
// module two or three times a block; here "layer1.0.relu" is its first use, "layer1.0.relu_2" the second one of a
// bottleneck, and the last one, after "layer1.0.add", is "layer1.0" itself. Caffe's names (res2a, res2a_branch2a,
// bn2a_branch2a, res4b22, pool5, fc1000) are aliases.
//
// Source: He, Zhang, Ren & Sun, "Deep residual learning for image recognition", CVPR 2016 (arXiv 1512.03385), table 1.
#include "fovea/model/zoo/families.h"
#include "fovea/ops/add.h"
#include "fovea/ops/global_pool.h"

namespace fovea {

namespace {

struct Residual {
  std::vector<int64_t> blocks;  // of each layer
  bool bottleneck = false;
  bool small = false;  // for pictures of 32x32
};

class ResidualLayers {
 public:
  ResidualLayers(NetworkBuilder& builder, const Residual& form) : b_(builder), form_(form) {}

  Value layer(Value x, int index) {
    const int64_t width = int64_t{64} << index;
    const std::string name = fmt::format("layer{}", index + 1);
    const int64_t count = form_.blocks[static_cast<size_t>(index)];
    for (int64_t i = 0; i < count; ++i) {
      const std::string block = fmt::format("{}.{}", name, i), caffe = caffe_name(index, i, count);
      x = residual(block, caffe, x, width, i == 0 && index > 0 ? 2 : 1);
      b_.alias("res" + caffe, x);
      b_.alias(fmt::format("res{}_relu", caffe), x);
    }
    b_.alias(name, x);
    return x;
  }

 private:
  // "2a", "2b", …; in the long layers of ResNet-101 and -152 "4a", "4b1", "4b2", ….
  std::string caffe_name(int layer, int64_t block, int64_t count) const {
    const bool numbered = form_.blocks[2] > 6 && count > 3;
    if (block == 0 || !numbered) return fmt::format("{}{}", layer + 2, static_cast<char>('a' + block));
    return fmt::format("{}b{}", layer + 2, block);
  }

  // "<block>.conv<k>" and its batch norm.
  Value convolution(const std::string& block, const std::string& caffe, int k, Value x, int64_t out, int64_t kernel,
                    int64_t stride) {
    x = b_.conv(fmt::format("{}.conv{}", block, k), x, out, kernel,
                {.stride = stride, .pad = kernel / 2, .bias = false});
    const char letter = static_cast<char>('a' + k - 1);
    b_.alias(fmt::format("res{}_branch2{}", caffe, letter), x);
    x = b_.batch_norm(fmt::format("{}.bn{}", block, k), x);
    b_.alias(fmt::format("bn{}_branch2{}", caffe, letter), x);
    return x;
  }

  Value residual(const std::string& block, const std::string& caffe, Value x, int64_t width, int64_t stride) {
    const int64_t out = form_.bottleneck ? 4 * width : width;
    Value y;
    if (form_.bottleneck) {
      y = b_.relu(block + ".relu", convolution(block, caffe, 1, x, width, 1, 1));
      y = b_.relu(block + ".relu_2", convolution(block, caffe, 2, y, width, 3, stride));
      y = convolution(block, caffe, 3, y, out, 1, 1);
    } else {
      y = b_.relu(block + ".relu", convolution(block, caffe, 1, x, width, 3, stride));
      y = convolution(block, caffe, 2, y, out, 3, 1);
    }
    if (stride != 1 || b_.channels(x) != out) {
      x = b_.conv(block + ".downsample.0", x, out, 1, {.stride = stride, .bias = false});
      b_.alias(fmt::format("res{}_branch1", caffe), x);
      x = b_.batch_norm(block + ".downsample.1", x);
      b_.alias(fmt::format("bn{}_branch1", caffe), x);
    }
    return b_.relu(block, b_.named(block + ".add", add(b_.graph, y, x)));
  }

  NetworkBuilder& b_;
  const Residual& form_;
};

void residual_network(NetworkBuilder& b, const Residual& form) {
  const int64_t kernel = form.small ? 3 : 7;
  Value x = b.conv("conv1", b.input(), 64, kernel, {.stride = form.small ? 1 : 2, .pad = kernel / 2, .bias = false});
  x = b.batch_norm("bn1", x);
  b.alias("bn_conv1", x);
  x = b.relu("relu", x);
  b.alias("conv1_relu", x);
  if (!form.small) {
    x = b.max_pool("maxpool", x, {.kernel = 3, .stride = 2, .pad = 1});
    b.alias("pool1", x);
  }
  ResidualLayers layers(b, form);
  for (int index = 0; index < static_cast<int>(form.blocks.size()); ++index) x = layers.layer(x, index);
  x = b.named("avgpool", global_average_pool(b.graph, x));
  b.alias("pool5", x);
  x = b.linear("fc", x, b.classes);
  b.alias("fc1000", x);
  b.output("scores", x);
}

}  // namespace

std::vector<Architecture> resnets() {
  struct Member {
    int64_t depth;
    Residual form;
  };
  const std::vector<Member> members = {{18, {{2, 2, 2, 2}}},
                                       {34, {{3, 4, 6, 3}}},
                                       {50, {{3, 4, 6, 3}, true}},
                                       {101, {{3, 4, 23, 3}, true}},
                                       {152, {{3, 8, 36, 3}, true}},
                                       {18, {{2, 2, 2, 2}, false, true}},
                                       {34, {{3, 4, 6, 3}, false, true}},
                                       {50, {{3, 4, 6, 3}, true, true}}};
  std::vector<Architecture> result;
  for (const Member& m : members) {
    const int64_t side = m.form.small ? 32 : 224;
    result.push_back({fmt::format("resnet{}{}", m.depth, m.form.small ? "_cifar" : ""),
                      "ResNet",
                      "He, Zhang, Ren & Sun, Deep residual learning for image recognition",
                      2015,
                      m.depth,
                      {3, side, side},
                      m.form.small ? 10 : 1000,
                      m.form.small ? "cifar" : "torchvision",
                      [form = m.form](NetworkBuilder& b) { residual_network(b, form); }});
  }
  return result;
}

}  // namespace fovea
