// Whole trainings by L-BFGS behind the Trainer's interface.
#include <gtest/gtest.h>

#include <atomic>
#include <cstring>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/data/open_data.h"
#include "fovea/data/statistics.h"
#include "fovea/formats/network_description.h"
#include "fovea/model/initialise.h"
#include "fovea/train/diagnosis.h"
#include "fovea/train/full_batch.h"
#include "fovea/train/recipe_text.h"
#include "fovea/train/trainer.h"

namespace fovea {
namespace {

constexpr const char* kNetwork = R"([network]
name = "flowers"
input = [4]
classes = 3
[[layer]]
kind = "linear"
name = "hidden"
out = 8
activation = "tanh"
[[layer]]
kind = "linear"
name = "scores"
out = "classes"
)";

// Fisher's iris, all 150 flowers.
class FullBatchTrainerTest : public testing::Test {
 protected:
  FullBatchTrainerTest() : backend_(cpu_backend()), iris_(open_data("builtin:iris")) {
    model_ = read_network_description(Bytes::copy(kNetwork, "flowers.toml")).model;
    model_.weights = initial_weights(model_.graph, 1, {});
    state_standardisation(model_.meaning, standardisation(set_statistics(*iris_)));
    recipe_ = with_optimiser({}, "lbfgs");
    recipe_.epochs = 6, recipe_.batch = 64;
    recipe_.optimiser.weight_decay = 1e-4;
    check_recipe(recipe_);
    options_.tune = false;
  }
  std::unique_ptr<Trainer> trainer() const {
    return std::make_unique<Trainer>(model_, recipe_, iris_, *backend_, options_);
  }
  static std::vector<Trainer::Update> updates_of(Trainer& trainer, int64_t stop_after = -1) {
    std::vector<Trainer::Update> updates;
    std::atomic<bool> stop{false};
    Context context;
    context.cancel = &stop;
    trainer.observe({[&](const Trainer::Update& u) {
                       updates.push_back(u);
                       if (u.step == stop_after) stop = true;
                     },
                     {}});
    trainer.run(context);
    return updates;
  }
  static void expect_equal(const Checkpoint& x, const Checkpoint& y) {
    ASSERT_EQ(x.states.size(), y.states.size());
    for (const auto& [name, value] : x.states) {
      const Tensor& other = y.states.at(name);
      ASSERT_EQ(value.shape(), other.shape()) << name;
      EXPECT_EQ(std::memcmp(value.raw(), other.raw(), value.bytes()), 0) << name;
    }
    for (const auto& [name, value] : x.numbers)
      if (name != "seconds") EXPECT_EQ(value, y.numbers.at(name)) << name;
    EXPECT_EQ(x.step, y.step);
  }

  std::unique_ptr<Backend> backend_;
  std::shared_ptr<const Dataset> iris_;
  Model model_;
  Recipe recipe_;
  CompileOptions options_;
};

TEST_F(FullBatchTrainerTest, LearnsIris) {
  const auto t = trainer();
  EXPECT_EQ(t->steps(), 6);
  std::vector<Trainer::Look> looks;
  std::vector<Trainer::Update> updates;
  t->observe({[&](const Trainer::Update& u) { updates.push_back(u); },
              [&](const Trainer::Look& look) { looks.push_back(look); }});
  t->run({});
  ASSERT_EQ(updates.size(), 6u);
  ASSERT_EQ(looks.size(), 6u);
  EXPECT_EQ(updates[0].count, 150);  // 3 batches of 50
  EXPECT_GT(updates[0].loss, 0.7);
  EXPECT_LE(updates[5].errors, 4);  // 97.3 %
  EXPECT_LT(updates[5].loss, 0.1);
  EXPECT_TRUE(t->finished());
  ASSERT_EQ(looks[0].layers.size(), 2u);
  for (const LayerNorms& layer : looks[0].layers) {
    EXPECT_GT(layer.weight, 0) << layer.name;
    EXPECT_GT(layer.gradient, 0) << layer.name;
  }
  ASSERT_FALSE(t->notes().empty());
  EXPECT_NE(t->notes().back().find("3 batches of 50"), std::string::npos) << t->notes().back();
}

TEST_F(FullBatchTrainerTest, GoesOnFromACheckpointToTheSameBits) {
  const auto whole = trainer();
  const auto undisturbed = updates_of(*whole);
  for (const int64_t stop : {1, 4}) {
    const auto first = trainer();
    updates_of(*first, stop);
    EXPECT_EQ(first->step(), stop);
    const auto second = trainer();
    second->restore(first->checkpoint());
    const auto rest = updates_of(*second);
    ASSERT_EQ(rest.size() + static_cast<size_t>(stop), undisturbed.size());
    for (size_t i = 0; i < rest.size(); ++i) EXPECT_EQ(rest[i].loss, undisturbed[static_cast<size_t>(stop) + i].loss);
    expect_equal(second->checkpoint(), whole->checkpoint());
  }
}

// A step that is cancelled in its middle has not been.
TEST_F(FullBatchTrainerTest, AStepIsDoneOrNot) {
  const auto whole = trainer();
  updates_of(*whole);
  const auto t = trainer();
  std::atomic<bool> stop{false};
  Context context;
  context.cancel = &stop;
  int reports = 0;
  context.progress = [&](const Progress&) { stop = ++reports == 40; };
  t->run(context);
  EXPECT_GE(reports, 40);
  EXPECT_LT(t->step(), 6);
  const auto second = trainer();
  second->restore(t->checkpoint());
  updates_of(*second);
  expect_equal(second->checkpoint(), whole->checkpoint());
  updates_of(*t);  // and the same trainer goes on too
  expect_equal(t->checkpoint(), whole->checkpoint());
}

TEST_F(FullBatchTrainerTest, RefusesStatesThatAreNotItsOwn) {
  const auto t = trainer();
  updates_of(*t, 2);
  Checkpoint other = t->checkpoint();
  other.states["lbfgs step 0"] = Tensor(DType::f32, {3});
  EXPECT_THROW(t->restore(other), Error);
  other = t->checkpoint();
  other.states.erase("lbfgs direction");
  EXPECT_THROW(t->restore(other), Error);
  other = t->checkpoint();
  other.numbers["lbfgs pairs"] = 1e9;
  EXPECT_THROW(t->restore(other), Error);
}

TEST_F(FullBatchTrainerTest, SaysWhenItDiverges) {
  Tensor& bias = model_.weights.at("scores.bias");
  bias.set(0, std::numeric_limits<double>::quiet_NaN());
  EXPECT_THROW(updates_of(*trainer()), Divergence);
}

TEST(EvenBatch, LeavesOutAsFewAsItCan) {
  EXPECT_EQ(even_batch(150, 64), 50);
  EXPECT_EQ(even_batch(100, 128), 100);
  EXPECT_EQ(even_batch(60000, 128), 125);
  EXPECT_EQ(even_batch(135, 128), 67);
  EXPECT_EQ(even_batch(7, 1), 1);
}

TEST(WithOptimiser, TakesWhatTheRuleNeeds) {
  Recipe recipe;
  recipe.optimiser.weight_decay = 5e-4;
  recipe.augment = "flip";
  recipe.average = 0.99;
  recipe.schedule.kind = "one_cycle";
  const Recipe adam = with_optimiser(recipe, "adam");
  EXPECT_EQ(adam.schedule.rate, 0.002);
  EXPECT_EQ(adam.schedule.kind, "one_cycle");
  EXPECT_EQ(adam.augment, "flip");
  const Recipe lbfgs = with_optimiser(recipe, "lbfgs");
  check_recipe(lbfgs);
  EXPECT_EQ(lbfgs.augment, "");
  EXPECT_EQ(lbfgs.optimiser.weight_decay, 5e-4);
  recipe.optimiser.kind = "lbfgs";
  EXPECT_THROW(check_recipe(recipe), Error);
  EXPECT_THROW(with_optimiser(recipe, "sgdd"), Error);
}

}  // namespace
}  // namespace fovea
