// Residual, densely connected and other convolutional networks of the zoo: names and shapes as torchvision's state
// dicts (tests/golden/zoo_resnet/make.py), parameter counts as published, sizes of outputs, stochastic depth.
#include <gtest/gtest.h>

#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>

#include "fovea/base/error.h"
#include "fovea/model/initialise.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/statistics.h"
#include "fovea/model/zoo/resnet_cifar.h"
#include "fovea/model/zoo/zoo.h"

namespace fovea {
namespace {

std::ifstream golden(const std::string& name) {
  std::ifstream in(std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden/zoo_resnet" / name);
  EXPECT_TRUE(in) << name;
  return in;
}

Model network(const std::string& name, const ZooOptions& options = {}) {
  const Architecture* architecture = find_architecture(name);
  require(architecture, ErrorKind::usage, "no {}", name);
  return build(*architecture, options);
}

// "layer1.0.conv1.weight 64x64x3x3", sorted.
std::vector<std::string> tensors_of(const Model& model) {
  std::map<std::string, Shape> sorted;
  for (const Value p : model.graph.parameters()) sorted[model.graph.node(p).name] = model.graph.shape(p);
  std::vector<std::string> lines;
  for (const auto& [name, shape] : sorted) lines.push_back(name + " " + to_string(shape));
  return lines;
}

std::vector<std::string> golden_tensors(const std::string& network) {
  std::ifstream in = golden("names.txt");
  std::vector<std::string> lines;
  bool here = false;
  for (std::string line; std::getline(in, line);)
    if (line.find(' ') == line.npos) here = line == network;
    else if (here) lines.push_back(line);
  return lines;
}

TEST(ZooResidual, TensorsAreNamedAsTorchvisions) {
  for (const char* name : {"resnet18", "resnet50", "densenet121"}) {
    const auto got = tensors_of(network(name)), want = golden_tensors(name);
    ASSERT_GT(want.size(), 100u) << name;
    ASSERT_EQ(got.size(), want.size()) << name;
    for (size_t i = 0; i < want.size(); ++i) EXPECT_EQ(got[i], want[i]) << name;
  }
}

TEST(ZooResidual, AllTorchvisionNetworksHaveTheirTensors) {
  std::ifstream in = golden("sums.txt");
  std::string name, sum;
  size_t lines = 0, networks = 0;
  int64_t trainable = 0;
  for (; in >> name >> lines >> sum >> trainable; ++networks) {
    SCOPED_TRACE(name);
    const Model model = network(name);
    uint64_t hash = 0xcbf29ce484222325;
    const auto tensors = tensors_of(model);
    for (const std::string& line : tensors)
      for (const char c : line + "\n") hash = (hash ^ static_cast<uint8_t>(c)) * 0x100000001b3;
    EXPECT_EQ(tensors.size(), lines);
    EXPECT_EQ(fmt::format("{:016x}", hash), sum);
    EXPECT_EQ(statistics_of(model).parameters, trainable);
  }
  EXPECT_EQ(networks, 9u);
}

TEST(ZooResidual, ParametersArePublishedOnes) {
  const std::map<std::string, int64_t> published = {
      {"resnet18", 11'689'512},         {"resnet34", 21'797'672},
      {"resnet50", 25'557'032},         {"resnet101", 44'549'160},
      {"resnet152", 60'192'808},        {"densenet121", 7'978'856},
      {"densenet169", 14'149'480},      {"densenet201", 20'013'928},
      {"densenet161", 28'681'000},      {"resnet20_cifar", 269'722},
      {"resnet32_cifar", 464'154},      {"resnet44_cifar", 658'586},
      {"resnet56_cifar", 853'018},      {"resnet110_cifar", 1'727'962},
      {"resnet1202_cifar", 19'421'274}, {"resnet110_stochastic_cifar", 1'727'962},  // scaling has no parameters
      {"densenet40_cifar", 1'019'722},  {"allcnn_cifar", 1'369'738},
  };
  for (const auto& [name, count] : published) EXPECT_EQ(statistics_of(network(name)).parameters, count) << name;
}

// Counts that papers round: 164 layers 1.7 M and 1001 layers 10.2 M (He et al. 2016, table 4), DenseNet 7.0 M and 0.8 M
// (table 2), Highway 2.3 M (Srivastava et al. 2015, table 2).
TEST(ZooResidual, ParametersRoundToThePapers) {
  const auto millions = [](const char* name) {
    return static_cast<double>(statistics_of(network(name)).parameters) / 1e6;
  };
  EXPECT_NEAR(millions("preresnet110_cifar"), 1.7, 0.05);
  EXPECT_NEAR(millions("preresnet164_cifar"), 1.7, 0.05);
  EXPECT_NEAR(millions("preresnet1001_cifar"), 10.2, 0.15);
  EXPECT_NEAR(millions("densenet100_cifar"), 7.0, 0.05);
  EXPECT_NEAR(millions("densenet100bc_cifar"), 0.8, 0.05);
  EXPECT_NEAR(millions("highway_cifar"), 2.3, 0.05);
}

// Option B adds a 1×1 convolution and a batch norm to two blocks: 16·32 + 64 and 32·64 + 128 values.
TEST(ZooResidual, ProjectionsAddTheirParameters) {
  for (const char* name : {"resnet20_cifar", "resnet110_cifar"}) {
    const int64_t plain = statistics_of(network(name)).parameters;
    EXPECT_EQ(statistics_of(network(std::string(name) + "_b")).parameters, plain + 512 + 64 + 2048 + 128) << name;
  }
  const auto tensors = tensors_of(network("resnet20_cifar_b"));
  for (const char* line : {"layer2.0.shortcut.0.weight 32x16x1x1", "layer3.0.shortcut.1.running_var 64"})
    EXPECT_NE(std::find(tensors.begin(), tensors.end(), line), tensors.end()) << line;
}

// As the state dict of resnet20-12fca82f.th: 3 blocks in each of 3 layers.
TEST(ZooResidual, CifarNetworksAreNamedAsTheirStateDicts) {
  std::vector<std::string> want;
  const auto normalised = [&](const std::string& conv, const std::string& bn, int64_t out, int64_t in) {
    want.push_back(fmt::format("{}.weight {}x{}x3x3", conv, out, in));
    for (const char* part : {"weight", "bias", "running_mean", "running_var"})
      want.push_back(fmt::format("{}.{} {}", bn, part, out));
  };
  normalised("conv1", "bn1", 16, 3);
  for (int layer = 1; layer <= 3; ++layer)
    for (int block = 0; block < 3; ++block) {
      const int64_t out = 8 << layer, in = block == 0 && layer > 1 ? out / 2 : out;
      const std::string name = fmt::format("layer{}.{}.", layer, block);
      normalised(name + "conv1", name + "bn1", out, in);
      normalised(name + "conv2", name + "bn2", out, out);
    }
  want.push_back("linear.weight 10x64");
  want.push_back("linear.bias 10");
  std::sort(want.begin(), want.end());
  auto got = tensors_of(network("resnet20_cifar"));
  std::sort(got.begin(), got.end());
  EXPECT_EQ(got, want);
}

TEST(ZooResidual, DepthIsTheNumberOfLayersOnTheLongestWay) {
  for (const Architecture& a : architectures()) {
    if (a.family != "ResNet" && a.family != "DenseNet" && a.family != "FractalNet") continue;
    const Graph graph = build(a).graph;
    std::vector<int64_t> longest(static_cast<size_t>(graph.size()), 0);
    for (int i = 0; i < graph.size(); ++i) {
      const Node& node = graph.node(i);
      for (const Value v : node.inputs)
        if (v)
          longest[static_cast<size_t>(i)] =
              std::max(longest[static_cast<size_t>(i)], longest[static_cast<size_t>(v.node)]);
      longest[static_cast<size_t>(i)] += node.op->name == "conv" || node.op->name == "gemm";
    }
    // The paper of FractalNet does not count the classifier.
    const int64_t classifier = a.family == "FractalNet" ? 1 : 0;
    EXPECT_EQ(longest.back(), a.depth + classifier) << a.name;
  }
}

TEST(ZooResidual, LayersHaveTheirNames) {
  const Model resnet = network("resnet101");
  const auto node = [&](const std::string& name) {
    for (const auto& [other, target] : resnet.meaning.aliases)
      if (other == name) return target;
    return resnet.graph.find(name) >= 0 ? name : "none";
  };
  EXPECT_EQ(node("layer1.0.relu_2"), "layer1.0.relu_2");
  EXPECT_EQ(node("layer4"), "layer4.2");
  EXPECT_EQ(node("res4b22"), "layer3.22");
  EXPECT_EQ(node("res4b22_branch2c"), "layer3.22.conv3");
  EXPECT_EQ(node("res3c"), "none");
  EXPECT_EQ(node("res3b2"), "layer2.2");
  EXPECT_EQ(node("res2c_branch2a"), "layer1.2.conv1");
  EXPECT_EQ(node("bn5a_branch1"), "layer4.0.downsample.1");
  EXPECT_EQ(node("pool5"), "avgpool");
  for (const auto& [other, target] : resnet.meaning.aliases) EXPECT_GE(resnet.graph.find(target), 0) << other;
  const Graph& g = resnet.graph;
  EXPECT_EQ(g.node(g.find("layer2.1")).op->name, "relu");
  // The stride of a bottleneck is in its 3×3.
  EXPECT_EQ(g.shape({g.find("layer2.0.conv1"), 0}), (Shape{1, 128, 56, 56}));
  EXPECT_EQ(g.shape({g.find("layer2.0.conv2"), 0}), (Shape{1, 128, 28, 28}));
}

TEST(ZooResidual, StochasticDepthDecaysLinearly) {
  const Graph graph = network("resnet110_stochastic_cifar").graph;
  const auto branches = surviving_branches(graph);
  ASSERT_EQ(branches.size(), 54u);
  double expected_blocks = 0;
  for (size_t l = 1; l <= branches.size(); ++l) {
    const SurvivingBranch& branch = branches[l - 1];
    EXPECT_FLOAT_EQ(static_cast<float>(branch.probability), static_cast<float>(1 - static_cast<double>(l) / 54 * 0.5));
    EXPECT_EQ(branch.block, fmt::format("layer{}.{}", (l - 1) / 18 + 1, (l - 1) % 18));
    EXPECT_EQ(graph.node(branch.scaled).name, branch.block + ".survival");
    EXPECT_EQ(graph.node(branch.branch).name, branch.block + ".bn2");
    expected_blocks += branch.probability;
  }
  EXPECT_NEAR(expected_blocks, 40.25, 1e-4);  // Huang et al., section 4.1: about 40 of 54
  EXPECT_TRUE(surviving_branches(network("resnet110_cifar").graph).empty());
}

TEST(ZooResidual, AThousandLayersAreBuiltQuickly) {
  const std::clock_t begin = std::clock();
  const Graph graph = network("preresnet1001_cifar").graph;
  EXPECT_LT(static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC, 0.5);
  EXPECT_GT(graph.size(), 5000);
}

TEST(ZooResidual, CifarIsPreparedWhole) {
  const Preprocess whole = *network("resnet20_cifar").meaning.preprocess;
  EXPECT_EQ(whole.resize, "stretch");
  EXPECT_EQ(whole.crop_height, 32);
  Image picture(48, 64, 3);
  for (uint8_t& v : picture.samples()) v = 255;
  EXPECT_NEAR(preprocess(picture, whole).at(0), (1 - 0.485) / 0.229, 1e-6);
  const Tensor own = preprocess(picture, preset("cifar", 32, 32));
  EXPECT_EQ(own.shape(), (Shape{1, 3, 32, 32}));
  EXPECT_NEAR(own.at(2 * 32 * 32), (1 - 0.4465) / 0.2616, 1e-5);
}

}  // namespace
}  // namespace fovea
