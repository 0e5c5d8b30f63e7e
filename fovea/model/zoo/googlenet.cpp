// GoogLeNet (Inception v1): nine modules of parallel 1×1, 3×3 and 5×5 windows and a pooling, with 1×1 convolutions
// before the larger windows, and two auxiliary classifiers that are used in training.
//
//   conv 7×7/2, 64 · pool 3/2 · conv 1×1, 64 · conv 3×3, 192 · pool 3/2 · 3a · 3b · pool 3/2 · 4a … 4e · pool · 5a · 5b
//   · average · 1000
//
//   module   1×1   3×3 reduced   3×3   5×5 reduced   5×5   pool projected
//   3a        64            96   128            16    32               32
//   3b       128           128   192            32    96               64
//   4a       192            96   208            16    48               64    auxiliary classifier 1 after it
//   4b       160           112   224            24    64               64
//   4c       128           128   256            24    64               64
//   4d       112           144   288            32    64               64    auxiliary classifier 2 after it
//   4e       256           160   320            32   128              128
//   5a       256           160   320            32   128              128
//   5b       384           192   384            48   128              128
//
// `googlenet_bvlc` is the network as published, in Caffe's form (BVLC): local response normalisation (5 channels, alpha
// 1e-4, beta 0.75), Caffe's layer names and rounding of poolings, softmax at the end. `googlenet` is torchvision's:
// batch norm with epsilon 1e-3, 3×3 windows in the "5×5" branch (a slip that its weights have), a 2×2 pooling before
// 5a, and an input that has been normalised as for the other networks of torchvision is first rescaled to −1..1
// (transform_input = True, which goes with the published weights; only pictures of three channels).
//
// Source: Szegedy et al., "Going deeper with convolutions", CVPR 2015 (arXiv 1409.4842), Table 1.
#include "fovea/model/zoo/families.h"
#include "fovea/ops/adaptive_average_pool.h"
#include "fovea/ops/add.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"

namespace fovea {

namespace {

struct Module {
  std::string_view name;
  int64_t one, three_reduced, three, five_reduced, five, projected;
};

constexpr Module kModules[] = {
    {"3a", 64, 96, 128, 16, 32, 32},     {"3b", 128, 128, 192, 32, 96, 64},   {"4a", 192, 96, 208, 16, 48, 64},
    {"4b", 160, 112, 224, 24, 64, 64},   {"4c", 128, 128, 256, 24, 64, 64},   {"4d", 112, 144, 288, 32, 64, 64},
    {"4e", 256, 160, 320, 32, 128, 128}, {"5a", 256, 160, 320, 32, 128, 128}, {"5b", 384, 192, 384, 48, 128, 128},
};

const MaxPoolAttributes kHalf{.kernel = 3, .stride = 2, .ceil = true};
const MaxPoolAttributes kSame{.kernel = 3, .stride = 1, .pad = 1, .ceil = true};

// As published: layers named as in BVLC's prototxt.
class Published {
 public:
  explicit Published(NetworkBuilder& builder) : b(builder) {}

  void append() {
    Value x = conv("conv1/", "7x7_s2", "7x7", b.input(), 64, 7, 2);
    x = b.max_pool("pool1/3x3_s2", x, kHalf);
    x = b.lrn("pool1/norm1", x);
    x = conv("conv2/", "3x3_reduce", "3x3_reduce", x, 64, 1);
    x = conv("conv2/", "3x3", "3x3", x, 192, 3);
    x = b.lrn("conv2/norm2", x);
    x = b.max_pool("pool2/3x3_s2", x, kHalf);
    Value first, second;
    for (const Module& m : kModules) {
      x = module(m, x);
      if (m.name == "3b") x = b.max_pool("pool3/3x3_s2", x, kHalf);
      if (m.name == "4a") first = x;
      if (m.name == "4d") second = x;
      if (m.name == "4e") x = b.max_pool("pool4/3x3_s2", x, kHalf);
    }
    x = b.average_pool("pool5/7x7_s1", x, {.kernel = 7, .stride = 1, .ceil = true});
    x = b.dropout("pool5/drop_7x7_s1", x, 0.4);
    x = b.linear("loss3/classifier", x, b.classes);
    b.output("scores", b.softmax("prob", x));
    if (b.options.heads) {
      b.output("aux1", head("loss1/", first));
      b.output("aux2", head("loss2/", second));
    }
  }

 private:
  Value conv(const std::string& prefix, const std::string& name, const std::string& relu, Value x, int64_t out,
             int64_t kernel, int64_t stride = 1) {
    x = b.conv(prefix + name, x, out, kernel, {.stride = stride, .pad = kernel / 2});
    return b.relu(prefix + "relu_" + relu, x);
  }

  Value module(const Module& m, Value x) {
    const std::string prefix = fmt::format("inception_{}/", m.name);
    const auto branch = [&](const std::string& name, Value from, int64_t out, int64_t kernel) {
      return conv(prefix, name, name, from, out, kernel);
    };
    const Value one = branch("1x1", x, m.one, 1);
    const Value three = branch("3x3", branch("3x3_reduce", x, m.three_reduced, 1), m.three, 3);
    const Value five = branch("5x5", branch("5x5_reduce", x, m.five_reduced, 1), m.five, 5);
    const Value pooled = branch("pool_proj", b.max_pool(prefix + "pool", x, kSame), m.projected, 1);
    x = b.concat(prefix + "output", {one, three, five, pooled});
    b.alias(fmt::format("inception{}", m.name), x);
    b.alias(fmt::format("mixed{}", m.name), x);
    return x;
  }

  // An auxiliary classifier; ends in softmax as the main one does.
  Value head(const std::string& prefix, Value x) {
    x = b.average_pool(prefix + "ave_pool", x, {.kernel = 5, .stride = 3, .ceil = true});
    x = b.relu(prefix + "relu_conv", b.conv(prefix + "conv", x, 128, 1));
    x = b.relu(prefix + "relu_fc", b.linear(prefix + "fc", x, 1024));
    x = b.dropout(prefix + "drop_fc", x, 0.7);
    return b.softmax(prefix + "prob", b.linear(prefix + "classifier", x, b.classes));
  }

  NetworkBuilder& b;
};

// torchvision's. Modules are named as there; Caffe's and Lucid's names for the same layers are aliases.
class Torchvision {
 public:
  explicit Torchvision(NetworkBuilder& builder) : b(builder) {}

  void append() {
    Value x = b.input();
    if (b.channels(x) == 3) x = rescaled(x);
    x = also("conv1/7x7_s2", conv("conv1", x, 64, 7, 2));
    x = also("pool1/3x3_s2", b.max_pool("maxpool1", x, kHalf));
    x = also("conv2/3x3_reduce", conv("conv2", x, 64, 1));
    x = also("conv2/3x3", conv("conv3", x, 192, 3));
    x = also("pool2/3x3_s2", b.max_pool("maxpool2", x, kHalf));
    Value first, second;
    for (const Module& m : kModules) {
      x = module(m, x);
      if (m.name == "3b") x = also("pool3/3x3_s2", b.max_pool("maxpool3", x, kHalf));
      if (m.name == "4a") first = x;
      if (m.name == "4d") second = x;
      if (m.name == "4e") x = also("pool4/3x3_s2", b.max_pool("maxpool4", x, {.kernel = 2, .stride = 2, .ceil = true}));
    }
    if (b.options.heads) {  // before the last layer, as in the checkpoint
      first = head("aux1", first);
      second = head("aux2", second);
    }
    x = also("pool5/7x7_s1", b.global_average_pool("avgpool", x));
    x = b.dropout("dropout", flatten(b.graph, x), 0.2);
    b.output("scores", also("loss3/classifier", b.linear("fc", x, b.classes)));
    if (b.options.heads) {
      b.output("aux1", first);
      b.output("aux2", second);
    }
  }

 private:
  Value also(const std::string& name, Value x) {
    b.alias(name, x);
    return x;
  }

  // (x · std + mean − 0.5) / 0.5 with the mean and standard deviation of ImageNet.
  Value rescaled(Value x) {
    constexpr float kMean[] = {0.485f, 0.456f, 0.406f}, kDeviation[] = {0.229f, 0.224f, 0.225f};
    std::vector<float> factors, terms;
    for (int c = 0; c < 3; ++c) {
      factors.push_back(kDeviation[c] / 0.5f);
      terms.push_back((kMean[c] - 0.5f) / 0.5f);
    }
    x = mul(b.graph, x, constant(b.graph, Tensor::of<float>({3, 1, 1}, factors)));
    x = add(b.graph, x, constant(b.graph, Tensor::of<float>({3, 1, 1}, terms)));
    return b.named("transform_input", x);
  }

  Value conv(const std::string& name, Value x, int64_t out, int64_t kernel, int64_t stride = 1) {
    x = b.conv(name + ".conv", x, out, kernel, {.stride = stride, .pad = kernel / 2, .bias = false});
    return b.relu(name, b.batch_norm(name + ".bn", x, 1e-3));
  }

  Value module(const Module& m, Value x) {
    const std::string name = fmt::format("inception{}", m.name), caffe = fmt::format("inception_{}/", m.name);
    const auto branch = [&](const std::string& number, const std::string& other, Value from, int64_t out,
                            int64_t kernel) {
      return also(caffe + other, conv(name + ".branch" + number, from, out, kernel));
    };
    const Value one = branch("1", "1x1", x, m.one, 1);
    const Value three = branch("2.1", "3x3", branch("2.0", "3x3_reduce", x, m.three_reduced, 1), m.three, 3);
    const Value five = branch("3.1", "5x5", branch("3.0", "5x5_reduce", x, m.five_reduced, 1), m.five, 3);
    const Value pool = also(caffe + "pool", b.max_pool(name + ".branch4.0", x, kSame));
    const Value projected = branch("4.1", "pool_proj", pool, m.projected, 1);
    x = also(caffe + "output", b.concat(name, {one, three, five, projected}));
    return also(fmt::format("mixed{}", m.name), x);
  }

  Value head(const std::string& name, Value x) {
    x = b.named(name + ".pool", adaptive_average_pool(b.graph, x, {4, 4}));
    x = b.linear(name + ".fc1", conv(name + ".conv", x, 128, 1), 1024);
    x = b.dropout(name + ".dropout", b.relu(name + ".relu", x), 0.7);
    return b.linear(name + ".fc2", x, b.classes);
  }

  NetworkBuilder& b;
};

}  // namespace

std::vector<Architecture> googlenets() {
  const std::string paper = "Szegedy et al., Going deeper with convolutions";
  return {{"googlenet_bvlc",
           "GoogLeNet",
           paper,
           2014,
           22,
           {3, 224, 224},
           1000,
           "caffe",
           [](NetworkBuilder& b) { Published(b).append(); }},
          {"googlenet", "GoogLeNet", paper, 2014, 22, {3, 224, 224}, 1000, "torchvision", [](NetworkBuilder& b) {
             Torchvision(b).append();
           }}};
}

}  // namespace fovea
