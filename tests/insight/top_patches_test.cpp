// The top patches of networks small enough to look through all their answers.
#include <gtest/gtest.h>

#include "fovea/insight/top_patches.h"

#include <algorithm>
#include <atomic>
#include <cmath>

#include "fovea/base/rng.h"
#include "fovea/formats/open.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/relu.h"
#include "fovea/report/top_patch_sheet.h"
#include "fovea/transform/gradient.h"
#include "tests/insight/pictures_in_memory.h"

namespace fovea {
namespace {

constexpr int64_t kSide = 12;

Model grey_model() {
  Model model;
  input(model.graph, "x", {DType::f32, {1, 1, kSide, kSide}});
  model.meaning.input = "x";
  model.meaning.preprocess = preset("grey", kSide, kSide);
  return model;
}

Value weights(Model& model, const std::string& name, const Shape& shape, double value) {
  model.weights[name] = Tensor::full(DType::f32, shape, value);
  return parameter(model.graph, name, {DType::f32, shape});
}

// One unit that is the pixel itself, and one that is its negative.
Model pixel_model() {
  Model model = grey_model();
  const Value w = weights(model, "w", {2, 1, 1, 1}, 1);
  model.weights["w"].set(1, -1);
  model.graph.outputs = {{"y", conv(model.graph, {0, 0}, w)}};
  return model;
}

Image dark(std::initializer_list<std::array<int, 3>> lights = {}) {
  Image image(kSide, kSide, 1);
  for (const auto& [y, x, value] : lights) image.row(y)[x] = static_cast<uint8_t>(value);
  return image;
}

TopPatches found_in(const Model& model, const std::vector<Image>& pictures, const TopPatchOptions& options = {},
                    const std::vector<int64_t>& units = {}) {
  return top_patches({}, model, model.graph.outputs[0].value, PicturesInMemory(pictures), reference_backend(), {},
                     options, units);
}

TEST(TopPatches, StrongestFirstOnePlaceAPicture) {
  const TopPatches found =
      found_in(pixel_model(), {dark({{2, 3, 100}, {7, 7, 90}}), dark({{11, 0, 255}}), dark()}, {.count = 2}, {0});
  ASSERT_EQ(found.units.size(), 1u);
  ASSERT_EQ(found.units[0].patches.size(), 2u);
  const TopPatch &first = found.units[0].patches[0], &second = found.units[0].patches[1];
  EXPECT_EQ(first.sample, 1);
  EXPECT_EQ(first.y, 11);
  EXPECT_EQ(first.x, 0);
  EXPECT_EQ(first.score, 1);
  EXPECT_EQ(second.sample, 0);
  EXPECT_NEAR(second.score, 100 / 255.0, 1e-6);
  EXPECT_EQ(second.rows.begin, 2);
  EXPECT_EQ(second.rows.end, 3);
  EXPECT_EQ(second.columns.begin, 3);
  EXPECT_EQ(found.units[0].active, 2);
  EXPECT_EQ(found.samples, 3);
  EXPECT_EQ(found.field_width, 1);
}

TEST(TopPatches, TiesGoToTheEarlierPictureAndTheFirstPlace) {
  const Image two = dark({{4, 6, 200}, {4, 2, 200}, {9, 0, 200}});
  const TopPatches found = found_in(pixel_model(), {dark(), two, dark({{1, 1, 200}}), two}, {.count = 3}, {0});
  const auto& patches = found.units[0].patches;
  ASSERT_EQ(patches.size(), 3u);
  EXPECT_EQ(patches[0].sample, 1);
  EXPECT_EQ(patches[0].y, 4);
  EXPECT_EQ(patches[0].x, 2);
  EXPECT_EQ(patches[1].sample, 2);
  EXPECT_EQ(patches[2].sample, 3);
}

// A network with a branch, on pictures of noise; answers of all places.
Model branched_model() {
  Model model = grey_model();
  Graph& g = model.graph;
  const Value x{0, 0};
  const Rng rng(3);
  const auto random = [&](const std::string& name, Shape shape) {
    Tensor t(DType::f32, shape);
    for (int64_t i = 0; i < t.count(); ++i) t.set(i, rng.fork(name).normal(static_cast<uint64_t>(i)));
    model.weights[name] = t;
    return parameter(g, name, {DType::f32, shape});
  };
  const Value wide = conv(g, x, random("wide", {3, 1, 5, 5}), {}, {.stride = 2, .pad = 1});
  const Value narrow = conv(g, x, random("narrow", {3, 1, 3, 3}), {}, {.stride = 2});
  const Value both = relu(g, concat(g, {wide, narrow}));
  g.outputs = {{"y", conv(g, both, random("last", {4, 6, 2, 2}))}};
  return model;
}

std::vector<Image> noise_pictures(int count) {
  std::vector<Image> pictures;
  for (int i = 0; i < count; ++i) {
    Image image(kSide, kSide, 1);
    const Rng rng = Rng(7).fork(static_cast<uint64_t>(i));
    for (size_t p = 0; p < image.samples().size(); ++p) image.samples()[p] = static_cast<uint8_t>(rng.bits(p) >> 24);
    pictures.push_back(image);
  }
  return pictures;
}

TEST(TopPatches, AreThoseThatSortingAllAnswersGives) {
  const Model model = branched_model();
  const std::vector<Image> pictures = noise_pictures(23);
  const TopPatches found = found_in(model, pictures, {.count = 5});
  Program program =
      compile(model.graph, std::vector<Value>{model.graph.outputs[0].value}, model.weights, reference_backend());
  std::vector<std::vector<std::pair<float, int64_t>>> all(4);  // (−peak, sample)
  std::vector<std::vector<int64_t>> places(4);
  for (size_t i = 0; i < pictures.size(); ++i) {
    const Tensor y = program.run({{"x", preprocess(pictures[i], *model.meaning.preprocess)}})[0];
    const int64_t plane = y.size(2) * y.size(3);
    for (size_t u = 0; u < 4; ++u) {
      const auto map = y.data<float>().subspan(u * static_cast<size_t>(plane), static_cast<size_t>(plane));
      const auto peak = std::max_element(map.begin(), map.end());
      all[u].emplace_back(-*peak, static_cast<int64_t>(i));
      places[u].push_back(peak - map.begin());
    }
  }
  ASSERT_EQ(found.units.size(), 4u);
  for (size_t u = 0; u < 4; ++u) {
    std::sort(all[u].begin(), all[u].end());
    ASSERT_EQ(found.units[u].patches.size(), 5u);
    for (size_t k = 0; k < 5; ++k) {
      const TopPatch& p = found.units[u].patches[k];
      EXPECT_EQ(p.sample, all[u][k].second) << "unit " << u << ", rank " << k;
      EXPECT_EQ(p.score, -all[u][k].first);
      EXPECT_EQ(p.y * found.width + p.x, places[u][static_cast<size_t>(p.sample)]);
    }
  }
}

TEST(TopPatches, AnyBatchFindsTheSame) {
  const Model model = branched_model();
  const std::vector<Image> pictures = noise_pictures(11);
  const TopPatches one = found_in(model, pictures, {.count = 4, .batch = 1});
  for (const int64_t batch : {2, 4, 11, 64}) {
    const TopPatches other = found_in(model, pictures, {.count = 4, .batch = batch});
    for (size_t u = 0; u < one.units.size(); ++u) EXPECT_EQ(one.units[u].patches, other.units[u].patches) << batch;
    EXPECT_EQ(other.samples, 11);
  }
}

// Counts how often its pictures are read.
class CountedPictures : public PicturesInMemory {
 public:
  using PicturesInMemory::PicturesInMemory;
  Sample get(int64_t index) const override {
    ++reads;
    return PicturesInMemory::get(index);
  }
  mutable std::atomic<int64_t> reads{0};
};

TEST(TopPatches, SeveralLayersInOnePass) {
  const Model model = branched_model();
  const std::vector<Image> pictures = noise_pictures(11);
  const CountedPictures data(pictures, {4});
  std::vector<UnitsOfLayer> wanted;
  for (int i = 0; i < model.graph.size(); ++i)
    if (model.graph.node(i).op == &ops::conv || model.graph.node(i).op == &ops::relu) wanted.push_back({{i, 0}, {}});
  ASSERT_EQ(wanted.size(), 4u);
  wanted[1].units = {2};
  int64_t shown = 0;
  const std::vector<TopPatches> all =
      top_patches({}, model, wanted, data, reference_backend(), {}, {.count = 3, .batch = 4},
                  [&](const Tensor& seen, int64_t count) {
                    EXPECT_EQ(seen.size(0), 4);
                    const Tensor first = preprocess(pictures[static_cast<size_t>(shown < 4 ? shown : shown + 1)],
                                                    *model.meaning.preprocess);
                    EXPECT_EQ(seen.at(0), first.at(0));
                    shown += count;
                  });
  EXPECT_EQ(data.reads, 11);
  EXPECT_EQ(shown, 10);
  ASSERT_EQ(all.size(), 4u);
  for (size_t i = 0; i < all.size(); ++i) {
    const TopPatches one = top_patches({}, model, wanted[i].layer, data, reference_backend(), {},
                                       {.count = 3, .batch = 1}, wanted[i].units);
    EXPECT_EQ(all[i].layer, one.layer);
    EXPECT_EQ(all[i].samples, 10);
    EXPECT_EQ(all[i].skipped.size(), 1u);
    ASSERT_EQ(all[i].units.size(), one.units.size());
    for (size_t u = 0; u < one.units.size(); ++u) {
      EXPECT_EQ(all[i].units[u].patches, one.units[u].patches) << one.layer << " " << u;
      EXPECT_DOUBLE_EQ(all[i].units[u].mean_peak, one.units[u].mean_peak);
      EXPECT_GE(all[i].units[u].mean_answer, std::max(0.0, one.units[u].mean_peak) - 1e-12);
    }
  }
}

TEST(TopPatches, MemorySplitsTheBatchOrRefuses) {
  const Model model = branched_model();
  const std::vector<Image> pictures = noise_pictures(9);
  const TopPatches free = found_in(model, pictures, {.count = 2, .batch = 8});
  const TopPatches split = found_in(model, pictures, {.count = 2, .batch = 8, .memory = 40000});
  for (size_t u = 0; u < free.units.size(); ++u) EXPECT_EQ(free.units[u].patches, split.units[u].patches);
  try {
    found_in(model, pictures, {.memory = 1000});
    FAIL() << "expected an error";
  } catch (const Error& e) { EXPECT_NE(e.message().find("one picture needs"), std::string::npos) << e.message(); }
}

// The support of the gradient of one place, as a box.
std::array<int64_t, 4> support(const Model& model, Value layer, const Tensor& picture, int64_t unit, int64_t y,
                               int64_t x) {
  Graph g = model.graph;
  const Type type = g.type(layer);
  const Value seed = input(g, "seed", type), image = picture_input(model);
  const std::vector<Value> wanted = gradient(g, layer, std::vector<Value>{image}, {}, seed);
  Program program = compile(g, wanted, model.weights, reference_backend());
  Tensor one(DType::f32, type.shape);
  one.set((unit * type.shape[2] + y) * type.shape[3] + x, 1);
  const Tensor d = program.run({{g.node(image).name, picture}, {"seed", one}})[0];
  std::array<int64_t, 4> box = {INT64_MAX, -1, INT64_MAX, -1};
  const int64_t height = d.size(2), width = d.size(3);
  for (int64_t i = 0; i < d.count(); ++i) {
    if (d.at(i) == 0) continue;
    const int64_t row = i / width % height, column = i % width;
    box = {std::min(box[0], row), std::max(box[1], row + 1), std::min(box[2], column), std::max(box[3], column + 1)};
  }
  return box;
}

TEST(TopPatches, TheBoxIsTheGradientsSupport) {
  Model model = grey_model();  // positive weights and averages: no gradient is lost on the way
  Graph& g = model.graph;
  const Value a = relu(g, conv(g, {0, 0}, weights(model, "a", {2, 1, 3, 3}, 1), {}, {.stride = 2}));
  const Value b = average_pool(g, a, {.kernel = {2, 2}, .stride = {1, 1}});
  g.outputs = {{"y", conv(g, b, weights(model, "b", {2, 2, 3, 3}, 1), {}, {.pad = 1})}};
  const std::vector<Image> pictures = noise_pictures(9);
  const TopPatches found = found_in(model, pictures, {.count = 9});
  std::set<std::pair<int64_t, int64_t>> places;
  for (const UnitPatches& u : found.units)
    for (const TopPatch& p : u.patches) {
      const auto box =
          support(model, g.outputs[0].value,
                  preprocess(pictures[static_cast<size_t>(p.sample)], *model.meaning.preprocess), u.unit, p.y, p.x);
      EXPECT_EQ(p.rows.begin, box[0]);
      EXPECT_EQ(p.rows.end, box[1]);
      EXPECT_EQ(p.columns.begin, box[2]);
      EXPECT_EQ(p.columns.end, box[3]);
      places.insert({p.y, p.x});
    }
  EXPECT_GT(places.size(), 2u) << "the test should see several places";
}

TEST(TopPatches, OfTheBuiltInNetworkHoldTheGradient) {
  const Model model = [] {
    Model m = open_model("builtin:digits");
    complete_meaning(m);
    return m;
  }();
  const Value layer{model.graph.find("conv2"), 0};
  ASSERT_GE(layer.node, 0);
  std::vector<Image> pictures;
  for (const Image& small : noise_pictures(3)) {
    Image image(28, 28, 1);
    for (int y = 0; y < kSide; ++y) std::copy_n(small.row(y), kSide, image.row(y + 8) + 8);
    pictures.push_back(image);
  }
  const TopPatches found =
      top_patches({}, model, layer, PicturesInMemory(pictures), reference_backend(), {}, {.count = 3}, {3, 17});
  EXPECT_EQ(found.field_height, 14);  // 5 + 1 + 4·2
  for (const UnitPatches& u : found.units)
    for (const TopPatch& p : u.patches) {
      const auto box =
          support(model, layer, preprocess(pictures[static_cast<size_t>(p.sample)], *model.meaning.preprocess), u.unit,
                  p.y, p.x);
      EXPECT_LE(p.rows.begin, box[0]);
      EXPECT_GE(p.rows.end, box[1]);
      EXPECT_LE(p.columns.begin, box[2]);
      EXPECT_GE(p.columns.end, box[3]);
    }
}

TEST(TopPatches, BrokenPicturesAreNamedAndCounted) {
  const Model model = pixel_model();
  const std::vector<Image> pictures = {dark({{0, 0, 9}}), dark({{0, 1, 250}}), dark({{0, 2, 7}}), dark({{0, 3, 8}})};
  const PicturesInMemory data(pictures, {1, 3});
  const Value layer = model.graph.outputs[0].value;
  const TopPatches found = top_patches({}, model, layer, data, reference_backend(), {}, {.batch = 3}, {0});
  EXPECT_EQ(found.samples, 2);
  ASSERT_EQ(found.skipped.size(), 2u);
  EXPECT_NE(found.skipped[0].find("memory/1.png"), std::string::npos);
  EXPECT_NE(found.skipped[1].find("memory/3.png"), std::string::npos);
  ASSERT_EQ(found.units[0].patches.size(), 2u);
  EXPECT_EQ(found.units[0].patches[0].sample, 0);
  EXPECT_THROW(top_patches({}, model, layer, data, reference_backend(), {}, {.skip_broken = false}), Error);
  try {
    top_patches({}, model, layer, PicturesInMemory(pictures, {0, 1, 2, 3}), reference_backend());
    FAIL() << "nothing could be read";
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::format);
    EXPECT_NE(e.message().find("0 of 4 pictures can be read"), std::string::npos) << e.message();
  }
}

TEST(TopPatches, NaNIsNeverAPeak) {
  Model model = grey_model();
  Graph& g = model.graph;
  const Value w = weights(model, "w", {2, 1, 1, 1}, 1);
  model.weights["w"].set(1, NAN);
  g.outputs = {{"y", conv(g, {0, 0}, w)}};
  const TopPatches found = found_in(model, {dark({{1, 1, 5}}), dark()});
  EXPECT_EQ(found.not_finite, 2);
  EXPECT_EQ(found.units[0].patches.size(), 2u);
  EXPECT_TRUE(found.units[1].patches.empty());
}

TEST(TopPatches, WrongQuestionsAreRefused) {
  const Model model = pixel_model();
  const auto message = [&](const Model& m, Value layer, const std::vector<Image>& pictures,
                           const std::vector<int64_t>& units) {
    try {
      top_patches({}, m, layer, PicturesInMemory(pictures), reference_backend(), {}, {}, units);
    } catch (const Error& e) { return e.message(); }
    return std::string("nothing");
  };
  const Value layer = model.graph.outputs[0].value;
  EXPECT_NE(message(model, layer, {dark()}, {2}).find("its 2 units are 0 to 1"), std::string::npos);
  EXPECT_NE(message(model, layer, {}, {}).find("the data set is empty"), std::string::npos);
  EXPECT_NE(message(model, {model.graph.find("w"), 0}, {dark()}, {}).find("does not depend on the picture"),
            std::string::npos);
  std::atomic<bool> stop{true};
  Context context;
  context.cancel = &stop;
  EXPECT_THROW(top_patches(context, model, layer, PicturesInMemory({dark()}), reference_backend()), Error);
}

TEST(TopPatches, TheSheetShowsThePixelsOfThePatch) {
  const Model model = pixel_model();
  const PicturesInMemory data({dark({{2, 3, 100}}), dark({{5, 5, 255}})});
  const TopPatches found =
      top_patches({}, model, model.graph.outputs[0].value, data, reference_backend(), {}, {.count = 2}, {0});
  const Image patch = patch_image(data, found.units[0].patches[1], *model.meaning.preprocess);
  EXPECT_EQ(patch.width(), 1);
  EXPECT_EQ(patch.at(0, 0, 0), 100);
  const Image sheet = top_patch_sheet(found, data, *model.meaning.preprocess, {.tile = 10, .plain = true});
  EXPECT_EQ(sheet.height(), 14 + 10 + 14);           // one row of two
  EXPECT_EQ(sheet.at(14 + 5, 14 + 5, 0), 255);       // the strongest, at the top left
  EXPECT_EQ(sheet.at(14 + 12 + 5, 14 + 5, 0), 100);  // the second, two pixels of gap further
}

}  // namespace
}  // namespace fovea
