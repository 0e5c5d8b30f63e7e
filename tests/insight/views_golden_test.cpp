// Top patches, boxes and an effective field beside PyTorch's (tests/golden/views/make.py).
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <sstream>

#include "fovea/insight/effective_field.h"
#include "fovea/insight/top_patches.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/unit_fields.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/relu.h"
#include "tests/formula.h"
#include "tests/insight/pictures_in_memory.h"

namespace fovea {
namespace {

constexpr int kHeight = 33, kWidth = 30, kPictures = 12;

Model network() {
  Model model;
  Graph& g = model.graph;
  const auto weight = [&](const std::string& name, const Shape& shape) {
    Tensor t(DType::f32, shape);
    const Formula u(name);
    for (int64_t i = 0; i < t.count(); ++i) t.set(i, u(i) * 2 - 1);
    model.weights[name] = t;
    return parameter(g, name, {DType::f32, shape});
  };
  const auto layer = [&](Value x, const std::string& name, const Shape& shape, ConvAttributes attributes) {
    return conv(g, x, weight(name, shape), weight(name + " bias", {shape[0]}), attributes);
  };
  Value x = input(g, "x", {DType::f32, {1, 3, kHeight, kWidth}});
  x = relu(g, layer(x, "a", {6, 3, 5, 5}, {.stride = 2, .pad = 2}));
  x = max_pool(g, x, {.kernel = {3, 3}, .stride = 2, .ceil = true});
  x = relu(g, layer(x, "b", {8, 6, 3, 3}, {.pad = 1}));
  x = layer(x, "c", {5, 8, 3, 3}, {});
  g.outputs = {{"c", x}};
  model.meaning.input = "x";
  model.meaning.preprocess = preset("unit", kHeight, kWidth);
  model.meaning.preprocess->resize = "none";
  return model;
}

std::vector<Image> pictures() {
  std::vector<Image> result;
  for (int i = 0; i < kPictures; ++i) {
    const Formula u("picture " + std::to_string(i));
    Image image(kWidth, kHeight, 3);
    for (size_t k = 0; k < image.samples().size(); ++k)
      image.samples()[k] = static_cast<uint8_t>(u(static_cast<int64_t>(k)) * 256);
    result.push_back(std::move(image));
  }
  return result;
}

// The numbers of all lines that begin with a word.
std::vector<std::vector<double>> golden(const std::string& word) {
  std::ifstream file(std::string(FOVEA_SOURCE_DIR) + "/tests/golden/views/views.txt");
  std::vector<std::vector<double>> rows;
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string first;
    fields >> first;
    if (first != word) continue;
    std::vector<double>& row = rows.emplace_back();
    for (double v; fields >> v;) row.push_back(v);
  }
  EXPECT_FALSE(rows.empty()) << word;
  return rows;
}

TEST(ViewsGolden, TopPatches) {
  const Model model = network();
  const TopPatches found = top_patches({}, model, model.graph.outputs[0].value, PicturesInMemory(pictures()),
                                       reference_backend(), {}, {.count = 4});
  for (const std::vector<double>& row : golden("top")) {
    const TopPatch& p = found.units.at(static_cast<size_t>(row[0])).patches.at(static_cast<size_t>(row[1]));
    EXPECT_EQ(p.sample, static_cast<int64_t>(row[2])) << "unit " << row[0] << ", rank " << row[1];
    EXPECT_NEAR(p.score, row[3], 1e-4 * std::abs(row[3]));  // sums of up to 75 products in f32, three deep
    EXPECT_EQ(p.y, static_cast<int64_t>(row[4]));
    EXPECT_EQ(p.x, static_cast<int64_t>(row[5]));
  }
}

TEST(ViewsGolden, BoxesAreTheSupportOfPyTorchsGradient) {
  const Model model = network();
  const UnitFields fields(model.graph, {0, 0});
  const int node = model.graph.outputs[0].value.node;
  for (const std::vector<double>& row : golden("support")) {
    const Interval rows = fields.seen(node, 0, static_cast<int64_t>(row[0])),
                   columns = fields.seen(node, 1, static_cast<int64_t>(row[1]));
    EXPECT_EQ(rows.begin, row[2]) << row[0] << ", " << row[1];
    EXPECT_EQ(rows.end, row[3]) << row[0] << ", " << row[1];
    EXPECT_EQ(columns.begin, row[4]) << row[0] << ", " << row[1];
    EXPECT_EQ(columns.end, row[5]) << row[0] << ", " << row[1];
  }
}

TEST(ViewsGolden, EffectiveField) {
  const Model model = network();
  EffectiveFieldOptions o{.runs = 10, .units = {0, 1, 2, 3, 4}, .y = 1, .x = 2};
  const std::vector<Image> all = pictures();
  for (size_t i = 0; i < 3; ++i) o.pictures.push_back(preprocess(all[i], *model.meaning.preprocess));
  const EffectiveField f = effective_field({}, model, model.graph.outputs[0].value, reference_backend(), {}, o);
  EXPECT_EQ(f.runs, 10);
  const auto rows = golden("energy");
  ASSERT_EQ(rows.size(), static_cast<size_t>(kHeight));
  double difference = 0, norm = 0;
  for (size_t y = 0; y < rows.size(); ++y)
    for (size_t x = 0; x < rows[y].size(); ++x) {
      const double d = f.energy[y * kWidth + x] - rows[y][x];
      difference += d * d, norm += rows[y][x] * rows[y][x];
    }
  EXPECT_LT(std::sqrt(difference / norm), 1e-5);
}

}  // namespace
}  // namespace fovea
