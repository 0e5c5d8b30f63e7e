// Every network of the zoo has a recipe, and the recipes in recipes/ are read with nothing left over.
#include "fovea/train/default_recipe.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <sstream>

#include "fovea/formats/network_description.h"
#include "fovea/model/statistics.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/train/recipe_text.h"
#include "fovea/train/training_step.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

std::string text_of(const fs::path& path) {
  std::ifstream file(path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

TEST(DefaultRecipe, EveryArchitectureHasOneAndTheDocsNameIt) {
  const std::string docs = text_of(fs::path(FOVEA_SOURCE_DIR) / "docs" / "default-recipes.md");
  ASSERT_FALSE(docs.empty());
  for (const Architecture& a : architectures()) {
    SCOPED_TRACE(a.name);
    const PublishedRecipe* published = find_default_recipe(a.name);
    ASSERT_NE(published, nullptr);
    EXPECT_FALSE(published->source.empty());
    EXPECT_NE(docs.find("`" + a.name + "`"), std::string::npos);
    const Recipe recipe = read_recipe(published->text, a.name);
    for (double at : {0.0, 0.5, 0.999}) {
      const double rate = rate_at(recipe.schedule, at * recipe.epochs, recipe.epochs);
      EXPECT_TRUE(std::isfinite(rate) && rate >= 0 && rate <= recipe.schedule.rate);
    }
  }
  for (const PublishedRecipe& published : default_recipes()) {
    bool used = false;
    for (const Architecture& a : architectures()) used |= find_default_recipe(a.name) == &published;
    EXPECT_TRUE(used) << published.pattern << " matches nothing";
  }
}

TEST(DefaultRecipe, ThePublishedNumbers) {
  const auto of = [](const char* name) { return default_recipe(build(*find_architecture(name)), {50000, 32}).recipe; };
  const Recipe residual = of("resnet20_cifar");
  EXPECT_EQ(residual.schedule.steps, (std::vector<double>{82, 123}));
  EXPECT_EQ(residual.optimiser.weight_decay, 1e-4);
  EXPECT_EQ(residual.schedule.warm_up, 0);
  EXPECT_EQ(of("resnet110_cifar").schedule.warm_up, 1);
  EXPECT_EQ(of("resnet110_stochastic_cifar").stochastic_depth.kind, "built");
  EXPECT_EQ(of("resnet110_stochastic_cifar").epochs, 500);
  EXPECT_EQ(of("resnet18_cifar").schedule.kind, "cosine");
  EXPECT_EQ(of("fractalnet_b2_c2_w8_cifar").drop_path.kind, "mixed");
  EXPECT_EQ(of("googlenet").head_weight, 0.3);
  EXPECT_EQ(of("resnet50").schedule.steps, (std::vector<double>{30}));
  EXPECT_EQ(of("vgg16").schedule.rate, 0.01);
}

TEST(DefaultRecipe, TrainedWeightsAreFineTuned) {
  Model model = build(*find_architecture("resnet20_cifar"));
  model.meaning.trained = true;
  const Recipe recipe = default_recipe(model, {2000, 32}).recipe;
  EXPECT_DOUBLE_EQ(recipe.schedule.rate, 0.01);
  EXPECT_EQ(recipe.epochs, 16);
  EXPECT_NEAR(recipe.schedule.steps[0], 8, 1e-9);
  EXPECT_TRUE(recipe.preprocess.empty());
}

TEST(DefaultRecipe, UnknownNetworksAndSmallSets) {
  const auto described = [](const std::string& text) {
    return read_network_description(Bytes::copy(text, "n.toml")).model;
  };
  const Model table = described("[network]\ninput = [2]\n[[layer]]\nkind = \"linear\"\nout = 2\n");
  const DefaultRecipe small = default_recipe(table, {200, 0});
  EXPECT_EQ(small.recipe.optimiser.kind, "adamw");
  EXPECT_EQ(small.recipe.batch, 10);
  EXPECT_EQ(small.recipe.epochs, 150);
  EXPECT_TRUE(small.recipe.augment.empty());
  const Model normed = described(
      "[network]\ninput = [3, 32, 32]\n[[layer]]\nkind = \"conv\"\nout = 2\nkernel = 3\nnorm = \"batch_norm\"\n");
  const DefaultRecipe large = default_recipe(normed, {50000, 32});
  EXPECT_EQ(large.recipe.optimiser.kind, "sgd");
  EXPECT_TRUE(large.recipe.optimiser.nesterov);
  EXPECT_EQ(large.recipe.augment, "flip,crop:4:reflect");
  EXPECT_EQ(large.recipe.epochs, 30);
  EXPECT_EQ(default_recipe(build(*find_architecture("resnet50")), {100, 0}).recipe.batch, 100);
  for (const DefaultRecipe& r : {small, large}) EXPECT_NO_THROW(check_recipe(r.recipe));
}

TEST(DefaultRecipe, FractalNetworksAreFoundByTheirSizes) {
  const Architecture* a = find_architecture("fractalnet_b3_c3_w16_cifar");
  ASSERT_NE(a, nullptr);
  EXPECT_EQ(a, find_architecture("fractalnet_b3_c3_w16_cifar"));
  EXPECT_EQ(a->depth, 12);
  EXPECT_EQ(find_architecture("fractalnet_b3_c11_w16_cifar"), nullptr);
  EXPECT_EQ(find_architecture("fractalnet_b3_c3_w16"), nullptr);
  EXPECT_EQ(find_architecture("fractalnet_b3_c3_w99999999999999999999_cifar"), nullptr);
}

// The committed recipes: each says how, and its network trains.
TEST(Recipes, AreReadAndTheirNetworksTrain) {
  int count = 0;
  for (const auto& entry : fs::directory_iterator(fs::path(FOVEA_SOURCE_DIR) / "recipes")) {
    SCOPED_TRACE(entry.path().filename().string());
    ++count;
    const Bytes file = Bytes::map(entry.path());
    const RunDescription run = read_run_description(file);
    EXPECT_FALSE(run.data.empty());
    EXPECT_NE(run.model.empty(), run.network.empty());
    Model model;
    if (run.network.empty()) {
      std::string name = run.model;
      if (name.starts_with("zoo:")) name.erase(0, 4);
      ASSERT_NE(find_architecture(name), nullptr) << name;
      model = build(*find_architecture(name));
    } else {
      model = read_network_description(file).model;
      EXPECT_TRUE(model.meaning.notes.empty());
    }
    Recipe small = run.recipe;
    small.batch = 4;
    small.micro_batches = 1;
    const TrainingStep step = training_step(model, small);
    EXPECT_FALSE(step.trained.empty());
  }
  EXPECT_GE(count, 13);
}

TEST(Recipes, TheBuiltInNetworksAreSmall) {
  double bytes = 0;
  for (const char* name : {"builtin-digits.toml", "builtin-cifar10.toml"}) {
    const Model model = read_network_description(Bytes::map(fs::path(FOVEA_SOURCE_DIR) / "recipes" / name)).model;
    bytes += 2.0 * static_cast<double>(statistics_of(model).parameters);
  }
  EXPECT_LT(bytes, 2.6e6);  // as f16; both files together have 3 MB
}

}  // namespace
}  // namespace fovea
