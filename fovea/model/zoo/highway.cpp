// Highway networks: y = H(x) · T(x) + x · (1 − T(x)), H(x) = relu(W_H x + b_H), T(x) = sigmoid(W_T x + b_T): each unit
// decides how much of its input it passes on.
//
//   highway_mnist   784 → 50 plain · 9 highway layers of 50 · 10 classes             10 layers, as the paper counts
//   highway_cifar   3×3 convolutions of 32 32 32 48 48 · max pool 2×2 · 80 × 6 · max pool 2×2 · 128 × 6 · max pool 8×8
//                   (over all that is left of other pictures) · 500 · 10 classes                     19 layers
//                   a convolution that keeps the number of channels is a highway layer, else it is plain
//   The first is the 10-layer network of the paper's figure 1 and the classifier; the second has FitNet 4's channels,
//   as the paper's 19-layer network of 2.3 million parameters. b_T starts at a negative value (−2 for MNIST), so that
//   an untrained network mostly passes its input on: see initial_weights.
//
// Names: "layer3" is the layer's output, "layer3.plain" W_H x + b_H, "layer3.relu" H, "layer3.transform" W_T x + b_T,
// "layer3.gate" T, "layer3.carry" 1 − T, "layer3.transformed" and "layer3.carried" the two products. A plain layer is
// "layer1.plain" and "layer1", its relu.
//
// Source: Srivastava, Greff & Schmidhuber, "Training very deep networks", NIPS 2015 (arXiv 1507.06228), equations 2 to
// 4, sections 3.1 and 3.3; Romero et al., "FitNets: hints for thin deep nets", ICLR 2015, appendix (channels).
#include "fovea/model/zoo/families.h"
#include "fovea/ops/add.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/global_pool.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/sigmoid.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

// Joins H and T: `plain` and `transform` are their values before relu and sigmoid.
Value highway(NetworkBuilder& b, const std::string& name, Value x, Value plain, Value transform) {
  Graph& g = b.graph;
  const Value h = b.relu(name + ".relu", plain), t = b.named(name + ".gate", sigmoid(g, transform));
  const Value carry = b.named(name + ".carry", sub(g, scalar(g, 1, g.dtype(t)), t));
  const Value transformed = b.named(name + ".transformed", mul(g, h, t));
  return b.named(name, add(g, transformed, b.named(name + ".carried", mul(g, x, carry))));
}

void fully_connected(NetworkBuilder& b) {
  constexpr int64_t kUnits = 50, kLayers = 10;
  Value x = b.relu("layer1", b.linear("layer1.plain", b.input(), kUnits));
  for (int64_t k = 2; k <= kLayers; ++k) {
    const std::string name = fmt::format("layer{}", k);
    const Value plain = b.linear(name + ".plain", x, kUnits);
    x = highway(b, name, x, plain, b.linear(name + ".transform", x, kUnits));
  }
  b.output("scores", b.linear("fc", x, b.classes));
}

void convolutional(NetworkBuilder& b) {
  Value x = b.input();
  int number = 0;
  const auto conv = [&](int64_t out) {
    const std::string name = fmt::format("layer{}", ++number);
    const Value plain = b.conv(name + ".plain", x, out, 3, {.pad = 1});
    x = b.channels(x) == out ? highway(b, name, x, plain, b.conv(name + ".transform", x, out, 3, {.pad = 1}))
                             : b.relu(name, plain);
  };
  for (const int64_t out : {32, 32, 32, 48, 48}) conv(out);
  x = b.max_pool("pool1", x, {.kernel = 2, .stride = 2});
  for (int k = 0; k < 6; ++k) conv(80);
  x = b.max_pool("pool2", x, {.kernel = 2, .stride = 2});
  for (int k = 0; k < 6; ++k) conv(128);
  x = b.named("pool3", global_max_pool(b.graph, x));
  x = b.relu("layer18", b.linear("layer18.plain", x, 500));
  b.output("scores", b.linear("fc", x, b.classes));
}

}  // namespace

std::vector<Architecture> highways() {
  const char* paper = "Srivastava, Greff & Schmidhuber, Training very deep networks";
  return {{"highway_cifar", "Highway", paper, 2015, 19, {3, 32, 32}, 10, "cifar", convolutional},
          {"highway_mnist", "Highway", paper, 2015, 10, {1, 28, 28}, 10, "grey", fully_connected}};
}

}  // namespace fovea
