#include "fovea/commands/demo_training.h"

#include <fmt/format.h>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/commands/fused_models.h"
#include "fovea/data/drawn.h"
#include "fovea/insight/evaluation.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/relu.h"
#include "fovea/train/trainer.h"

namespace fovea {

namespace {

constexpr int64_t kClasses = 6, kTestCount = 320;

struct LayerShape {
  const char* name;
  int64_t out, in, kernel;
  bool pool;
};
constexpr LayerShape kLayers[] = {
    {"edges", 16, 3, 5, true}, {"corners", 32, 16, 3, true}, {"parts", 64, 32, 3, true}, {"shapes", 64, 64, 3, false}};

// Four convolutions, each with a ReLU, three of them with pooling. A shape may be anywhere: the strongest answer of
// each unit of the last layer decides.
Value build_network(Graph& graph, Value x) {
  for (const LayerShape& l : kLayers) {
    const std::string name = l.name;
    const Value weight = parameter(graph, name + ".weight", {DType::f32, {l.out, l.in, l.kernel, l.kernel}});
    const Value bias = parameter(graph, name + ".bias", {DType::f32, {l.out}});
    x = conv(graph, x, weight, bias, {.pad = l.kernel / 2});
    graph.rename(x.node, name);
    x = relu(graph, x);
    graph.rename(x.node, name + ".relu");
    if (!l.pool) continue;
    x = max_pool(graph, x, {.kernel = {2, 2}, .stride = {2, 2}});
    graph.rename(x.node, name + ".pool");
  }
  x = max_pool(graph, x, {.kernel = {graph.shape(x)[2], graph.shape(x)[3]}});
  graph.rename(x.node, "anywhere");
  x = flatten(graph, x);
  graph.rename(x.node, "strongest");
  const Value weight = parameter(graph, "classes.weight", {DType::f32, {kClasses, graph.shape(x)[1]}});
  x = gemm(graph, x, weight, parameter(graph, "classes.bias", {DType::f32, {kClasses}}), {.trans_b = true});
  graph.rename(x.node, "scores");
  return x;
}

Model network() {
  Model model;
  const Value x = input(model.graph, "picture", {DType::f32, {1, 3, kShapesSide, kShapesSide}});
  model.graph.outputs = {{"scores", build_network(model.graph, x)}};
  Preprocess how = preset("signed", kShapesSide, kShapesSide);
  how.resize = "stretch";
  model.meaning.name = "drawn shapes";
  model.meaning.preprocess = how;
  model.meaning.preprocess_stated = true;
  model.meaning.input = "picture";
  model.meaning.scores = "scores";
  model.meaning.classes = DrawnShapes(1, kShapesSide, 0).classes();
  return model;
}

// AdamW in one cycle: momentum alone is stuck for some seeds in so few steps.
Recipe recipe_for(uint64_t seed) {
  Recipe recipe;
  recipe.epochs = 1;
  recipe.batch = kShapesBatch;
  recipe.seed = seed;
  recipe.optimiser = {.kind = "adamw", .weight_decay = 0.01};
  recipe.schedule.kind = "one_cycle";
  recipe.schedule.rate = 0.006;
  return recipe;
}

}  // namespace

TrainedShapes train_on_shapes(const Context& context, int64_t steps, uint64_t seed) {
  const auto backend = cpu_backend();
  const Recipe recipe = recipe_for(seed);
  Model start = network();
  start.weights = initial_weights(start.graph, seed, recipe.initialisation);
  const auto shapes = std::make_shared<DrawnShapes>(steps * kShapesBatch, kShapesSide, seed);
  Trainer trainer(std::move(start), recipe, shapes, *backend, {});
  double loss = -1;  // a running mean: single batches jump
  trainer.observe(
      {[&](const Trainer::Update& update) {
         loss = loss < 0 ? update.loss : 0.95 * loss + 0.05 * update.loss;
         context.report({"training on drawn shapes", update.step, trainer.steps(), fmt::format("loss {:.3f}", loss)});
       },
       {}});
  trainer.run(context);
  if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
  TrainedShapes result;
  result.model = trainer.model();
  FusedModels classifier(result.model, EngineOptions(), kShapesBatch);
  const DrawnShapes unseen(kTestCount, kShapesSide, Rng(seed).fork("test").key());
  const Evaluation evaluation = evaluate(context, unseen, classifier);
  result.errors = evaluation.errors, result.count = evaluation.count;
  return result;
}

}  // namespace fovea
