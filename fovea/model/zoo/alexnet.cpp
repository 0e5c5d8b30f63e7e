// AlexNet. `alexnet` is the form that torchvision's weights have: one tower, no local response normalisation.
//
//   conv 11×11/4 pad 2, 64 · pool 3/2 · conv 5×5 pad 2, 192 · pool 3/2 · conv 3×3, 384 · 256 · 256 · pool 3/2
//   (6×6×256, averaged to that size for other pictures) · 4096 · 4096 · 1000
//
// `alexnet_caffe` is the network of 2012 as Caffe's bvlc_alexnet has it, with two groups (once two GPUs) and local
// response normalisation over 5 channels, alpha 1e-4, beta 0.75 (the paper: k = 2 and an alpha that is not divided by
// 5); `caffenet` is the same with pooling before normalisation, as in bvlc_reference_caffenet.
//
//   conv 11×11/4, 96 · norm · pool 3/2 · conv 5×5 pad 2, 256 in 2 groups · norm · pool 3/2 · conv 3×3, 384 ·
//   384 in 2 groups · 256 in 2 groups · pool 3/2 (6×6×256) · 4096 · 4096 · 1000 · softmax
//
// Source: Krizhevsky, "One weird trick for parallelizing convolutional neural networks", arXiv 1404.5997, 2014;
// Krizhevsky, Sutskever & Hinton, "ImageNet classification with deep convolutional neural networks", NIPS 2012.
#include "fovea/model/zoo/eight_layers.h"
#include "fovea/model/zoo/families.h"
#include "fovea/ops/adaptive_average_pool.h"

namespace fovea {

namespace {

void one_weird_trick(NetworkBuilder& b) {
  Value x = b.input();
  const auto conv = [&](int index, int number, int64_t out, int64_t kernel, int64_t stride, int64_t pad) {
    x = b.conv(fmt::format("features.{}", index), x, out, kernel, {.stride = stride, .pad = pad});
    b.alias(fmt::format("conv{}", number), x);
    x = b.relu(fmt::format("features.{}", index + 1), x);
    b.alias(fmt::format("relu{}", number), x);
  };
  const auto pool = [&](int index, int number) {
    x = b.max_pool(fmt::format("features.{}", index), x, {.kernel = 3, .stride = 2});
    b.alias(fmt::format("pool{}", number), x);
  };
  conv(0, 1, 64, 11, 4, 2);
  pool(2, 1);
  conv(3, 2, 192, 5, 1, 2);
  pool(5, 2);
  conv(6, 3, 384, 3, 1, 1);
  conv(8, 4, 256, 3, 1, 1);
  conv(10, 5, 256, 3, 1, 1);
  pool(12, 5);
  x = b.named("avgpool", adaptive_average_pool(b.graph, x, {6, 6}));
  for (const int k : {1, 4}) {
    const int number = k == 1 ? 6 : 7;
    x = b.dropout(fmt::format("classifier.{}", k - 1), x);
    x = b.linear(fmt::format("classifier.{}", k), x, 4096);
    b.alias(fmt::format("fc{}", number), x);
    x = b.relu(fmt::format("classifier.{}", k + 1), x);
    b.alias(fmt::format("relu{}", number), x);
  }
  x = b.linear("classifier.6", x, b.classes);
  b.alias("fc8", x);
  b.output("scores", x);
}

EightLayers two_groups(bool pool_before_norm) {
  return {.convs = {{{96, 11, 4, 0, 1, true, 3, 2},
                     {256, 5, 1, 2, 2, true, 3, 2},
                     {384, 3, 1, 1},
                     {384, 3, 1, 1, 2},
                     {256, 3, 1, 1, 2, false, 3, 2}}},
          .norm = {.size = 5, .alpha = 1e-4, .beta = 0.75, .bias = 1},
          .pool_before_norm = pool_before_norm};
}

}  // namespace

std::vector<Architecture> alexnets() {
  const std::string paper =
      "Krizhevsky, Sutskever & Hinton, ImageNet classification with deep convolutional neural "
      "networks";
  const auto caffe = [&](std::string name, bool pool_before_norm) {
    return Architecture{
        std::move(name), "AlexNet", paper, 2012, 8, {3, 227, 227}, 1000, "caffe", [=](NetworkBuilder& b) {
          eight_layers(b, two_groups(pool_before_norm));
        }};
  };
  return {caffe("alexnet_caffe", false),
          caffe("caffenet", true),
          {"alexnet",
           "AlexNet",
           "Krizhevsky, One weird trick for parallelizing convolutional neural networks",
           2014,
           8,
           {3, 224, 224},
           1000,
           "torchvision",
           one_weird_trick}};
}

}  // namespace fovea
