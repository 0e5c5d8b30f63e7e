// Training forms of networks: paths that are dropped, batches in parts, layers that are frozen.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/error.h"
#include "fovea/model/column.h"
#include "fovea/model/initialise.h"
#include "fovea/model/zoo/fractalnet.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/batch_norm_training.h"
#include "fovea/train/drop_path.h"
#include "fovea/train/freezing.h"
#include "fovea/train/stochastic_depth.h"
#include "fovea/train/training_step.h"

namespace fovea {
namespace {

using Feeds = std::map<std::string, Tensor>;

Tensor random(const Shape& shape, uint64_t seed) {
  Tensor t(DType::f32, shape);
  for (int64_t i = 0; i < t.count(); ++i) t.set(i, Rng(seed).normal(static_cast<uint64_t>(i)));
  return t;
}

Model small(std::string_view name, int64_t side = 8, int64_t classes = 4) {
  return zoo_model(name, {.classes = classes, .height = side, .width = side}, 3);
}

bool same_bits(const Tensor& a, const Tensor& b) {
  return a.shape() == b.shape() && std::memcmp(a.raw(), b.raw(), a.bytes()) == 0;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  double most = 0;
  for (int64_t i = 0; i < a.count(); ++i) most = std::max(most, std::abs(a.at(i) - b.at(i)));
  return most;
}

// A training step on its own program.
struct Trial {
  std::unique_ptr<Backend> backend = cpu_backend();
  TrainingStep step;
  Program program;

  Trial(const Model& model, const Recipe& recipe) : step(training_step(model, recipe)) {
    verify(step.graph);
    const Value wants[] = {step.loss, step.errors, step.logits};
    program = compile(step.graph, wants, starting_weights(step, model.weights), *backend,
                      {.carry = step.carry, .tune = false});
  }
  // Pictures [first, first + count) of one long row, with labels.
  Feeds data(uint64_t first = 0) const {
    const Shape shape = step.graph.shape({step.graph.find(step.picture), 0});
    const int64_t classes = step.graph.shape(step.logits)[1], each = shape.count(1, 4);
    Feeds feeds;
    Tensor& x = feeds[step.picture] = Tensor(DType::f32, shape);
    Tensor& y = feeds[step.labels] = Tensor(DType::i64, {shape[0]});
    for (int64_t i = 0; i < x.count(); ++i)
      x.set(i, Rng(7).normal(first * static_cast<uint64_t>(each) + static_cast<uint64_t>(i)));
    for (int64_t n = 0; n < shape[0]; ++n) y.set(n, static_cast<double>((static_cast<int64_t>(first) + n) % classes));
    return feeds;
  }
  std::map<std::string, Tensor> states() const {
    std::map<std::string, Tensor> all;
    for (const std::string& name : program.state_names()) all[name] = program.state(name);
    return all;
  }
};

Recipe recipe_of(int64_t batch, OptimiserSettings optimiser = {.weight_decay = 1e-3}) {
  Recipe recipe;
  recipe.batch = batch;
  recipe.optimiser = std::move(optimiser);
  return recipe;
}

TEST(StochasticDepth, ExpectedLiveBlocks) {
  const StochasticDepth linear{"linear", 0.5}, uniform{"uniform", 0.8};
  const auto live = [](const char* name, const StochasticDepth& how) {
    return expected_live(droppable_branches(build(*find_architecture(name)).graph, how));
  };
  EXPECT_DOUBLE_EQ(live("resnet32_cifar", linear), 11.0);
  EXPECT_DOUBLE_EQ(live("resnet110_cifar", linear), 40.25);
  EXPECT_DOUBLE_EQ(live("resnet110_stochastic_cifar", linear), 40.25);
  EXPECT_DOUBLE_EQ(live("resnet110_stochastic_cifar", {"built", 1}), 40.25);
  EXPECT_NEAR(live("resnet32_cifar", uniform), 12.0, 1e-12);
  EXPECT_EQ(droppable_branches(build(*find_architecture("resnet50")).graph, linear).size(), 16u);
  EXPECT_EQ(droppable_branches(build(*find_architecture("preresnet164_cifar")).graph, linear).size(), 54u);
  const Graph plain = build(*find_architecture("vgg11")).graph,
              resnet = build(*find_architecture("resnet20_cifar")).graph;
  EXPECT_THROW(droppable_branches(plain, linear), Error);
  EXPECT_THROW(droppable_branches(resnet, {"built", 0.5}), Error);
  EXPECT_THROW(droppable_branches(resnet, {"linaer", 0.5}), Error);
  EXPECT_THROW(droppable_branches(resnet, {"linear", 1.5}), Error);
}

TEST(StochasticDepth, DrawsAreKeyedAndFair) {
  const auto branches = droppable_branches(build(*find_architecture("resnet32_cifar")).graph, {"linear", 0.5});
  std::vector<double> alive(branches.size(), 0);
  constexpr int kSteps = 4000;
  for (uint64_t s = 0; s < kSteps; ++s) {
    const Feeds a = branch_feeds(branches, Rng(1).fork(s)), b = branch_feeds(branches, Rng(1).fork(s));
    ASSERT_EQ(a.size(), branches.size());
    for (size_t k = 0; k < branches.size(); ++k) {
      const std::string name = alive_name(branches[k].block);
      ASSERT_EQ(a.at(name).at(0), b.at(name).at(0));
      alive[k] += a.at(name).at(0);
    }
  }
  // Five standard deviations of a mean of 4000 draws.
  for (size_t k = 0; k < branches.size(); ++k) {
    const double p = branches[k].survival;
    EXPECT_NEAR(alive[k] / kSteps, p, 5 * std::sqrt(p * (1 - p) / kSteps)) << k;
  }
}

// p · F(x) of any network is what a network built with these factors computes, to the bit.
TEST(StochasticDepth, ScalingForInferenceIsExact) {
  const Model plain = small("resnet110_cifar"), built = small("resnet110_stochastic_cifar");
  const Model scaled = with_survival(plain, {"linear", 0.5});
  verify(scaled.graph);
  const auto backend = cpu_backend();
  const Feeds feeds{{"input", random({1, 3, 8, 8}, 5)}};
  const auto scores = [&](const Model& m) {
    const Value wants[] = {m.graph.outputs[0].value};
    return compile(m.graph, wants, plain.weights, *backend, {.tune = false}).run(feeds)[0];
  };
  EXPECT_TRUE(same_bits(scores(scaled), scores(built)));
  EXPECT_FALSE(same_bits(scores(scaled), scores(plain)));
  // The other way round: other factors take the place of those that it was built with.
  EXPECT_TRUE(same_bits(scores(with_survival(built, {"uniform", 1})), scores(plain)));
}

TEST(StochasticDepth, AClosedBlockIsSkippedAndKeepsItsStatistics) {
  const Model model = small("resnet20_cifar", 16);
  Recipe recipe = recipe_of(8);
  recipe.stochastic_depth = {"linear", 0.5};
  Trial run(model, recipe);
  ASSERT_EQ(run.step.branches.size(), 9u);
  constexpr double kRate = 0.1;
  Feeds feeds = run.data();
  feeds.merge(run.step.feeds(0, kRate));
  for (const ResidualBranch& b : run.step.branches) feeds[alive_name(b.block)] = Tensor::scalar<bool>(true);
  const std::string closed = "layer2.1";
  feeds.at(alive_name(closed)) = Tensor::scalar<bool>(false);
  const auto before = run.states();
  const auto got = run.program.run(feeds);
  EXPECT_GT(run.program.skipped(), 20);
  const auto after = run.states();
  int norms = 0, weights = 0;
  for (const auto& [name, value] : after) {
    SCOPED_TRACE(name);
    const bool statistic = name.find("running_") != std::string::npos;
    if (!name.starts_with(closed + ".")) {
      if (name.find("velocity") == std::string::npos) EXPECT_FALSE(same_bits(before.at(name), value));
    } else if (statistic) {
      EXPECT_TRUE(same_bits(before.at(name), value));
      ++norms;
    } else {
      // No gradient: only the decay of 1e-3 moves it.
      for (int64_t i = 0; i < value.count(); ++i)
        ASSERT_NEAR(value.at(i), before.at(name).at(i) * (1 - kRate * 1e-3), 1e-7 * std::abs(value.at(i)) + 1e-12);
      ++weights;
    }
  }
  EXPECT_EQ(norms, 4);
  EXPECT_EQ(weights, 6);
  // The whole step is what the plain loops make of the same gates.
  for (const auto& [name, value] : model.weights) feeds[name] = value;
  for (const Carry& c : run.step.carry)
    if (const Node& node = run.step.graph.node(c.to); !feeds.contains(node.name))
      feeds[node.name] = Tensor(node.outputs[0].dtype, node.outputs[0].shape);
  std::vector<Value> wants{run.step.loss, run.step.logits};
  for (const Carry& c : run.step.carry) wants.push_back(c.from);
  const auto expected = evaluate(run.step.graph, feeds, wants);
  EXPECT_NEAR(got[0].at(0), expected[0].at(0), 1e-4 * std::abs(expected[0].at(0)));
  for (size_t i = 2; i < wants.size(); ++i) {
    const std::string& name = run.step.graph.node(run.step.carry[i - 2].to).name;
    EXPECT_LT(largest_difference(after.at(name), expected[i]), 2e-3) << name;
  }
}

// With all blocks closed, only the norms outside of branches see the batch: the stem's and the shortcuts'; of the
// pre-activation network the one that the first block shares with its shortcut, and the last.
TEST(StochasticDepth, EveryKindOfBlockIsSkippedWhole) {
  const std::pair<const char*, std::set<std::string>> networks[] = {
      {"resnet18", {"bn1", "layer2.0.downsample.1", "layer3.0.downsample.1", "layer4.0.downsample.1"}},
      {"resnet20_cifar_b", {"bn1", "layer2.0.shortcut.1", "layer3.0.shortcut.1"}},
      {"preresnet110_cifar", {"layer1.0.bn1", "bn"}}};
  for (const auto& [name, outside] : networks) {
    SCOPED_TRACE(name);
    Recipe recipe = recipe_of(2);
    recipe.stochastic_depth = {"uniform", 0};
    Trial run(small(name, 32), recipe);
    Feeds feeds = run.data();
    feeds.merge(run.step.feeds(0, 0.1));
    const auto before = run.states();
    EXPECT_TRUE(std::isfinite(run.program.run(feeds)[0].at(0)));
    std::set<std::string> changed;
    for (const auto& [state, value] : run.states()) {
      const size_t at = state.find(".running_mean");
      if (at != std::string::npos && !same_bits(before.at(state), value)) changed.insert(state.substr(0, at));
    }
    EXPECT_EQ(changed, outside);
    for (const StepInfo& info : run.program.steps())
      EXPECT_NE(info.op, "gate") << info.name << " is a copy of " << to_string(info.output);
  }
}

// With everything alive it is the step of the plain network.
TEST(StochasticDepth, AllAliveIsThePlainStep) {
  const Model model = small("resnet20_cifar");
  Recipe recipe = recipe_of(4);
  Trial plain(model, recipe);
  recipe.stochastic_depth = {"linear", 1.0};
  Trial gated(model, recipe);
  Feeds a = plain.data(), b = a;
  a.merge(plain.step.feeds(0, 0.1));
  b.merge(gated.step.feeds(0, 0.1));
  EXPECT_NEAR(plain.program.run(a)[0].at(0), gated.program.run(b)[0].at(0), 1e-5);
  EXPECT_EQ(gated.program.skipped(), 0);
  const auto states = gated.states();
  for (const auto& [name, value] : plain.states()) EXPECT_LT(largest_difference(value, states.at(name)), 1e-4) << name;
}

// How much is left out follows how many blocks are dropped.
TEST(StochasticDepth, WorkFollowsTheLiveBlocks) {
  const Model model = small("resnet32_cifar");
  Recipe recipe = recipe_of(4);
  recipe.stochastic_depth = {"linear", 0.5};
  Trial run(model, recipe);
  Feeds feeds = run.data();
  const auto skipped = [&](const std::set<size_t>& dead) {
    feeds.merge(run.step.feeds(0, 0.1));
    for (size_t k = 0; k < run.step.branches.size(); ++k)
      feeds[alive_name(run.step.branches[k].block)] = Tensor::scalar<bool>(!dead.contains(k));
    run.program.run(feeds);
    return run.program.skipped();
  };
  EXPECT_EQ(run.step.notes(),
            std::vector<std::string>{"stochastic depth: 11.00 of 15 residual blocks live in a step, on average"});
  EXPECT_EQ(skipped({}), 0);
  std::vector<int> alone;
  std::set<size_t> every;
  for (size_t k = 0; k < run.step.branches.size(); ++k) alone.push_back(skipped({k})), every.insert(k);
  EXPECT_GE(*std::min_element(alone.begin(), alone.end()), 12);  // two convolutions, norms and what is between, twice
  // Blocks share no other steps than updates of small weights, which are skipped when all their blocks are: what
  // several blocks leave out together is at least the sum, and at most the sum and all shared steps.
  const int shared = skipped(every) - std::accumulate(alone.begin(), alone.end(), 0);
  EXPECT_GE(shared, 0);
  EXPECT_LE(shared, 15);
  int sum = 0;
  for (const size_t k : {1, 3, 4, 7, 12}) sum += alone[k];
  const int together = skipped({1, 3, 4, 7, 12});
  EXPECT_GE(together, sum);
  EXPECT_LE(together, sum + shared);
}

TEST(DropPath, OnePathAlwaysLives) {
  const Graph graph = build(fractalnet(3, 4, 4)).graph;
  const FractalPaths paths = fractal_paths(graph);
  EXPECT_EQ(paths.deepest, 4);
  std::vector<Value> wants{graph.outputs[0].value};
  const PathPlan plan = drop_paths(graph, wants, paths.joins).plan;
  std::vector<int> columns(5, 0);
  int globals = 0, dropped = 0, inputs = 0;
  constexpr int kDraws = 1000;
  for (const char* kind : {"local", "global", "mixed"})
    for (const double rate : {0.15, 0.9, 1.0})
      for (uint64_t s = 0; s < kDraws; ++s) {
        const DropPath how{kind, rate};
        const KeptPaths kept = draw_paths(paths, how, Rng(2).fork(s));
        ASSERT_EQ(kept, draw_paths(paths, how, Rng(2).fork(s)));
        const Feeds feeds = path_feeds(plan, kept);  // throws where a needed join keeps nothing
        // Down to the picture: from the last join, along any living input, everything lives.
        for (const int last : plan.last) {
          std::vector<int> open{last};
          while (!open.empty()) {
            const auto j = static_cast<size_t>(open.back());
            open.pop_back();
            int alive = 0;
            for (size_t k = 0; k < plan.joins[j].inputs.size(); ++k) {
              const bool lives = feeds.at(fmt::format("alive {}.{}", plan.joins[j].name, k)).at(0) != 0;
              ASSERT_EQ(lives, kept[j][k]);
              alive += lives;
              if (lives) open.insert(open.end(), plan.before[j][k].begin(), plan.before[j][k].end());
            }
            ASSERT_GE(alive, 1);
            ASSERT_EQ(feeds.at("share of " + plan.joins[j].name).at(0), static_cast<float>(1.0 / alive));
          }
        }
        if (rate == 0.15 && std::string(kind) == "local")
          for (const auto& join : kept)
            for (const bool k : join) dropped += !k, ++inputs;
        for (int64_t c = 1; c <= 4 && rate == 0.15; ++c)
          if (kept == only_column(paths, c)) {
            columns[static_cast<size_t>(c)] += std::string(kind) == "global";
            globals += std::string(kind) == "mixed";
          }
      }
  for (int64_t c = 1; c <= 4; ++c)
    EXPECT_NEAR(columns[static_cast<size_t>(c)], kDraws / 4, 5 * std::sqrt(kDraws * 3.0 / 16));
  EXPECT_NEAR(globals, kDraws / 2, 5 * std::sqrt(kDraws / 4.0));
  // Of two inputs 0.15 − 0.15²/2 each are dropped, as one of two dropped ones comes back; of more, nearly 0.15.
  EXPECT_NEAR(static_cast<double>(dropped) / inputs, 0.143, 0.012);
  EXPECT_THROW(draw_paths(paths, {"lokal", 0.15}, Rng()), Error);
  EXPECT_THROW(draw_paths(paths, {"local", -0.1}, Rng()), Error);
  EXPECT_THROW(fractal_paths(build(*find_architecture("resnet18")).graph), Error);
}

// Under a global mask the network is the column, to the bit.
TEST(DropPath, AColumnIsTheNetworkUnderItsMask) {
  for (const auto& [blocks, columns] : {std::pair<int64_t, int64_t>{2, 4}, {5, 3}}) {
    Model model = build(fractalnet(blocks, columns, 8), {.classes = 4});
    model.weights = initial_weights(model.graph, 3);
    for (auto& [name, tensor] : model.weights)
      if (name.find("running_mean") != std::string::npos)
        for (int64_t i = 0; i < tensor.count(); ++i) tensor.set(i, 0.1 * Rng(5).normal(static_cast<uint64_t>(i)));
    const std::vector<Value> wants{model.graph.outputs[0].value};
    const FractalPaths paths = fractal_paths(model.graph);
    const DroppingGraph dropping = drop_paths(model.graph, wants, paths.joins);
    verify(dropping.rewritten.graph);
    const std::vector<Value> gated{dropping.rewritten.map(wants[0])};
    const auto backend = cpu_backend();
    Program whole = compile(dropping.rewritten.graph, gated, model.weights, *backend, {.tune = false});
    const Tensor x = random({1, 3, 32, 32}, 5);
    for (int64_t c = 1; c <= columns; ++c) {
      SCOPED_TRACE(fmt::format("column {} of {}", c, columns));
      Feeds feeds = path_feeds(dropping.plan, only_column(paths, c));
      feeds["input"] = x;
      const Tensor expected = whole.run(feeds)[0];
      EXPECT_GT(whole.skipped(), 0);
      const Model column = column_of(model, c == columns ? 0 : c);
      verify(column.graph);
      int convolutions = 0;
      for (const Node& node : column.graph.nodes()) convolutions += node.op->name == "conv";
      EXPECT_EQ(convolutions, blocks << (c - 1));
      EXPECT_EQ(column.weights.size(), column.graph.parameters().size());
      const Value out[] = {column.graph.outputs[0].value};
      EXPECT_TRUE(same_bits(
          compile(column.graph, out, column.weights, *backend, {.tune = false}).run({{"input", x}})[0], expected));
    }
    // Everything kept: the network itself.
    KeptPaths all;
    for (const PathJoin& join : paths.joins) all.push_back(std::vector<bool>(join.inputs.size(), true));
    Feeds feeds = path_feeds(dropping.plan, all);
    feeds["input"] = x;
    const Tensor expected =
        compile(model.graph, wants, model.weights, *backend, {.tune = false}).run({{"input", x}})[0];
    EXPECT_TRUE(same_bits(whole.run(feeds)[0], expected));
    EXPECT_EQ(whole.skipped(), 0);
    EXPECT_THROW(column_of(model, columns + 1), Error);
  }
  EXPECT_THROW(column_of(small("resnet20_cifar")), Error);
}

// A step of drop-path on one column trains that column alone, just as if it were a network of its own.
TEST(DropPath, AGlobalStepTrainsOneColumn) {
  Model model = build(fractalnet(2, 3, 8), {.classes = 4});
  model.weights = initial_weights(model.graph, 3);
  Recipe recipe = recipe_of(4, {.momentum = 0.9});
  recipe.drop_path.kind = "mixed";
  Trial run(model, recipe);
  const int64_t kept = 3;
  Feeds feeds = run.data();
  feeds.merge(run.step.feeds(0, 0.05));
  for (auto& [name, value] : path_feeds(run.step.path_plan, only_column(*run.step.paths, kept))) feeds[name] = value;
  const Tensor loss = run.program.run(feeds)[0];
  EXPECT_GT(run.program.skipped(), 50);

  recipe.drop_path.kind = "none";
  Trial alone(column_of(model, kept), recipe);
  Feeds own = alone.data();
  own.merge(alone.step.feeds(0, 0.05));
  EXPECT_TRUE(same_bits(alone.program.run(own)[0], loss));
  const auto states = run.states(), expected = alone.states();
  int untouched = 0;
  for (const auto& [name, value] : model.weights) {
    SCOPED_TRACE(name);
    if (expected.contains(name)) {
      EXPECT_LT(largest_difference(states.at(name), expected.at(name)), 1e-5);
    } else {
      EXPECT_TRUE(same_bits(states.at(name), value));
      ++untouched;
    }
  }
  EXPECT_EQ(untouched, 2 * 5 * 3);  // 1 + 2 layers of the other columns a block, each a weight, 2 of and 2 in a norm
}

TEST(MicroBatches, EqualTheWholeBatch) {
  const Model model = zoo_model("lenet5", {}, 3);
  for (const OptimiserSettings& optimiser : {OptimiserSettings{.weight_decay = 1e-3, .clip_norm = 0.5},
                                             OptimiserSettings{.kind = "adam", .epsilon = 1e-3}}) {
    Recipe recipe = recipe_of(12, optimiser);
    constexpr double kRate = 0.005;
    recipe.average = 0.9;
    Trial whole(model, recipe);
    recipe.micro_batches = 3;
    Trial parts(model, recipe);
    for (int64_t update = 0; update < 3; ++update) {
      Feeds feeds = whole.data(static_cast<uint64_t>(12 * update));
      feeds.merge(whole.step.feeds(update, kRate));
      const auto before = whole.states();
      for (const auto& [name, value] : before) parts.program.set_state(name, value);  // so that rounding cannot grow
      const double expected = whole.program.run(feeds)[0].at(0);
      double loss = 0;
      for (int64_t part = 0; part < 3; ++part) {
        Feeds own = parts.data(static_cast<uint64_t>(12 * update + 4 * part));
        own.merge(parts.step.feeds(update, part, kRate));
        loss += parts.program.run(own)[0].at(0) / 3;
        if (part == 2) continue;
        const auto between = parts.states();
        for (const auto& [name, value] : before) ASSERT_TRUE(same_bits(between.at(name), value)) << name;
      }
      EXPECT_NEAR(loss, expected, 1e-5 * std::max(1.0, expected));
      // The longest sums, of conv1's gradient, have 12 · 28 · 28 terms, added up in another order. Adam divides by a
      // root of at least epsilon = 1e-3.
      constexpr double kRounding = 12 * 28 * 28 * 6e-8;
      double most = 0;
      const auto got = parts.states(), states = whole.states();
      for (const auto& [name, value] : states)
        if (name.find(" of ") != std::string::npos && !name.starts_with("average"))
          most = std::max(most, largest_difference(value, Tensor(DType::f32, value.shape())));
      for (const auto& [name, value] : states) {
        const bool moment = name.find(" of ") != std::string::npos && !name.starts_with("average");
        const double by = moment ? most : kRate * most * (optimiser.kind == "adam" ? 1e3 : 1);
        EXPECT_LT(largest_difference(value, got.at(name)), kRounding * by + 2e-7) << name;
        EXPECT_FALSE(same_bits(value, before.at(name))) << name;
      }
    }
  }
  Recipe uneven = recipe_of(10);
  uneven.micro_batches = 3;
  EXPECT_THROW(training_step(model, uneven), Error);
}

TEST(Freezing, FrozenLayersStayAsTheyAre) {
  const Model model = small("resnet20_cifar");
  Recipe recipe = recipe_of(4);
  recipe.freeze = {"conv1", "bn1", "layer1.*", "layer2.*", "layer3.0.*", "layer3.1.bn1.weight"};
  Trial run(model, recipe);
  for (const std::string& name : run.step.trained)
    EXPECT_TRUE(name.starts_with("layer3.1") || name.starts_with("layer3.2") || name.starts_with("linear")) << name;
  const std::vector<std::string> carried = run.program.state_names();
  const auto is_carried = [&](const char* name) {
    return std::find(carried.begin(), carried.end(), name) != carried.end();
  };
  EXPECT_FALSE(is_carried("layer2.0.conv1.weight"));
  EXPECT_FALSE(is_carried("layer2.0.bn1.running_mean"));
  EXPECT_FALSE(is_carried("layer3.1.bn1.weight"));
  EXPECT_TRUE(is_carried("layer3.1.bn1.running_mean"));  // its shift is still trained
  ASSERT_EQ(run.step.notes().size(), 1u);
  EXPECT_EQ(run.step.notes()[0],
            fmt::format("frozen: {} parameters; trained: {}", run.step.frozen, run.step.trained.size()));
  // Nothing below the lowest trained layer is differentiated: its convolutions once forward, the others thrice.
  int gradients = 0, norms = 0;
  for (const Node& node : run.step.graph.nodes()) {
    gradients += node.op->name == "conv_weight_gradient";
    norms += node.op == &ops::batch_norm_training;
  }
  EXPECT_EQ(gradients, 4);
  EXPECT_EQ(norms, 4);
  Feeds feeds = run.data();
  feeds.merge(run.step.feeds(0, 0.05));
  double first = 0, last = 0;
  for (int i = 0; i < 20; ++i) {
    last = run.program.run(feeds)[0].at(0);
    if (i == 0) first = last;
  }
  EXPECT_LT(last, 0.8 * first);

  recipe.freeze = {"layre1.*"};
  try {
    training_step(model, recipe);
    FAIL();
  } catch (const Error& e) { EXPECT_NE(e.message().find("did you mean"), std::string::npos) << e.message(); }
  recipe.freeze = {"*"};
  EXPECT_THROW(training_step(model, recipe), Error);
}

}  // namespace
}  // namespace fovea
