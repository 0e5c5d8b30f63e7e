// Networks described as text: what they become, that they equal the zoo's, and what is said of mistakes.
#include "fovea/formats/network_description.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <fstream>
#include <map>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"
#include "fovea/formats/network_layers.h"
#include "fovea/formats/open.h"
#include "fovea/model/statistics.h"
#include "fovea/model/zoo/zoo.h"

namespace fovea {
namespace {

constexpr const char* kLenet = R"(
[network]
input = [1, 28, 28]
classes = 10
[[layer]]
kind = "conv"
name = "conv1"
out = 6
kernel = 5
pad = "same"
activation = "relu"
[[layer]]
kind = "max_pool"
kernel = 2
[[layer]]
kind = "conv"
name = "conv2"
out = 16
kernel = 5
activation = "relu"
[[layer]]
kind = "max_pool"
kernel = 2
[[layer]]
kind = "linear"
name = "fc1"
out = 120
activation = "relu"
[[layer]]
kind = "linear"
name = "fc2"
out = 84
activation = "relu"
[[layer]]
kind = "linear"
name = "fc3"
out = "classes"
)";

constexpr const char* kResidual = R"(
[network]
input = [3, 32, 32]
classes = "cifar10"
preprocess = "cifar"
[[block]]
name = "residual"
parameters = ["width", "stride"]
[[block.layer]]
kind = "conv"
name = "conv1"
out = "$width"
kernel = 3
stride = "$stride"
pad = 1
norm = "batch_norm"
activation = "relu"
[[block.layer]]
kind = "conv"
name = "conv2"
out = "$width"
kernel = 3
pad = 1
norm = "batch_norm"
[[block.layer]]
kind = "shortcut"
from = "input"
out = "$width"
stride = "$stride"
option = "A"
[[block.layer]]
kind = "add"
from = ["conv2", "shortcut1"]
[[block.layer]]
kind = "relu"
[[layer]]
kind = "conv"
name = "conv1"
out = 16
kernel = 3
pad = 1
norm = "batch_norm"
activation = "relu"
[[layer]]
kind = "residual"
name = "layer1"
width = 16
stride = 1
repeat = 3
[[layer]]
kind = "residual"
name = "layer2"
width = 32
each = { stride = [2, 1, 1] }
[[layer]]
kind = "residual"
name = "layer3"
width = 64
each = { stride = [2, 1, 1] }
[[layer]]
kind = "global_average_pool"
[[layer]]
kind = "linear"
name = "linear"
out = "classes"
)";

NetworkDescription read(const std::string& text, const ZooOptions& options = {}) {
  NetworkDescription network = read_network_description(Bytes::copy(text, "net.toml"), options);
  verify(network.model.graph);
  return network;
}

// A network of one layer.
std::string one_layer(const std::string& layer, const std::string& input = "[4, 9, 9]") {
  return fmt::format("[network]\ninput = {}\n[[layer]]\n{}\n", input, layer);
}

std::string error_of(const std::string& text) {
  try {
    read_network_description(Bytes::copy(text, "net.toml"));
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::format) << e.message();
    return e.message();
  }
  ADD_FAILURE() << "no error for:\n" << text;
  return {};
}

void expect_error(const std::string& text, const std::vector<std::string>& parts) {
  const std::string message = error_of(text);
  for (const std::string& part : parts) EXPECT_NE(message.find(part), std::string::npos) << part << "\nin: " << message;
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && a.dtype() == b.dtype() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

Tensor scores_of(const Graph& graph, const Weights& weights, Value want) {
  Tensor picture(DType::f32, graph.shape(graph.inputs()[0]));
  Rng rng(3);
  auto data = picture.data<float>();
  for (size_t i = 0; i < data.size(); ++i) data[i] = static_cast<float>(rng.uniform(i)) - 0.5f;
  std::map<std::string, Tensor> feeds(weights.begin(), weights.end());
  feeds["input"] = picture;
  return evaluate(graph, feeds, std::vector<Value>{want})[0];
}

TEST(NetworkDescription, LenetIsTheZoosToTheLastBit) {
  const Model zoo = zoo_model("lenet5");
  NetworkDescription mine = read(kLenet);
  const Weights weights = initial_weights(mine.model.graph, 0, mine.initialisation);
  ASSERT_EQ(weights.size(), zoo.weights.size());
  for (const auto& [name, tensor] : weights) {
    ASSERT_TRUE(zoo.weights.contains(name)) << name;
    EXPECT_TRUE(same_bits(tensor, zoo.weights.at(name))) << name;
  }
  const Tensor a = scores_of(mine.model.graph, weights, mine.model.graph.outputs[0].value);
  const Tensor b = scores_of(zoo.graph, zoo.weights, zoo.graph.outputs[0].value);
  EXPECT_TRUE(same_bits(a, b));
  EXPECT_EQ(mine.model.meaning.scores, "scores");
  EXPECT_EQ(mine.model.meaning.name, "net");
  EXPECT_FALSE(mine.model.meaning.trained);
}

TEST(NetworkDescription, RepeatedBlocksMakeResNet20) {
  const NetworkDescription mine = read(kResidual);
  const Model zoo = build(*find_architecture("resnet20_cifar"));
  const ModelStatistics a = statistics_of(mine.model), b = statistics_of(zoo);
  EXPECT_EQ(a.parameters, 269722);
  EXPECT_EQ(a.parameters, b.parameters);
  EXPECT_EQ(a.macs, b.macs);
  const Graph& g = mine.model.graph;
  for (const char* name : {"layer1.0.conv1.weight", "layer2.0.conv1.norm.running_var", "layer3.2.conv2.weight"})
    EXPECT_GE(g.find(name), 0) << name;
  EXPECT_EQ(mine.model.meaning.classes.size(), 10u);
  EXPECT_EQ(mine.model.meaning.preprocess->name, "cifar");
  // The same function as the zoo's: with its weights under our names the scores are equal.
  const Weights theirs = initial_weights(zoo.graph, 5);
  Weights ours;
  for (const Value p : g.parameters()) {
    std::string name = g.node(p).name;
    if (const size_t at = name.find(".norm."); at != std::string::npos)
      name = name.substr(0, at - 5) + (name[at - 1] == '1' ? "bn1" : "bn2") + name.substr(at + 5);
    ASSERT_TRUE(theirs.contains(name)) << name;
    ours[g.node(p).name] = theirs.at(name);
  }
  const Tensor x = scores_of(g, ours, g.outputs[0].value), y = scores_of(zoo.graph, theirs, zoo.graph.outputs[0].value);
  for (size_t i = 0; i < 10; ++i) EXPECT_NEAR(x.data<float>()[i], y.data<float>()[i], 1e-5);
}

TEST(NetworkDescription, EveryKindBuildsRunsAndNamesItsNode) {
  // What each kind needs beyond its name.
  const std::map<std::string, std::string> needed = {{"conv", "out = 6\nkernel = 3"},
                                                     {"locally_connected", "out = 3\nkernel = 3\nstride = 2"},
                                                     {"conv_transpose", "out = 6\nkernel = 3\nstride = 2"},
                                                     {"linear", "out = 5"},
                                                     {"max_pool", "kernel = 3"},
                                                     {"average_pool", "kernel = 3"},
                                                     {"lp_pool", "kernel = 3"},
                                                     {"adaptive_average_pool", "size = 4"},
                                                     {"group_norm", "groups = 2"},
                                                     {"concat", "from = [\"input\", \"input\"]"},
                                                     {"add", "from = [\"input\", \"input\", \"input\"]"},
                                                     {"multiply", "from = [\"input\", \"input\"]"},
                                                     {"scale", "factor = 0.5"},
                                                     {"shortcut", "out = 8\nstride = 2"}};
  for (const LayerKind& kind : layer_kinds()) {
    const std::string name(kind.name);
    SCOPED_TRACE(name);
    const auto extra = needed.find(name);
    const NetworkDescription n = read(
        one_layer(fmt::format("kind = \"{}\"\nname = \"it\"\n{}", name, extra == needed.end() ? "" : extra->second)));
    EXPECT_GE(n.model.graph.find("it"), 0);
    const Weights weights = initial_weights(n.model.graph, 1, n.initialisation);
    const Tensor y = scores_of(n.model.graph, weights, n.model.graph.outputs[0].value);
    for (const float v : y.data<float>()) ASSERT_TRUE(std::isfinite(v));
    for (const Value p : n.model.graph.parameters()) EXPECT_TRUE(n.model.graph.node(p).name.starts_with("it."));
  }
}

TEST(NetworkDescription, SizesAreInferred) {
  const auto shape = [](const std::string& layer, const std::string& input = "[4, 9, 9]") {
    const NetworkDescription n = read(one_layer(layer, input));
    return to_string(n.model.graph.shape(n.model.graph.outputs[0].value));
  };
  EXPECT_EQ(shape("kind = \"conv\"\nout = 6\nkernel = [3, 5]\nstride = [2, 1]\npad = [1, 0]"), "1x6x5x5");
  EXPECT_EQ(shape("kind = \"conv\"\nout = 6\nkernel = 3\ndilation = 2\npad = \"same\"\ngroups = 2"), "1x6x9x9");
  EXPECT_EQ(shape("kind = \"conv\"\nout = 6\nkernel = 3\npad = [0, 0, 1, 1]"), "1x6x8x8");
  EXPECT_EQ(shape("kind = \"conv\"\nout = 6\nkernel = 5", "[2, 40]"), "1x6x36");
  EXPECT_EQ(shape("kind = \"max_pool\"\nkernel = 2"), "1x4x4x4");
  EXPECT_EQ(shape("kind = \"max_pool\"\nkernel = 2\nceil = true"), "1x4x5x5");
  EXPECT_EQ(shape("kind = \"average_pool\"\nkernel = 3\nstride = 2"), "1x4x4x4");
  EXPECT_EQ(shape("kind = \"conv_transpose\"\nout = 2\nkernel = 4\nstride = 2\npad = 1"), "1x2x18x18");
  EXPECT_EQ(shape("kind = \"upsample\"\nfactor = 3"), "1x4x27x27");
  EXPECT_EQ(shape("kind = \"adaptive_average_pool\"\nsize = [2, 3]"), "1x4x2x3");
  EXPECT_EQ(shape("kind = \"concat\"\nfrom = [\"input\", \"input\"]"), "1x8x9x9");
  EXPECT_EQ(shape("kind = \"linear\"\nout = 7"), "1x7");
  EXPECT_EQ(shape("kind = \"linear\"\nout = 7\nactivation = \"tanh\"", "[2]"), "1x7");
  EXPECT_EQ(shape("kind = \"shortcut\"\nout = 10\nstride = 2\noption = \"A\""), "1x10x5x5");
}

TEST(NetworkDescription, LocallyConnectedHasABiasAtEveryPlace) {
  const NetworkDescription n = read(one_layer("kind = \"locally_connected\"\nname = \"l\"\nout = 3\nkernel = 3"));
  const Graph& g = n.model.graph;
  EXPECT_EQ(to_string(g.shape({g.find("l.weight"), 0})), "49x3x4x3x3");
  EXPECT_EQ(to_string(g.shape({g.find("l.bias"), 0})), "3x7x7");
}

TEST(NetworkDescription, OptionsGoBeforeTheFilesSizes) {
  const NetworkDescription n = read(kResidual, {.classes = 3, .height = 64, .width = 48, .batch = 2});
  EXPECT_EQ(to_string(n.model.graph.shape(n.model.graph.outputs[0].value)), "2x3");
  EXPECT_EQ(to_string(n.model.graph.shape(n.model.graph.inputs()[0])), "2x3x64x48");
  EXPECT_TRUE(n.model.meaning.classes.empty());
}

TEST(NetworkDescription, HeadsAndUnusedLayers) {
  const std::string text =
      "[network]\ninput = [3, 8, 8]\nclasses = [\"a\", \"b\"]\n"
      "[[layer]]\nkind = \"conv\"\nout = 4\nkernel = 3\n"
      "[[layer]]\nkind = \"linear\"\nname = \"early\"\nout = \"classes\"\noutput = \"aux1\"\n"
      "[[layer]]\nkind = \"linear\"\nname = \"lost\"\nfrom = \"conv1\"\nout = 9\n"
      "[[layer]]\nkind = \"linear\"\nname = \"late\"\nfrom = \"conv1\"\nout = \"classes\"\n";
  const Model model = read(text).model;
  ASSERT_EQ(model.graph.outputs.size(), 2u);
  EXPECT_EQ(model.graph.outputs[0].name, "scores");
  EXPECT_EQ(model.graph.node(model.graph.outputs[0].value).name, "late");
  EXPECT_EQ(model.graph.outputs[1].name, "aux1");
  EXPECT_EQ(model.meaning.classes, (std::vector<std::string>{"a", "b"}));
  ASSERT_EQ(model.meaning.notes.size(), 2u);
  EXPECT_NE(model.meaning.notes[0].find("lost.weight is not used"), std::string::npos);
}

TEST(NetworkDescription, PreprocessAndInitialisation) {
  const NetworkDescription n = read(
      "[network]\ninput = [3, 8, 8]\npreprocess = { preset = \"unit\", colour = \"bgr\", mean = [0.1, 0.2, 0.3] }\n"
      "[initialisation]\nkind = \"orthogonal\"\ngain = 1.5\n[[layer]]\nkind = \"relu\"\n");
  EXPECT_EQ(n.initialisation.kind, "orthogonal");
  EXPECT_EQ(n.initialisation.gain, 1.5);
  EXPECT_EQ(n.model.meaning.preprocess->colour, "bgr");
  EXPECT_EQ(n.model.meaning.preprocess->mean, (std::vector<double>{0.1, 0.2, 0.3}));
  EXPECT_EQ(n.model.meaning.preprocess->crop_height, 8);
}

TEST(NetworkDescription, MistakesAreNamedWithLineLayerAndWord) {
  expect_error(one_layer("kind = \"konv\"\nout = 3"), {"net.toml: line 4", "\"konv\"", "did you mean \"conv\""});
  expect_error(one_layer("kind = \"conv\"\nout = 3\nkernle = 3\nkernel = 3"),
               {"net.toml: line 6", "layer \"conv1\" (conv)", "kernle", "did you mean \"kernel\""});
  expect_error(one_layer("kind = \"conv\"\nout = 3"), {"layer \"conv1\" (conv)", "it needs `kernel`"});
  expect_error(one_layer("kind = \"conv\"\nkernel = 3"), {"it needs `out`"});
  expect_error(one_layer("kind = \"conv\"\nout = \"six\"\nkernel = 3"), {"line 5", "out", "\"classes\"", "\"six\""});
  expect_error(one_layer("kind = \"conv\"\nout = \"classes\"\nkernel = 3"), {"how many classes"});
  expect_error(one_layer("kind = \"conv\"\nout = 6\nkernel = 33"), {"line 3", "layer \"conv1\" (conv)"});
  expect_error(one_layer("kind = \"conv\"\nout = 6\nkernel = [3, 3, 3]"), {"kernel", "one number, or 2"});
  expect_error(one_layer("kind = \"conv\"\nout = 6\nkernel = 4\npad = \"same\""), {"odd"});
  expect_error(one_layer("kind = \"conv\"\nout = 6\nkernel = 3\ngroups = 3"), {"groups", "4 channels"});
  expect_error(one_layer("kind = \"conv\"\nout = 0\nkernel = 3"), {"out", "from 1", "got 0"});
  expect_error(one_layer("kind = \"dropout\"\nrate = 2.5"), {"rate", "from 0 to 0.999", "2.5"});
  expect_error(one_layer("kind = \"relu\"\nfrom = \"inpt\""), {"\"inpt\"", "did you mean \"input\""});
  expect_error(one_layer("kind = \"relu\"\nfrom = [\"input\", \"input\"]"), {"expected one layer, got 2"});
  expect_error(one_layer("kind = \"add\""), {"two layers or more"});
  expect_error(
      one_layer("kind = \"conv\"\nout = 4\nkernel = 3\n[[layer]]\nkind = \"add\"\nfrom = [\"conv1\", \"input\"]"),
      {"line 9", "layer \"add1\" (add)", "1x4x7x7", "1x4x9x9"});
  expect_error(one_layer("kind = \"conv\"\nout = 4\nkernel = 3\nactivation = \"rellu\""), {"did you mean \"relu\""});
  expect_error(one_layer("kind = \"relu\"\nname = \"a b\""), {"name", "\"a b\""});
  expect_error(one_layer("kind = \"relu\"\nname = \"a\"\n[[layer]]\nkind = \"relu\"\nname = \"a\""),
               {"line 8", "already", "\"a\""});
  expect_error(one_layer("kind = \"max_pool\"\nkernel = 3", "[7]"), {"spatial axes", "1x7"});
  expect_error("[network]\ninput = [1, 8, 8]\nclases = 3\n[[layer]]\nkind = \"relu\"",
               {"line 3", "clases", "did you mean \"classes\""});
  expect_error("[network]\ninput = [1, 8, 8]\nclasses = 3\n[[layer]]\nkind = \"linear\"\nout = 4",
               {"classes", "1x4", "expected 3"});
  expect_error("[netwrok]\ninput = [1]\n[[layer]]\nkind = \"relu\"", {"line 1", "did you mean \"network\""});
  expect_error("[network]\nclasses = 3\n[[layer]]\nkind = \"relu\"", {"it needs `input`"});
  expect_error("model = \"zoo:lenet5\"\n", {"a recipe", "zoo:lenet5", "fovea train"});
  expect_error("epochs = 3\n", {"no [[layer]]"});
  expect_error("[network\n", {"net.toml: line 1"});
  expect_error("[network]\ninput = [1, 8, 8]\npreprocess = \"cifarr\"\n[[layer]]\nkind = \"relu\"", {"\"cifar\""});
  expect_error("[network]\ninput = [1, 8, 8]\npreprocess = \"cifar\"\n[[layer]]\nkind = \"relu\"",
               {"3 channels, the input has 1"});
  expect_error("[network]\ninput = [3]\n[layer]\nkind = \"relu\"", {"at least one [[layer]]"});
}

TEST(NetworkDescription, MistakesInBlocks) {
  const std::string block =
      "[network]\ninput = [3, 8, 8]\n[[block]]\nname = \"b\"\nparameters = [\"width\"]\n"
      "[[block.layer]]\nkind = \"conv\"\nout = \"$width\"\nkernel = 1\n";
  EXPECT_EQ(read(block + "[[layer]]\nkind = \"b\"\nwidth = 5\n").model.graph.find("b1.conv1") >= 0, true);
  expect_error(block + "[[layer]]\nkind = \"b\"\n", {"layer \"b1\" (b)", "`width`"});
  expect_error(block + "[[layer]]\nkind = \"b\"\nwidth = 5\nwidht = 3\n", {"widht", "did you mean \"width\""});
  expect_error(block + "[[layer]]\nkind = \"b\"\nwidth = \"many\"\n", {"layer \"b1.conv1\" (conv)", "\"many\""});
  expect_error(block + "[[layer]]\nkind = \"b\"\neach = { width = [] }\n", {"each", "width"});
  expect_error(block + "[[layer]]\nkind = \"b\"\nrepeat = 2\neach = { width = [1, 2, 3] }\n", {"3 values for 2"});
  expect_error(block + "[[layer]]\nkind = \"b\"\nwidth = 2\neach = { width = [1, 2, 3] }\n", {"given twice"});
  std::string other = block;
  other.replace(other.find("$width"), 6, "$wdth");
  expect_error(other + "[[layer]]\nkind = \"b\"\nwidth = 5\n", {"line 8", "$wdth", "did you mean \"$width\""});
  // A block sees what stands before it only: none can use itself.
  expect_error(
      "[network]\ninput = [3]\n[[block]]\nname = \"b\"\n[[block.layer]]\nkind = \"b\"\n[[layer]]\nkind = \"b\"",
      {"more than 16 deep"});
}

TEST(NetworkDescription, HostileSizesAreRefused) {
  expect_error(one_layer("kind = \"relu\"\nrepeat = 30000"), {"repeat", "20000"});
  expect_error(one_layer("kind = \"linear\"\nout = 1048576", "[65536, 65536]"), {"the weight", "4294967296"});
  expect_error(one_layer("kind = \"linear\"\nout = 1048576", "[10000]"), {"more than 536870912 weights"});
  expect_error(one_layer("kind = \"upsample\"\nfactor = 64\nrepeat = 100"), {"too large"});
  expect_error(one_layer("kind = \"conv_transpose\"\nout = 1\nkernel = 1\nstride = 4096\nrepeat = 9", "[1, 9, 9, 9]"),
               {"too large"});
  expect_error(one_layer("kind = \"relu\"\nx = " + std::string(100, '[')), {"nest more than 32"});
  std::string dotted = "a";
  for (int i = 0; i < 50000; ++i) dotted += ".a";
  expect_error(dotted + " = 1", {"more than 16 parts"});
  expect_error("[" + dotted + "]", {"more than 16 parts"});
  std::string quoted = "\"a\"";
  for (int i = 0; i < 50000; ++i) quoted += ".'b'";
  expect_error(quoted + " = 1", {"more than 16 parts"});
  expect_error(std::string(2'000'000, '\n'), {"at most"});
  // Blocks that double: 2^30 layers.
  std::string doubling = "[network]\ninput = [3]\n[[block]]\nname = \"b0\"\n[[block.layer]]\nkind = \"relu\"\n";
  for (int i = 1; i < 12; ++i)
    doubling += fmt::format("[[block]]\nname = \"b{}\"\n[[block.layer]]\nkind = \"b{}\"\nrepeat = 8\n", i, i - 1);
  expect_error(doubling + "[[layer]]\nkind = \"b11\"", {"more than 20000 layers"});
}

TEST(NetworkDescription, WhatIsReadCanBeWrittenAgain) {
  for (const std::string text : {kLenet, kResidual}) {
    const TomlValue tree = read_toml(Bytes::copy(text, "net.toml"));
    EXPECT_EQ(read(network_part(tree)).model.graph.text(), read(text).model.graph.text());
  }
  const TomlValue odd =
      read_toml(Bytes::copy("a = [1.5, -0.0, 1e-300, inf]\n\"b c\" = \"\\u0001\\n\\\"\\\\é\"\n"
                            "t = [[1], [true], [{x = 1}]]\n[s.u]\nv = 0.1\n[[s.w]]\n[[s.w]]\nk = {}\n"));
  const std::string once = write_toml(odd);
  EXPECT_EQ(write_toml(read_toml(Bytes::copy(once))), once);
  EXPECT_EQ(read_toml(Bytes::copy(once)).find("b c")->text, "\x01\n\"\\é");
  EXPECT_TRUE(std::signbit(read_toml(Bytes::copy(once)).find("a")->items[1].number));
}

// Every network of docs/networks.md is read and is what the page says.
TEST(NetworkDescription, TheExamplesOfTheDocsAreComplete) {
  std::ifstream file(std::filesystem::path(FOVEA_SOURCE_DIR) / "docs" / "networks.md");
  std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  std::vector<Model> networks;
  const std::string fence = "```toml\n";
  for (size_t at = page.find(fence); at != std::string::npos; at = page.find(fence, at + 1)) {
    const size_t begin = at + fence.size();
    networks.push_back(read(page.substr(begin, page.find("```", begin) - begin)).model);
  }
  ASSERT_EQ(networks.size(), 3u);
  EXPECT_EQ(networks[0].graph.text(), read(kLenet).model.graph.text());
  EXPECT_EQ(statistics_of(networks[1]).parameters, 269722);
  EXPECT_EQ(networks[2].graph.outputs.size(), 2u);
  EXPECT_EQ(to_string(networks[2].graph.shape({networks[2].graph.find("inception_b.output"), 0})), "1x128x16x16");
}

// What every layer can be asked for stands in docs/layers.md.
TEST(NetworkDescription, TheDocsNameEveryKind) {
  std::ifstream file(std::filesystem::path(FOVEA_SOURCE_DIR) / "docs" / "layers.md");
  const std::string page((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  for (const LayerKind& kind : layer_kinds())
    EXPECT_NE(page.find(fmt::format("| `{}` |", kind.name)), std::string::npos) << kind.name;
}

TEST(NetworkDescription, OpensByContent) {
  const auto path = std::filesystem::temp_directory_path() / "fovea-description-test.txt";
  std::ofstream(path) << kLenet;
  const Model model = open_model(path.string(), {.seed = 0});
  EXPECT_EQ(model.weights.size(), 10u);
  EXPECT_TRUE(same_bits(model.weights.at("conv1.weight"), zoo_model("lenet5").weights.at("conv1.weight")));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace fovea
