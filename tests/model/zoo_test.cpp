// The zoo's networks as descriptions: parameters, names, order and shapes of tensors, depth, options, aliases. What
// they compute is tested in zoo_values_test.cpp.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <sstream>

#include "fovea/base/bytes.h"
#include "fovea/formats/archive.h"
#include "fovea/graph/op.h"
#include "fovea/model/statistics.h"
#include "fovea/model/zoo/vgg_table.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/ops/reduce.h"
#include "fovea/transform/gradient.h"

namespace fovea {
namespace {

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden/zoo" / name;
}

Model built(std::string_view name, const ZooOptions& options = {}) {
  const Architecture* a = find_architecture(name);
  require(a, ErrorKind::usage, "no {}", name);
  return build(*a, options);
}

int64_t parameters_of(const Model& model, std::string_view prefix = "") {
  int64_t total = 0;
  for (const LayerStatistics& layer : statistics_of(model).layers)
    if (model.graph.node(layer.node).name.starts_with(prefix)) total += layer.parameters;
  return total;
}

// Where another name of a layer leads.
std::string alias_of(const Model& model, std::string_view name) {
  for (const auto& [other, node] : model.meaning.aliases)
    if (other == name) return node;
  return "";
}

TEST(Zoo, ParametersAreExact) {
  const std::map<std::string, int64_t> published = {
      {"lenet1", 2'578},
      {"lenet5_1998", 60'000},
      {"lenet5", 61'706},
      {"mlp", 785 * 300 + 301 * 100 + 101 * 10},
      {"mlp512", 785 * 512 + 513 * 10},
      {"convnet_cifar", 3 * 9 * 12 + 12 + 16 * 16 * 12 * 10 + 10},
      {"alexnet", 61'100'840},
      {"alexnet_caffe", 60'965'224},
      {"caffenet", 60'965'224},
      {"zfnet", 62'357'608},
      {"nin", 7'595'176},
      {"nin_cifar", 966'986},
      {"vgg_f", 60'834'536},
      {"vgg_m", 102'908'520},
      {"vgg_s", 102'908'520},
      {"vgg11", 132'863'336},
      {"vgg11_bn", 132'868'840},
      {"vgg13", 133'047'848},
      {"vgg13_bn", 133'053'736},
      {"vgg16", 138'357'544},
      {"vgg16_bn", 138'365'992},
      {"vgg19", 143'667'240},
      {"vgg19_bn", 143'678'248},
      {"vgg_a_lrn", 132'863'336},
      {"vgg_c", 133'638'952},
      {"googlenet_bvlc", 6'998'552},
      {"googlenet", 6'624'904},
      {"squeezenet1_0", 1'248'424},
      {"squeezenet1_1", 1'235'496},
  };
  for (const auto& [name, count] : published) EXPECT_EQ(parameters_of(built(name)), count) << name;
  EXPECT_EQ(parameters_of(built("googlenet", {.heads = true})), 13'004'888);
  // Each head: 1×1 convolution to 128, 2048 → 1024, → 1000.
  const int64_t linear = 2049 * 1024 + 1025 * 1000;
  EXPECT_EQ(parameters_of(built("googlenet_bvlc", {.heads = true})), 6'998'552 + 2 * linear + 513 * 128 + 529 * 128);
}

TEST(Zoo, LeNet5AsPublishedLayerByLayer) {
  const Model model = built("lenet5_1998");
  const std::vector<std::pair<std::string, int64_t>> published = {
      {"c1", 156}, {"s2", 12}, {"c3", 1'516}, {"s4", 32}, {"c5", 48'120}, {"f6", 10'164}, {"rbf", 0}, {"output", 0}};
  const auto shape = [&](std::string_view layer) { return model.graph.node(model.graph.find(layer)).outputs[0].shape; };
  for (const auto& [layer, count] : published) {
    // The coefficients of a sub-sampling are read by a multiplication without a name, its bias by the layer.
    int64_t total = 0;
    for (const Value p : model.graph.parameters())
      if (model.graph.node(p).name.starts_with(layer + ".")) total += model.graph.shape(p).count();
    EXPECT_EQ(total, count) << layer;
  }
  EXPECT_EQ(shape("c1"), (Shape{1, 6, 28, 28}));
  EXPECT_EQ(shape("s2"), (Shape{1, 6, 14, 14}));
  EXPECT_EQ(shape("c3"), (Shape{1, 16, 10, 10}));
  EXPECT_EQ(shape("s4"), (Shape{1, 16, 5, 5}));
  EXPECT_EQ(shape("c5"), (Shape{1, 120, 1, 1}));
  EXPECT_EQ(shape("output"), (Shape{1, 10}));
  EXPECT_THROW(built("lenet5_1998", {.classes = 26}), Error);
}

struct StateDict {
  std::string network;
  std::vector<std::pair<std::string, std::string>> tensors;  // name, shape as 64x3x11x11
};

std::vector<StateDict> state_dicts() {
  const Bytes text = unpacked(Bytes::map(golden("state_dicts.txt.gz")));
  std::istringstream in{std::string(text.view())};
  std::vector<StateDict> result;
  for (std::string word, network; in >> word >> network;) {
    size_t count = 0;
    in >> count;
    require(word == "network" && in.good() && count < 10'000, ErrorKind::format, "state_dicts.txt.gz is damaged");
    StateDict dict{network, {}};
    dict.tensors.resize(count);
    for (auto& [name, shape] : dict.tensors) in >> name >> shape;
    result.push_back(std::move(dict));
  }
  return result;
}

// See tests/golden/zoo/make.py.
TEST(Zoo, TensorsAreTorchvisionsInTheirOrder) {
  const std::vector<StateDict> dicts = state_dicts();
  ASSERT_EQ(dicts.size(), 22u);
  for (const StateDict& dict : dicts) {
    const bool heads = dict.network.ends_with("_heads");
    const std::string name = heads ? dict.network.substr(0, dict.network.size() - 6) : dict.network;
    const Model model = built(name, {.heads = heads});
    const std::vector<Value> parameters = model.graph.parameters();
    EXPECT_EQ(parameters.size(), dict.tensors.size()) << dict.network;
    for (size_t i = 0; i < std::min(parameters.size(), dict.tensors.size()); ++i) {
      const auto& [tensor, shape] = dict.tensors[i];
      ASSERT_EQ(model.graph.node(parameters[i]).name, tensor) << dict.network << ", tensor " << i;
      ASSERT_EQ(to_string(model.graph.shape(parameters[i])), shape) << dict.network << ", " << tensor;
    }
  }
}

// Layers with weights on the longest way to each node.
int64_t longest_way(const Graph& graph) {
  std::vector<int64_t> depth(static_cast<size_t>(graph.size()), 0);
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    bool weighs = node.op->name == "conv" || node.op->name == "gemm";
    for (const Value v : node.inputs) {
      if (!v) continue;
      depth[static_cast<size_t>(i)] = std::max(depth[static_cast<size_t>(i)], depth[static_cast<size_t>(v.node)]);
      weighs = weighs || (node.op->name == "mul" && graph.node(v).op->name == "parameter");
    }
    depth[static_cast<size_t>(i)] += weighs;
  }
  return *std::max_element(depth.begin(), depth.end());
}

TEST(Zoo, DepthIsWhatThePapersCount) {
  const std::set<std::string> families = {"LeNet", "MLP",       "AlexNet",   "ZF-Net",     "Network in Network",
                                          "VGG",   "VGG-F/M/S", "GoogLeNet", "SqueezeNet", "ConvNet"};
  int count = 0;
  for (const Architecture& a : architectures()) {
    if (!families.contains(a.family)) continue;
    ++count;
    const int64_t fixed = a.name == "lenet5_1998" ? 1 : 0;  // the codes of the output layer are not trained
    EXPECT_EQ(longest_way(build(a).graph) + fixed, a.depth) << a.name;
  }
  EXPECT_EQ(count, 32);
}

TEST(Zoo, EveryArchitectureIsSound) {
  std::set<std::string> names;
  for (const Architecture& a : architectures()) {
    SCOPED_TRACE(a.name);
    EXPECT_TRUE(names.insert(a.name).second);
    EXPECT_FALSE(a.paper.empty());
    EXPECT_GT(a.year, 1980);
    const Model model = build(a);
    verify(model.graph);
    EXPECT_TRUE(model.weights.empty());
    ASSERT_TRUE(model.meaning.preprocess.has_value());
    EXPECT_EQ(model.meaning.preprocess->crop_height, a.input[1]);
    ASSERT_EQ(model.graph.outputs.size(), 1u);
    EXPECT_EQ(model.graph.outputs[0].name, "scores");
    EXPECT_EQ(model.graph.shape(model.graph.outputs[0].value), (Shape{1, a.classes}));
    std::set<std::string> others;
    for (const auto& [other, node] : model.meaning.aliases) {
      EXPECT_TRUE(others.insert(other).second) << other << " twice";
      EXPECT_GE(model.graph.find(node), 0) << other << " leads to " << node;
      const int same = model.graph.find(other);
      EXPECT_TRUE(same < 0 || model.graph.node(same).name == node) << other << " is the name of another node";
    }
  }
}

TEST(Zoo, OptionsChangeInputAndClasses) {
  for (const Architecture& a : architectures()) {
    SCOPED_TRACE(a.name);
    const int64_t channels = a.input[0] == 3 ? 1 : 3, classes = a.name == "lenet5_1998" ? 10 : 7;
    const Model model = build(a, {.classes = classes, .channels = channels, .batch = 2});
    EXPECT_EQ(model.graph.shape(model.graph.inputs()[0]), (Shape{2, channels, a.input[1], a.input[2]}));
    EXPECT_EQ(model.graph.shape(model.graph.outputs[0].value), (Shape{2, classes}));
    ASSERT_TRUE(model.meaning.preprocess.has_value());
    EXPECT_EQ(model.meaning.preprocess->colour == "grey", channels == 1);
    EXPECT_FALSE(model.meaning.preprocess_stated);
  }
  for (const std::string name : {"alexnet", "vgg16", "googlenet", "squeezenet1_1"}) {  // pictures of any size
    const int64_t before = parameters_of(built(name));
    EXPECT_EQ(parameters_of(built(name, {.height = 256, .width = 320})), before) << name;
  }
  try {
    built("vgg16", {.height = 20, .width = 20});
    FAIL() << "vgg16 took a picture of 20x20";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_NE(e.message().find("vgg16 does not take pictures of 20x20"), std::string::npos) << e.message();
  }
}

TEST(Zoo, AuxiliaryClassifiersAreOutputs) {
  for (const std::string name : {"googlenet", "googlenet_bvlc"}) {
    const Model model = built(name, {.classes = 12, .batch = 2, .heads = true});
    verify(model.graph);
    ASSERT_EQ(model.graph.outputs.size(), 3u) << name;
    const char* const names[] = {"scores", "aux1", "aux2"};
    for (size_t i = 0; i < 3; ++i) {
      EXPECT_EQ(model.graph.outputs[i].name, names[i]) << name;
      EXPECT_EQ(model.graph.shape(model.graph.outputs[i].value), (Shape{2, 12})) << name;
    }
    const auto before = [&](std::string_view head, std::string_view layer) {
      const Node& pool = model.graph.node(model.graph.find(head));
      return model.graph.node(pool.inputs[0]).name == layer;
    };
    const bool torchvision = name == "googlenet";
    EXPECT_TRUE(
        before(torchvision ? "aux1.pool" : "loss1/ave_pool", torchvision ? "inception4a" : "inception_4a/output"));
    EXPECT_TRUE(
        before(torchvision ? "aux2.pool" : "loss2/ave_pool", torchvision ? "inception4d" : "inception_4d/output"));
  }
}

TEST(Zoo, EveryParameterHasAGradient) {
  for (const Architecture& a : architectures()) {
    SCOPED_TRACE(a.name);
    Graph graph = build(a).graph;
    const Value loss = reduce(graph, graph.outputs[0].value);
    std::vector<Value> trained;
    for (const Value p : graph.parameters())
      if (graph.node(p).name.find("running_") == std::string::npos) trained.push_back(p);
    const std::vector<Value> gradients = gradient(graph, loss, trained);
    for (size_t i = 0; i < trained.size(); ++i) {
      EXPECT_EQ(graph.shape(gradients[i]), graph.shape(trained[i])) << graph.node(trained[i]).name;
      const std::vector<bool> needed = reachable(graph, std::vector<Value>{gradients[i]});
      EXPECT_TRUE(needed[static_cast<size_t>(graph.find("input"))] || graph.node(trained[i]).name.ends_with("bias"))
          << graph.node(trained[i]).name << " has a gradient that the picture has no part in";
    }
  }
}

TEST(Zoo, PreprocessingGoesWithThePublishedWeights) {
  for (const char* name : {"alexnet", "vgg16", "googlenet", "squeezenet1_0"})
    EXPECT_EQ(built(name).meaning.preprocess->name, "torchvision") << name;
  for (const char* name : {"alexnet_caffe", "googlenet_bvlc", "nin", "zfnet"}) {
    EXPECT_EQ(built(name).meaning.preprocess->colour, "bgr") << name;
    EXPECT_TRUE(built(name).meaning.probabilities) << name;
  }
  EXPECT_FALSE(built("vgg16").meaning.probabilities);
  EXPECT_EQ(built("lenet5").meaning.preprocess->colour, "grey");
}

TEST(Zoo, AliasesReachTheSameLayer) {
  const Model vgg19 = built("vgg19"), vgg16_bn = built("vgg16_bn");
  EXPECT_EQ(alias_of(vgg19, "conv5_1"), "features.28");
  EXPECT_EQ(alias_of(vgg19, "relu4_2"), "features.22");
  EXPECT_EQ(alias_of(vgg19, "pool5"), "features.36");
  EXPECT_EQ(alias_of(vgg19, "fc7"), "classifier.3");
  EXPECT_EQ(alias_of(vgg16_bn, "conv4_2"), "features.27");
  EXPECT_EQ(alias_of(vgg16_bn, "bn4_2"), "features.28");
  EXPECT_EQ(alias_of(vgg16_bn, "relu4_2"), "features.29");
  EXPECT_EQ(alias_of(built("vgg_a_lrn"), "norm1"), "features.2");
  const Model torchvision = built("googlenet"), caffe = built("googlenet_bvlc");
  EXPECT_EQ(alias_of(torchvision, "inception_4c/output"), "inception4c");
  EXPECT_EQ(alias_of(torchvision, "mixed4c"), "inception4c");
  EXPECT_EQ(alias_of(torchvision, "inception_4c/3x3"), "inception4c.branch2.1");
  EXPECT_EQ(alias_of(caffe, "inception4c"), "inception_4c/output");
  EXPECT_EQ(alias_of(caffe, "mixed4c"), "inception_4c/output");
  for (const auto& [model, name] : {std::pair(&torchvision, "inception4c"), std::pair(&caffe, "inception_4c/output")}) {
    const Node& node = model->graph.node(model->graph.find(name));
    EXPECT_EQ(node.op->name, "concat");
    EXPECT_EQ(node.outputs[0].shape, (Shape{1, 512, 14, 14}));
  }
  const Model squeezenet = built("squeezenet1_1");
  EXPECT_EQ(alias_of(squeezenet, "fire5/concat"), "features.7");
  EXPECT_EQ(alias_of(squeezenet, "pool5"), "features.8");
  EXPECT_EQ(alias_of(squeezenet, "fire9/relu_expand3x3"), "features.12.expand3x3_activation");
  EXPECT_EQ(alias_of(built("squeezenet1_0"), "pool8"), "features.11");
}

TEST(Zoo, MapSizesAreThePapers) {
  const auto shape = [](const Model& model, std::string_view layer) {
    const int node = model.graph.find(layer);
    return node < 0 ? Shape{} : model.graph.node(node).outputs[0].shape;
  };
  const Model zf = built("zfnet"), caffe = built("alexnet_caffe"), medium = built("vgg_m"), slow = built("vgg_s");
  EXPECT_EQ(shape(zf, "conv1"), (Shape{1, 96, 110, 110}));
  EXPECT_EQ(shape(zf, "pool1"), (Shape{1, 96, 55, 55}));
  EXPECT_EQ(shape(zf, "conv2"), (Shape{1, 256, 26, 26}));
  EXPECT_EQ(shape(zf, "pool2"), (Shape{1, 256, 13, 13}));
  EXPECT_EQ(shape(zf, "pool5"), (Shape{1, 256, 6, 6}));
  EXPECT_EQ(shape(caffe, "conv1"), (Shape{1, 96, 55, 55}));
  EXPECT_EQ(shape(caffe, "pool5"), (Shape{1, 256, 6, 6}));
  EXPECT_EQ(shape(medium, "pool5"), (Shape{1, 512, 6, 6}));
  EXPECT_EQ(shape(slow, "pool5"), (Shape{1, 512, 6, 6}));
  EXPECT_EQ(shape(built("nin"), "pool3"), (Shape{1, 384, 6, 6}));
  EXPECT_EQ(shape(built("nin_cifar"), "pool2"), (Shape{1, 192, 8, 8}));
  // AlexNet normalises, then pools; CaffeNet the other way round.
  const auto before = [](const Model& model, std::string_view layer) {
    return model.graph.node(model.graph.node(model.graph.find(layer)).inputs[0]).name;
  };
  EXPECT_EQ(before(caffe, "pool1"), "norm1");
  EXPECT_EQ(before(built("caffenet"), "norm1"), "pool1");
}

TEST(Zoo, VggTableIsThePapers) {
  const Bytes expected = Bytes::map(golden("vgg_table.txt"));
  EXPECT_EQ(vgg_table(), expected.view());
}

}  // namespace
}  // namespace fovea
