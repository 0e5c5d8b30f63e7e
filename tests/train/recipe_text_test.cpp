// Recipes as text: what is written reads back to the same bits, and what is said of mistakes.
#include "fovea/train/recipe_text.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <set>

#include "fovea/base/rng.h"
#include "fovea/formats/network_description.h"

namespace fovea {
namespace {

RunDescription read(const std::string& text) { return read_run_description(Bytes::copy(text, "r.toml")); }

void expect_error(const std::string& text, const std::vector<std::string>& parts) {
  try {
    read(text);
    ADD_FAILURE() << "no error for:\n" << text;
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::format);
    for (const std::string& part : parts)
      EXPECT_NE(e.message().find(part), std::string::npos) << part << "\nin: " << e.message();
  }
}

void expect_set_error(const std::string& assignment, const std::string& part) {
  Recipe recipe;
  try {
    set_recipe(recipe, assignment);
    ADD_FAILURE() << "no error for " << assignment;
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_NE(e.message().find(part), std::string::npos) << part << "\nin: " << e.message();
  }
}

// Every field of `a` has the bits of `b`'s.
void expect_equal(Recipe a, Recipe b) {
  for (const RecipeKey& key : recipe_keys()) {
    SCOPED_TRACE(key.full());
    const auto x = key.field(a), y = key.field(b);
    std::visit(
        [&](auto* p) {
          auto* q = std::get<decltype(p)>(y);
          if constexpr (std::is_same_v<decltype(p), double*>) EXPECT_EQ(std::memcmp(p, q, sizeof *p), 0) << *p << *q;
          else EXPECT_EQ(*p, *q);
        },
        x);
  }
}

// Another value for every setting, the numbers with all their bits used.
Recipe unusual(uint64_t seed) {
  Recipe recipe;
  const Rng rng(seed);
  uint64_t i = 0;
  for (const RecipeKey& key : recipe_keys()) {
    ++i;
    const auto field = key.field(recipe);
    if (auto* const* number = std::get_if<double*>(&field))
      **number = key.least + rng.uniform_double(i) * (std::min(key.most, 1.0) - key.least) * 0.9 + 1e-9;
    if (auto* const* integer = std::get_if<int64_t*>(&field)) **integer = static_cast<int64_t>(key.least);
    if (auto* const* big = std::get_if<uint64_t*>(&field)) **big = rng.bits(i) * 0x9E3779B97F4A7C15u;
    if (auto* const* flag = std::get_if<bool*>(&field)) **flag = !**flag;
    if (auto* const* text = std::get_if<std::string*>(&field)) {
      if (!key.choices.empty()) **text = key.choices[rng.bits(i) % key.choices.size()];
    }
    if (auto* const* list = std::get_if<std::vector<double>*>(&field)) **list = {rng.uniform_double(i) + 1e-6};
    if (auto* const* texts = std::get_if<std::vector<std::string>*>(&field)) **texts = {"a\"\\*", "conv?\n", "é"};
  }
  if (recipe.optimiser.kind == "lbfgs") recipe.optimiser.kind = "adagrad";  // it forbids half of the rest
  recipe.augment = "flip,crop:4";
  recipe.preprocess = "set";
  return recipe;
}

TEST(RecipeText, ReadsBackToEqualBits) {
  expect_equal(read_recipe(write_recipe(Recipe{}), "r"), Recipe{});
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    const Recipe recipe = unusual(seed);
    expect_equal(read_recipe(write_recipe(recipe), "r"), recipe);
  }
  Recipe large;
  large.seed = ~uint64_t{0};
  expect_equal(read_recipe(write_recipe(large), "r"), large);
  large.seed = uint64_t{1} << 63;
  expect_equal(read_recipe(write_recipe(large), "r"), large);
}

TEST(RecipeText, ARunReadsBackWithItsNetwork) {
  const std::string text =
      "data = \"mnist\"\ntest = \"other\"\nepochs = 2.5\n[network]\ninput = [1, 8, 8]\nclasses = 10\n"
      "[[layer]]\nkind = \"linear\"\nout = \"classes\"\n[optimiser]\nkind = \"adam\"\n";
  const RunDescription run = read(text);
  EXPECT_EQ(run.data, "mnist");
  EXPECT_EQ(run.test, "other");
  EXPECT_EQ(run.recipe.epochs, 2.5);
  EXPECT_EQ(run.given, (std::vector<std::string>{"epochs", "optimiser.kind"}));
  EXPECT_EQ(read_network_description(Bytes::copy(run.network)).model.meaning.classes.size(), 0u);
  const RunDescription again = read(write_run_description(run));
  EXPECT_EQ(again.network, run.network);
  EXPECT_EQ(write_run_description(again), write_run_description(run));
  // Options that are no settings stand under [command].
  RunDescription told = again;
  told.command = {{"arch", "resnet18"}, {"limit", "100"}, {"preprocess", "caffe \"x\""}};
  EXPECT_EQ(read(write_run_description(told)).command, told.command);
  EXPECT_EQ(read(write_run_description(told)).network, run.network);
  EXPECT_THROW(read("[command]\nlimt = \"3\"\n"), Error);
  // The same file opens as a network.
  EXPECT_GE(read_network_description(Bytes::copy(text)).model.graph.find("linear1"), 0);
}

TEST(RecipeText, WhatIsNotSaidIsAsInTheDefaults) {
  Recipe defaults;
  defaults.batch = 77;
  defaults.optimiser.weight_decay = 0.25;
  const Recipe recipe = read_recipe("[optimiser]\nmomentum = 0.5\n", "r", defaults);
  EXPECT_EQ(recipe.batch, 77);
  EXPECT_EQ(recipe.optimiser.weight_decay, 0.25);
  EXPECT_EQ(recipe.optimiser.momentum, 0.5);
}

TEST(RecipeText, MistakesAreNamed) {
  expect_error("epoch = 3\n", {"r.toml: line 1", "epoch", "did you mean \"epochs\""});
  expect_error("[optimizer]\nkind = \"sgd\"", {"line 1", "did you mean \"optimiser\""});
  expect_error("[optimiser]\nmomentun = 1\n", {"r.toml: line 2: [optimiser]", "did you mean \"momentum\""});
  expect_error("[optimiser]\nkind = \"adan\"\n", {"line 2", "adamw", "\"adan\"", "did you mean \"adam\""});
  expect_error("[optimiser]\nmomentum = \"much\"\n", {"momentum", "a number from 0 to 1", "\"much\""});
  expect_error("[optimiser]\nmomentum = nan\n", {"momentum", "from 0 to 1"});
  expect_error("batch = 0\n", {"batch", "from 1", "got 0"});
  expect_error("batch = 1.5\n", {"batch", "an integer"});
  expect_error("epochs = 0\n", {"r.toml: epochs", "above 0"});
  expect_error("batch = 10\nmicro_batches = 3\n", {"micro_batches", "3 does not divide the batch of 10"});
  expect_error("augment = \"flop\"\n", {"augment", "flop"});
  expect_error("preprocess = \"cifarr\"\n", {"preprocess", "did you mean \"cifar\""});
  expect_error("[schedule]\nkind = \"step\"\n", {"schedule.steps", "its period"});
  expect_error("[schedule]\nkind = \"multi_step\"\nsteps = [3, 2]\n", {"ascending"});
  expect_error("model = \"zoo:mlp\"\n[[layer]]\nkind = \"relu\"\n", {"model", "expected one of both"});
  expect_error("seed = -1\n", {"seed", "got -1"});
  expect_error("seed = \"18446744073709551616\"\n", {"seed", "18446744073709551615"});
  expect_error("loss = 3\n", {"expected a table, got 3"});
  expect_error("freeze = [1]\n", {"freeze", "texts"});
}

TEST(RecipeText, SettingsByName) {
  Recipe recipe;
  set_recipe(recipe, "optimiser.kind=adam");
  set_recipe(recipe, " schedule.rate = 0.1 ");
  set_recipe(recipe, "schedule.steps=82,123");
  set_recipe(recipe, "augment=flip,crop:4");
  set_recipe(recipe, "freeze=conv1*");
  set_recipe(recipe, "optimiser.nesterov=true");
  set_recipe(recipe, "preprocess=\"set\"");
  EXPECT_EQ(recipe.optimiser.kind, "adam");
  EXPECT_EQ(recipe.schedule.rate, 0.1);
  EXPECT_EQ(recipe.schedule.steps, (std::vector<double>{82, 123}));
  EXPECT_EQ(recipe.augment, "flip,crop:4");
  EXPECT_EQ(recipe.freeze, (std::vector<std::string>{"conv1*"}));
  EXPECT_TRUE(recipe.optimiser.nesterov);
  EXPECT_EQ(recipe.preprocess, "set");
  set_recipe(recipe, "freeze=[\"a\", \"b\"]");
  EXPECT_EQ(recipe.freeze.size(), 2u);
  set_recipe(recipe, "freeze=[]");
  EXPECT_TRUE(recipe.freeze.empty());
  expect_set_error("optimizer.kind=sgd", "did you mean \"optimiser.kind\"");
  expect_set_error("optimiser.kind=sgdd", "did you mean \"sgd\"");
  expect_set_error("batch=many", "\"batch=many\"");
  expect_set_error("batch", "KEY=VALUE");
  expect_set_error("batch=3\nepochs=4", "one value");
  expect_set_error("schedule.rate=-1", "rate: expected a number from 0");
}

TEST(RecipeText, TheNetworkReaderLetsEverySectionPass) {
  const std::vector<std::string>& allowed = recipe_sections();
  std::set<std::string> names = {"model", "data", "test", "command"};
  for (const RecipeKey& key : recipe_keys()) names.insert(key.section.empty() ? key.name : key.section);
  EXPECT_EQ(names, std::set<std::string>(allowed.begin(), allowed.end()));
}

TEST(RecipeText, StepsMoveWithTheEpochs) {
  Recipe recipe;
  recipe.epochs = 164;
  recipe.schedule.kind = "multi_step";
  recipe.schedule.steps = {82, 123};
  recipe.schedule.warm_up = 4;
  const Recipe shorter = with_epochs(recipe, 41);
  EXPECT_EQ(shorter.schedule.steps, (std::vector<double>{20.5, 30.75}));
  EXPECT_EQ(shorter.schedule.warm_up, 1);
  EXPECT_EQ(shorter.epochs, 41);
}

}  // namespace
}  // namespace fovea
