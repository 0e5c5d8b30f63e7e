// All-CNN-C: convolutions only; stride 2 takes the place of pooling.
//
//   dropout .2 · 3×3, 96 · 3×3, 96 · 3×3/2, 96 · dropout .5 · 3×3, 192 · 3×3, 192 · 3×3/2, 192 · dropout .5 ·
//   3×3, 192 (not padded: 8×8 → 6×6) · 1×1, 192 · 1×1, 10 · average over 6×6
//   with a relu after each convolution, the last one too
//
// Names: conv1 … conv9, relu1 … relu9, dropout1 … dropout3, avgpool. (The paper whitens its pictures; here they are
// normalised by CIFAR-10's mean and standard deviation.)
//
// Source: Springenberg, Dosovitskiy, Brox & Riedmiller, "Striving for simplicity: the all convolutional net", ICLR 2015
// workshop (arXiv 1412.6806), tables 1 and 2.
#include "fovea/model/zoo/families.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/global_pool.h"

namespace fovea {

namespace {

void all_cnn_c(NetworkBuilder& b) {
  Value x = b.dropout("dropout1", b.input(), 0.2);
  int number = 0;
  const auto conv = [&](int64_t out, int64_t kernel, int64_t stride, int64_t pad) {
    ++number;
    x = b.conv(fmt::format("conv{}", number), x, out, kernel, {.stride = stride, .pad = pad});
    x = b.relu(fmt::format("relu{}", number), x);
  };
  for (const int64_t out : {96, 192}) {
    conv(out, 3, 1, 1);
    conv(out, 3, 1, 1);
    conv(out, 3, 2, 1);
    x = b.dropout(out == 96 ? "dropout2" : "dropout3", x, 0.5);
  }
  conv(192, 3, 1, 0);
  conv(192, 1, 1, 0);
  conv(b.classes, 1, 1, 0);
  x = b.named("avgpool", global_average_pool(b.graph, x));
  b.output("scores", b.named("flatten", flatten(b.graph, x)));
}

}  // namespace

std::vector<Architecture> allcnns() {
  return {{"allcnn_cifar",
           "All-CNN",
           "Springenberg, Dosovitskiy, Brox & Riedmiller, Striving for simplicity: the all convolutional net",
           2014,
           9,
           {3, 32, 32},
           10,
           "cifar",
           all_cnn_c}};
}

}  // namespace fovea
