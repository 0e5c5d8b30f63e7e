// SqueezeNet: AlexNet's accuracy with a fiftieth of its parameters. A fire module squeezes the channels with 1×1
// windows, then expands them with 1×1 and 3×3 windows side by side. torchvision's names; pooling rounds up.
//
//   1.0: conv 7×7/2, 96 · pool 3/2 · fire 16/64 · 16/64 · 32/128 · pool · 32/128 · 48/192 · 48/192 · 64/256 · pool ·
//        64/256 · conv 1×1, 1000 · average           (fire s/e: squeeze to s, expand to e + e)
//   1.1: conv 3×3/2, 64 · pool 3/2 · fire 16/64 · 16/64 · pool · 32/128 · 32/128 · pool · 48/192 · 48/192 · 64/256 ·
//        64/256 · conv 1×1, 1000 · average           (2.4 times less work)
//
// Source: Iandola, Han, Moskewicz, Ashraf, Dally & Keutzer, "SqueezeNet: AlexNet-level accuracy with 50x fewer
// parameters and <0.5MB model size", arXiv 1602.07360, 2016; 1.1 is from the authors' repository.
#include "fovea/model/zoo/families.h"
#include "fovea/ops/flatten.h"

namespace fovea {

namespace {

struct Version {
  int64_t out, kernel;         // of the first convolution
  std::vector<int64_t> fires;  // channels after squeezing; 0: a pooling
};

const Version kVersion10{96, 7, {0, 16, 16, 32, 0, 32, 48, 48, 64, 0, 64}};
const Version kVersion11{64, 3, {0, 16, 16, 0, 32, 32, 0, 48, 48, 64, 64}};

// torchvision's "features.3" is Caffe's "fire2": aliases carry the latter's names.
Value fire(NetworkBuilder& b, const std::string& name, const std::string& caffe, Value x, int64_t squeezed) {
  const auto convolve = [&](const std::string& layer, const std::string& window, Value from, int64_t out,
                            int64_t kernel) {
    Value y = b.conv(name + "." + layer, from, out, kernel, {.pad = kernel / 2});
    b.alias(caffe + "/" + window, y);
    y = b.relu(name + "." + layer + "_activation", y);
    b.alias(caffe + "/relu_" + window, y);
    return y;
  };
  x = convolve("squeeze", "squeeze1x1", x, squeezed, 1);
  const Value narrow = convolve("expand1x1", "expand1x1", x, 4 * squeezed, 1);
  const Value wide = convolve("expand3x3", "expand3x3", x, 4 * squeezed, 3);
  x = b.concat(name, {narrow, wide});
  b.alias(caffe + "/concat", x);
  return x;
}

void squeeze(NetworkBuilder& b, const Version& version) {
  Value x = b.conv("features.0", b.input(), version.out, version.kernel, {.stride = 2});
  b.alias("conv1", x);
  x = b.relu("features.1", x);
  b.alias("relu_conv1", x);
  int layer = 1;  // as Caffe counts: conv1, fire2, fire3, …; a pooling bears the number of the layer before it
  for (size_t k = 0; k < version.fires.size(); ++k) {
    const std::string name = fmt::format("features.{}", k + 2);
    if (const int64_t squeezed = version.fires[k]) {
      x = fire(b, name, fmt::format("fire{}", ++layer), x, squeezed);
      continue;
    }
    x = b.max_pool(name, x, {.kernel = 3, .stride = 2, .ceil = true});
    b.alias(fmt::format("pool{}", layer), x);
  }
  x = b.dropout("classifier.0", x);
  b.alias("drop9", x);
  x = b.conv("classifier.1", x, b.classes, 1);
  b.alias("conv10", x);
  x = b.relu("classifier.2", x);
  b.alias("relu_conv10", x);
  x = b.global_average_pool("classifier.3", x);
  b.alias("pool10", x);
  b.output("scores", flatten(b.graph, x));
}

}  // namespace

std::vector<Architecture> squeezenets() {
  const auto entry = [](std::string name, const Version& version) {
    return Architecture{std::move(name),
                        "SqueezeNet",
                        "Iandola et al., SqueezeNet: AlexNet-level accuracy with 50x fewer parameters",
                        2016,
                        18,
                        {3, 224, 224},
                        1000,
                        "torchvision",
                        [&version](NetworkBuilder& b) { squeeze(b, version); }};
  };
  return {entry("squeezenet1_0", kVersion10), entry("squeezenet1_1", kVersion11)};
}

}  // namespace fovea
