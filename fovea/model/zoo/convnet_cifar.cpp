// The smallest convolutional network on CIFAR-10: [32×32×3 → conv 12 → ReLU → pool → FC 10].
//
//   conv 3×3 pad 1, 12 (32×32×12) · ReLU · max pool 2/2 (16×16×12) · 10
//
// Source: Stanford CS231n, "Convolutional neural networks for visual recognition", notes on architecture, 2015 (its
// example of a simple ConvNet; 3×3 windows).
#include "fovea/model/zoo/families.h"

namespace fovea {

namespace {

void small(NetworkBuilder& b) {
  Value x = b.conv("conv", b.input(), 12, 3, {.pad = 1});
  x = b.relu("relu", x);
  x = b.max_pool("pool", x, {.kernel = 2, .stride = 2});
  b.output("scores", b.linear("fc", x, b.classes));
}

}  // namespace

std::vector<Architecture> convnets_cifar() {
  return {{"convnet_cifar",
           "ConvNet",
           "Karpathy & Li, CS231n: Convolutional neural networks for visual recognition",
           2015,
           2,
           {3, 32, 32},
           10,
           "unit",
           small}};
}

}  // namespace fovea
