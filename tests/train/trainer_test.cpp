// The training loop: it learns, it goes on from a checkpoint to the same bits, and it says what went wrong.
#include "fovea/train/trainer.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/data/drawn.h"
#include "fovea/model/initialise.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/train/diagnosis.h"

namespace fovea {
namespace {

// LeNet-5 on coloured shapes of 28 x 28.
class TrainerTest : public testing::Test {
 protected:
  TrainerTest() : backend_(cpu_backend()) {
    ZooOptions zoo;
    zoo.classes = 6, zoo.channels = 3;
    model_ = zoo_model("lenet5", zoo, 1);
    model_.meaning.preprocess = preset("signed", 28, 28);
    model_.meaning.preprocess->resize = "stretch";
    recipe_.epochs = 2, recipe_.batch = 16, recipe_.seed = 3;
    recipe_.augment = "flip";
    recipe_.schedule.rate = 0.02;
    recipe_.optimiser.nesterov = true;
    recipe_.average = 0.9;
    options_.tune = false;
  }
  std::unique_ptr<Trainer> trainer(const Recipe& recipe) const {
    return std::make_unique<Trainer>(model_, recipe, std::make_shared<DrawnShapes>(320, 28, 5), *backend_, options_);
  }
  static std::vector<double> losses_of(Trainer& trainer, int64_t stop_after = -1) {
    std::vector<double> losses;
    std::atomic<bool> stop{false};
    Context context;
    context.cancel = &stop;
    trainer.observe({[&](const Trainer::Update& u) {
                       losses.push_back(u.loss);
                       if (u.step == stop_after) stop = true;
                     },
                     {}});
    trainer.run(context);
    return losses;
  }
  static void expect_equal_states(const Trainer& a, const Trainer& b) {
    const Checkpoint x = a.checkpoint(), y = b.checkpoint();
    ASSERT_EQ(x.states.size(), y.states.size());
    for (const auto& [name, value] : x.states) {
      const Tensor& other = y.states.at(name);
      ASSERT_EQ(value.bytes(), other.bytes()) << name;
      EXPECT_EQ(std::memcmp(value.raw(), other.raw(), value.bytes()), 0) << name;
    }
    EXPECT_EQ(x.step, y.step);
    EXPECT_EQ(x.next, y.next);
    EXPECT_EQ(x.numbers.at("loss sum"), y.numbers.at("loss sum"));
    EXPECT_EQ(x.numbers.at("errors"), y.numbers.at("errors"));
  }

  std::unique_ptr<Backend> backend_;
  Model model_;
  Recipe recipe_;
  CompileOptions options_;
};

TEST_F(TrainerTest, LooksAtTheTestSetWhereTheRecipeSays) {
  recipe_.epochs = 1.3, recipe_.evaluate_every = 0.5;
  const auto t = trainer(recipe_);
  EXPECT_EQ(t->steps_per_epoch(), 20);
  EXPECT_EQ(t->steps(), 26);
  std::vector<int64_t> updates, looks, counts;
  std::vector<LayerNorms> norms;
  t->observe({[&](const Trainer::Update& u) { updates.push_back(u.step); },
              [&](const Trainer::Look& look) {
                looks.push_back(look.step);
                counts.push_back(look.count);
                norms = look.layers;
              }});
  t->run({});
  EXPECT_EQ(updates.size(), 26u);
  EXPECT_EQ(looks, (std::vector<int64_t>{10, 20, 26}));
  EXPECT_EQ(counts, (std::vector<int64_t>{160, 160, 96}));
  EXPECT_TRUE(t->finished());
  ASSERT_EQ(norms.size(), 5u);
  for (const LayerNorms& layer : norms) {
    EXPECT_GT(layer.weight, 0) << layer.name;
    EXPECT_GT(layer.gradient, 0) << layer.name;
  }
}

TEST_F(TrainerTest, TheLossFalls) {
  recipe_.epochs = 12;
  recipe_.schedule.kind = "one_cycle";
  const auto t = trainer(recipe_);
  const std::vector<double> losses = losses_of(*t);
  double first = 0, last = 0;
  for (size_t i = 0; i < 20; ++i) first += losses[i] / 20, last += losses[losses.size() - 20 + i] / 20;
  EXPECT_LT(last, 0.8 * first);
}

TEST_F(TrainerTest, LookaheadEndsOnItsSlowWeightsAndGoesOnToTheSameBits) {
  recipe_.average = 0;
  recipe_.lookahead.every = 3;  // 40 updates: the last meeting but the end's is at 39
  const auto whole = trainer(recipe_);
  const std::vector<double> undisturbed = losses_of(*whole);
  const Checkpoint end = whole->checkpoint();
  size_t copies = 0;
  for (const auto& [name, value] : end.states) {
    if (!name.starts_with("slow copy of ")) continue;
    EXPECT_TRUE(value.same_bits(end.states.at(name.substr(13)))) << name;
    ++copies;
  }
  EXPECT_EQ(copies, 10u);  // weights and biases of five layers
  for (const int64_t stop : {2, 3, 20}) {
    const auto first = trainer(recipe_);
    std::vector<double> losses = losses_of(*first, stop);
    const auto second = trainer(recipe_);
    second->restore(first->checkpoint());
    const std::vector<double> rest = losses_of(*second);
    losses.insert(losses.end(), rest.begin(), rest.end());
    EXPECT_EQ(losses, undisturbed) << stop;
    expect_equal_states(*whole, *second);
  }
  Recipe plain = recipe_;
  plain.lookahead.every = 0;
  EXPECT_NE(losses_of(*trainer(plain)), undisturbed);
}

TEST_F(TrainerTest, LookaheadWithBatchesInParts) {
  recipe_.average = 0;
  recipe_.augment.clear();
  recipe_.lookahead.every = 2;
  recipe_.epochs = 0.2;  // 4 updates
  Recipe parts = recipe_;
  parts.micro_batches = 2;
  const auto whole = trainer(recipe_), cut = trainer(parts);
  losses_of(*whole), losses_of(*cut);
  const Checkpoint a = whole->checkpoint(), b = cut->checkpoint();
  for (const auto& [name, value] : a.states)
    for (int64_t i = 0; i < value.count(); i += 7) EXPECT_NEAR(value.at(i), b.states.at(name).at(i), 2e-5) << name;
}

TEST_F(TrainerTest, GoesOnFromACheckpointToTheSameBits) {
  const auto whole = trainer(recipe_);
  const std::vector<double> undisturbed = losses_of(*whole);
  for (const int64_t stop : {1, 7, 20, 33}) {
    const auto first = trainer(recipe_);
    std::vector<double> losses = losses_of(*first, stop);
    EXPECT_EQ(first->step(), stop);
    const auto second = trainer(recipe_);
    second->restore(first->checkpoint());
    for (const double loss : losses_of(*second)) losses.push_back(loss);
    EXPECT_EQ(losses, undisturbed) << "stopped after " << stop;
    expect_equal_states(*second, *whole);
  }
}

TEST_F(TrainerTest, TheModelHasTheAveragedWeights) {
  const auto t = trainer(recipe_);
  losses_of(*t);
  const Checkpoint checkpoint = t->checkpoint();
  const Model model = t->model();
  for (const auto& [name, value] : model.weights) {
    const Tensor& average = checkpoint.states.at("average of " + name);
    EXPECT_EQ(std::memcmp(value.raw(), average.raw(), value.bytes()), 0) << name;
    EXPECT_NE(std::memcmp(value.raw(), checkpoint.states.at(name).raw(), value.bytes()), 0) << name;
  }
}

TEST_F(TrainerTest, RefusesACheckpointOfAnotherNetworkOrOtherSettings) {
  const auto t = trainer(recipe_);
  Checkpoint other = t->checkpoint();
  other.model = "0123";
  EXPECT_THROW(t->restore(other), Error);
  Recipe adam = recipe_;
  adam.optimiser.kind = "adam";
  try {
    trainer(adam)->restore(t->checkpoint());
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_NE(e.message().find("other settings"), std::string::npos) << e.message();
  }
}

TEST_F(TrainerTest, DivergenceNamesTheStepAndTheLayer) {
  recipe_.schedule.rate = 1e20;
  recipe_.average = 0;
  const auto t = trainer(recipe_);
  try {
    losses_of(*t);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.kind(), ErrorKind::usage);
    EXPECT_NE(e.message().find("diverged at step "), std::string::npos) << e.message();
    EXPECT_NE(e.message().find("are no numbers"), std::string::npos) << e.message();
    EXPECT_NE(dynamic_cast<const Divergence*>(&e), nullptr);
    EXPECT_NE(e.message().find("--rate"), std::string::npos) << e.message();
  }
}

// A weight that is no number need not show in the loss: max(0, x) of it may be 0.
TEST_F(TrainerTest, ACheckpointNeverHoldsWhatIsNoNumber) {
  const auto t = trainer(recipe_);
  losses_of(*t, 3);
  Checkpoint bad = t->checkpoint();
  bad.states.at("conv1.weight").set(5, std::numeric_limits<double>::quiet_NaN());
  const auto second = trainer(recipe_);
  second->restore(bad);
  try {
    second->checkpoint();
    FAIL();
  } catch (const Divergence& e) {
    EXPECT_NE(e.message().find("conv1.weight is no number"), std::string::npos) << e.message();
  }
}

}  // namespace
}  // namespace fovea
