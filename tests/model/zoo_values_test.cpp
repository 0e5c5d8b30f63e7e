// What the zoo's networks compute: LeNet-5 of 1998 against loops written from the paper, and GoogLeNet and SqueezeNet
// with their published weights.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "fovea/base/bytes.h"
#include "fovea/base/rng.h"
#include "fovea/commands/model_options.h"
#include "fovea/formats/open.h"
#include "fovea/model/conventions.h"
#include "fovea/model/zoo/zoo.h"
#include "tests/data_folder.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

// Maps [C,H,W] of the layers of LeNet-5.
struct Maps {
  int count = 0, side = 0;
  std::vector<double> values;
  Maps(int maps, int length) : count(maps), side(length), values(static_cast<size_t>(maps * length * length)) {}
  double& at(int map, int y, int x) { return values[static_cast<size_t>((map * side + y) * side + x)]; }
};

double squash(double a) { return 1.7159 * std::tanh(2 * a / 3); }

// C3 of the paper's Table I: rows are maps of S2, columns maps of C3.
constexpr std::string_view kTable[6] = {
    "X...XXX..XXXX.XX",  //
    "XX...XXX..XXXX.X",  //
    "XXX...XXX..X.XXX",  //
    ".XXX..XXXX..X.XX",  //
    "..XXX..XXXX.XX.X",  //
    "...XXX..XXXX.XXX",
};

class LeNet1998 {
 public:
  explicit LeNet1998(const Weights& weights) : weights_(weights) {}

  std::vector<double> f6(const Tensor& picture) const {
    Maps x(1, 32);
    for (size_t i = 0; i < x.values.size(); ++i) x.values[i] = picture.at(static_cast<int64_t>(i));
    x = sub_sampled("s2", convolved(
                              x, 6, [&](int out, int in) { return kernel("c1", out, in, 1); }, "c1"));
    x = sub_sampled("s4", third(x));
    x = convolved(
        x, 120, [&](int out, int in) { return kernel("c5", out, in, 16); }, "c5");
    std::vector<double> units(84);
    for (int64_t j = 0; j < 84; ++j) {
      double a = weight("f6.bias", j);
      for (int64_t i = 0; i < 120; ++i) a += weight("f6.weight", j * 120 + i) * x.values[static_cast<size_t>(i)];
      units[static_cast<size_t>(j)] = squash(a);
    }
    return units;
  }

 private:
  double weight(const std::string& name, int64_t index) const { return weights_.find(name)->second.at(index); }
  // The 25 weights from map `in` to map `out`.
  std::vector<double> kernel(const std::string& layer, int64_t out, int64_t in, int64_t maps) const {
    std::vector<double> k(25);
    for (int64_t i = 0; i < 25; ++i) k[static_cast<size_t>(i)] = weight(layer + ".weight", (out * maps + in) * 25 + i);
    return k;
  }
  template <class Kernel>
  Maps convolved(Maps& x, int maps, Kernel kernel_of, const std::string& layer) const {
    Maps y(maps, x.side - 4);
    for (int out = 0; out < maps; ++out) {
      const double bias = layer.empty() ? third_bias(out) : weight(layer + ".bias", out);
      std::vector<double> sums(static_cast<size_t>(y.side * y.side), bias);
      for (int in = 0; in < x.count; ++in) {
        const std::vector<double> k = kernel_of(out, in);
        if (k.empty()) continue;
        for (int v = 0; v < y.side; ++v)
          for (int u = 0; u < y.side; ++u)
            for (int i = 0; i < 25; ++i)
              sums[static_cast<size_t>(v * y.side + u)] += k[static_cast<size_t>(i)] * x.at(in, v + i / 5, u + i % 5);
      }
      for (int v = 0; v < y.side; ++v)
        for (int u = 0; u < y.side; ++u) y.at(out, v, u) = squash(sums[static_cast<size_t>(v * y.side + u)]);
    }
    return y;
  }
  Maps sub_sampled(const std::string& layer, Maps x) const {
    Maps y(x.count, x.side / 2);
    for (int map = 0; map < y.count; ++map)
      for (int v = 0; v < y.side; ++v)
        for (int u = 0; u < y.side; ++u) {
          const double sum = x.at(map, 2 * v, 2 * u) + x.at(map, 2 * v, 2 * u + 1) + x.at(map, 2 * v + 1, 2 * u) +
                             x.at(map, 2 * v + 1, 2 * u + 1);
          const double coefficient = weight(layer + ".weight", map) / 4;
          y.at(map, v, u) = squash(coefficient * sum + weight(layer + ".bias", map));
        }
    return y;
  }
  // C3: maps 0 to 5 see 3 maps of S2, 6 to 14 see 4, 15 sees all 6.
  struct Third {
    std::string layer;
    int64_t index, seen;
  };
  static Third third_of(int out) {
    if (out < 6) return {"c3.3", out, 3};
    if (out < 15) return {"c3.4", out - 6, 4};
    return {"c3.6", 0, 6};
  }
  double third_bias(int out) const {
    const Third t = third_of(out);
    return weight(t.layer + ".bias", t.index);
  }
  Maps third(Maps x) const {
    return convolved(
        x, 16,
        [&](int out, int in) {
          const Third t = third_of(out);
          const auto column = static_cast<size_t>(out);
          if (kTable[in][column] != 'X') return std::vector<double>();
          int64_t place = 0;
          for (int before = 0; before < in; ++before) place += kTable[before][column] == 'X';
          return kernel(t.layer, t.index, place, t.seen);
        },
        "");
  }
  const Weights& weights_;
};

TEST(ZooValues, LeNet5AsPublished) {
  Model model = zoo_model("lenet5_1998", {}, 7);
  for (auto& [name, tensor] : model.weights) {  // small, so that no layer saturates; biases and coefficients too
    const Rng rng = Rng(11).fork(name);
    const auto fan = static_cast<float>(tensor.count() / tensor.size(0));
    for (int64_t i = 0; i < tensor.count(); ++i)
      tensor.set(i, (rng.uniform(static_cast<uint64_t>(i)) * 2 - 1) / std::sqrt(fan));
  }
  const std::map<std::string, Tensor> feeds = random_feeds(model.graph, 3);
  const Graph& graph = model.graph;
  const std::vector<Value> wants = {{graph.find("f6.squash"), 0}, {graph.find("output"), 0}};
  const std::vector<double> f6 = LeNet1998(model.weights).f6(feeds.at("input"));
  const Node& codes = graph.node(graph.find("rbf.codes"));
  const Tensor* code = graph.known({graph.find("rbf.codes"), 0});
  ASSERT_TRUE(code && codes.outputs[0].shape == (Shape{10, 84}));
  for (const char* backend : {"reference", "cpu"}) {
    SCOPED_TRACE(backend);
    const Engine engine(EngineOptions{.backend = backend, .exact = true, .tune = "off"});
    const std::vector<Tensor> got = engine.compile(model, wants).run(feeds);
    double spread = 0;
    for (int64_t j = 0; j < 84; ++j) {
      EXPECT_NEAR(got[0].at(j), f6[static_cast<size_t>(j)], 2e-5);
      spread = std::max(spread, std::abs(f6[static_cast<size_t>(j)] - f6[0]));
    }
    EXPECT_GT(spread, 0.1);  // the network says something
    for (int64_t digit = 0; digit < 10; ++digit) {
      double distance = 0;
      for (int64_t j = 0; j < 84; ++j) {
        EXPECT_EQ(std::abs(code->at(digit * 84 + j)), 1);
        distance += std::pow(f6[static_cast<size_t>(j)] - code->at(digit * 84 + j), 2);
      }
      EXPECT_NEAR(got[1].at(digit), -distance, 1e-3) << digit;
    }
  }
}

TEST(ZooValues, TheCodesOfTheDigitsDiffer) {
  const Model model = build(*find_architecture("lenet5_1998"));
  const Tensor* code = model.graph.known({model.graph.find("rbf.codes"), 0});
  ASSERT_TRUE(code);
  for (int64_t a = 0; a < 10; ++a)
    for (int64_t b = 0; b < a; ++b) {
      int different = 0;
      for (int64_t j = 0; j < 84; ++j) different += code->at(a * 84 + j) != code->at(b * 84 + j);
      EXPECT_GE(different, 6) << a << " and " << b;
    }
}

// The values of a little-endian float32 .npy file of version 1.
std::vector<float> floats_of(const fs::path& path) {
  const Bytes bytes = Bytes::map(path);
  const std::string_view text = bytes.view();
  uint16_t header = 0;
  require(text.size() > 10, ErrorKind::format, "{}: too short", path.string());
  std::memcpy(&header, text.substr(8, 2).data(), 2);
  const std::string_view values = text.substr(10 + header);
  require(text.substr(10, header).find("'<f4'") != text.npos, ErrorKind::format, "{}: expected f32", path.string());
  std::vector<float> result(values.size() / sizeof(float));
  std::memcpy(result.data(), values.data(), result.size() * sizeof(float));
  return result;
}

// The tensors of a safetensors file as f32: a length, a JSON header, the bytes.
Weights tensors_of(const fs::path& path) {
  const Bytes bytes = Bytes::map(path);
  uint64_t header = 0;
  std::memcpy(&header, bytes.data(), sizeof(header));
  Weights weights;
  const nlohmann::json entries = nlohmann::json::parse(bytes.slice(8, header).view());
  for (const auto& [name, entry] : entries.items()) {
    if (name == "__metadata__") continue;
    require(entry["dtype"] == "F16", ErrorKind::format, "{}: expected f16", name);
    const size_t begin = entry["data_offsets"][0], end = entry["data_offsets"][1];
    const Shape shape(entry["shape"].get<std::vector<int64_t>>());
    weights[name] = Tensor::over(bytes.slice(8 + header + begin, end - begin), DType::f16, shape).cast(DType::f32);
  }
  return weights;
}

// Largest difference, relative to the expected values' largest.
double distance(const Tensor& got, const std::vector<float>& want) {
  require(static_cast<size_t>(got.count()) == want.size(), ErrorKind::shape, "{} values, expected {}", got.count(),
          want.size());
  double most = 0, scale = 0;
  for (size_t i = 0; i < want.size(); ++i) {
    most = std::max(most, std::abs(got.at(static_cast<int64_t>(i)) - static_cast<double>(want[i])));
    scale = std::max(scale, std::abs(static_cast<double>(want[i])));
  }
  return most / scale;
}

// The weights are rounded to f16: each is off by up to 2^-11 of itself, either way, and a sum of many by far less. Ten
// times that of a layer's largest value has room for the roundings of all layers before it (seen: a tenth of it).
TEST(ZooValues, GoogLeNetWithItsPublishedWeights) {
  const fs::path weights = data_folder() / "weights" / "bvlc_googlenet_f16" / "bvlc_googlenet.f16.safetensors";
  const fs::path stages = data_folder() / "weights" / "golden" / "googlenet_n02279972";
  for (const fs::path& needed : {weights, stages})
    if (!fs::exists(needed)) GTEST_SKIP() << "NOT TESTED: there is no " << needed << "; set FOVEA_DATA";
  Model model = build(*find_architecture("googlenet_bvlc"));
  model.weights = tensors_of(weights);
  std::set<std::string> names;
  for (const Value p : model.graph.parameters()) {
    const std::string& name = model.graph.node(p).name;
    names.insert(name);
    ASSERT_TRUE(model.weights.contains(name)) << name;
    ASSERT_EQ(model.weights[name].shape(), model.graph.shape(p)) << name;
  }
  EXPECT_EQ(names.size(), model.weights.size());
  std::vector<Value> wants;
  for (const char* name : {"inception_4c/output", "pool5/7x7_s1", "prob"}) wants.push_back({model.graph.find(name), 0});
  const Engine engine(EngineOptions{.exact = true, .tune = "off"});
  const Tensor input = Tensor::of<float>({1, 3, 224, 224}, floats_of(stages / "input.npy"));
  const std::vector<Tensor> got = engine.compile(model, wants).run({{"input", input}});
  constexpr double kBound = 10.0 / 2048;
  EXPECT_LT(distance(got[0], floats_of(stages / "inception_4c__output.npy")), kBound);
  EXPECT_LT(distance(got[1], floats_of(stages / "pool5__7x7_s1.npy")), kBound);
  EXPECT_LT(distance(got[2], floats_of(stages / "prob.npy")), kBound);
}

// The zoo's network with the weights of an ONNX file computes what the file's own network does.
TEST(ZooValues, SqueezeNetAgreesWithTheOnnxModel) {
  const fs::path file = data_folder() / "weights" / "squeezenet1.1_onnx" / "model.onnx";
  if (!fs::exists(file)) GTEST_SKIP() << "NOT TESTED: there is no " << file << "; set FOVEA_DATA";
  Model theirs = open_model(file);
  complete_meaning(theirs);
  Model ours = build(*find_architecture("squeezenet1_1"));
  // The file's tensors bear other names, in the same order.
  const std::vector<Value> to = ours.graph.parameters(), from = theirs.graph.parameters();
  ASSERT_EQ(to.size(), from.size());
  for (size_t i = 0; i < to.size(); ++i) {
    ASSERT_EQ(ours.graph.shape(to[i]), theirs.graph.shape(from[i])) << ours.graph.node(to[i]).name;
    ours.weights[ours.graph.node(to[i]).name] = theirs.weights.find(theirs.graph.node(from[i]).name)->second;
  }
  const Tensor picture = random_feeds(ours.graph, 5).at("input");
  const Engine engine(EngineOptions{.exact = true, .tune = "off"});
  const std::vector<Value> want = {scores_output(theirs)}, mine = {scores_output(ours)};
  const Tensor expected = engine.compile(theirs, want).run({{theirs.meaning.input, picture}})[0];
  const Tensor got = engine.compile(ours, mine).run({{"input", picture}})[0];
  const auto values = expected.data<float>();
  EXPECT_LT(distance(got, std::vector<float>(values.begin(), values.end())), 1e-5);
}

}  // namespace
}  // namespace fovea
