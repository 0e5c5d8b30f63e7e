#include "fovea/commands/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "fovea/commands/training_run.h"
#include "fovea/data/fetched.h"
#include "fovea/data/open_dataset.h"
#include "fovea/data/split.h"
#include "fovea/formats/open.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/train/mpi_group.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList describe(TrainOptions& o) {
  const OptionList model = describe(o.model);
  Option network = model[0];
  network.required = false;
  return OptionList{
             network,
             {"DATA", "", "pictures to train on: a data set's name, its files or their folder, a folder of pictures",
              &o.data},
             {"--test", "DATA", "pictures to test on, where they are not a part of DATA", &o.test},
             {"-o,--output", "DIR", "folder of the run", &o.output},
             {"--resume", "", "go on with the run in that folder", &o.resume},
             {"--epochs", "N", "passes over the training set; 0: as the recipe says", &o.epochs, false, {}, 0, 1e6},
             {"--batch", "N", "pictures an update; 0: as the recipe says", &o.batch, false, {}, 0, 1 << 20},
             {"--rate", "X", "largest learning rate; 0: as the recipe says", &o.rate, false, {}, 0, 1e3},
             {"--optimiser", "NAME", "sgd, adam, adamw, rmsprop, adagrad", &o.optimiser},
             {"--augment", "LIST", "changes to the pictures, as \"flip,crop:4\" or \"none\"", &o.augment},
             {"--freeze", "PATTERN", "layers and weights that stay as they are, with * and ?", &o.freeze},
             {"--set", "KEY=VALUE", "any other setting of the recipe", &o.settings},
             {"--seed", "N", "of weights, order, augmentation and dropout", &o.seed, false, {}, -1, 9e15},
             {"--checkpoint-every",
              "N",
              "steps between checkpoints; 0: with every test, and every minute",
              &o.checkpoint_every,
              false,
              {},
              0,
              1e12},
             {"--synchronised-batch-norm", "", "under mpirun: batch norms with the statistics of the whole batch",
              &o.synchronised},
             {"--limit", "N", "only the first N pictures of each set; 0: all", &o.limit, false, {}, 0, 1e15},
             {"--skip-broken", "", "pictures that cannot be read are replaced, and left out of the test",
              &o.skip_broken}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

namespace {

std::shared_ptr<const Dataset> opened(const std::string& name, const std::string& split, int64_t limit) {
  std::error_code error;
  fs::path path = name;
  if (!fs::exists(path, error))
    if (const auto fetched = find_fetched(name)) path = *fetched;
  std::shared_ptr<const Dataset> set = open_dataset(path, {split});
  if (limit > 0 && limit < set->size()) set = std::make_shared<Subset>(slice(set, 0, limit));
  return set;
}

struct Sets {
  std::shared_ptr<const Dataset> train, test;
};

Sets sets_of(const Context& context, const TrainOptions& options, const Recipe& recipe) {
  Sets sets;
  sets.train = opened(options.data, "train", options.limit);
  if (!options.test.empty()) {
    sets.test = opened(options.test, "test", options.limit);
    return sets;
  }
  sets.test = opened(options.data, "test", options.limit);
  const bool same = sets.test->size() == sets.train->size() && sets.test->description() == sets.train->description();
  if (!same) return sets;
  const double share = recipe.validation > 0 ? recipe.validation : 0.1;
  std::vector<Subset> parts = stratified_split(sets.train, {1 - share, share}, recipe.seed);
  context.note(fmt::format("the data has no test set: {} of its {} pictures are kept for testing", parts[1].size(),
                           sets.train->size()));
  return {std::make_shared<Subset>(std::move(parts[0])), std::make_shared<Subset>(std::move(parts[1]))};
}

Model network(const Context& context, const TrainOptions& options, const Dataset& data, uint64_t seed) {
  OpenOptions how;
  std::error_code error;
  std::string name = options.model.model;
  if (!fs::exists(name, error) && find_architecture(name)) name = "zoo:" + name;
  how.weights = options.model.weights;
  how.architecture = options.model.architecture;
  how.prototxt = options.model.prototxt;
  how.seed = seed;
  if (name.starts_with("zoo:")) {
    how.zoo.classes = static_cast<int64_t>(data.classes().size());
    how.zoo.channels = data.get(0).image.channels();
    how.zoo.heads = true;
  }
  Model model = open_model(name, how);
  for (const std::string& note : complete_meaning(
           model, {options.model.preprocess, options.model.labels, options.model.size, options.model.crop}))
    context.note(note);
  if (model.meaning.classes.empty()) model.meaning.classes = data.classes();
  return model;
}

Recipe recipe_of(const TrainOptions& options) {
  Recipe recipe;
  recipe.schedule.kind = "one_cycle";
  recipe.schedule.rate = 0.05;
  recipe.epochs = 3;
  recipe.batch = 64;
  if (options.epochs > 0) recipe.epochs = options.epochs;
  if (options.batch > 0) recipe.batch = options.batch;
  if (options.rate > 0) recipe.schedule.rate = options.rate;
  if (!options.optimiser.empty()) recipe.optimiser.kind = options.optimiser;
  if (options.augment != "recipe") recipe.augment = options.augment;
  if (options.seed >= 0) recipe.seed = static_cast<uint64_t>(options.seed);
  recipe.freeze = options.freeze;
  recipe.synchronised_batch_norm = options.synchronised;
  return recipe;
}

}  // namespace

namespace {

TrainingTask task_of(const Context& context, const TrainOptions& options) {
  TrainingTask task;
  task.recipe = recipe_of(options);
  const Sets sets = sets_of(context, options, task.recipe);
  task.train = sets.train, task.test = sets.test;
  task.model = network(context, options, *sets.train, task.recipe.seed);
  task.engine = options.engine;
  task.broken = options.skip_broken ? Broken::replace : Broken::fatal;
  task.checkpoint_every = options.checkpoint_every;
  return task;
}

Report lead(const Context& context, const TrainOptions& options, Group* group) {
  require_writable_folder(options.output);
  RunFolder folder(options.output);
  require(options.resume || !folder.holds_run(), ErrorKind::usage,
          "{}: holds a run already; go on with it by --resume, or give another folder with -o", options.output);
  TrainingTask task = task_of(context, options);
  task.group = group;
  write_file(folder.recipe(), task.recipe_text);
  TrainingRun training(context, folder, std::move(task));
  training.run();
  return training.report();
}

// The steps of a rank that leaves messages, folder and tests to rank 0.
Report follow(Context context, const TrainOptions& options, Group& group) {
  context.log = {};
  context.progress = {};
  try {
    const TrainingTask task = task_of(context, options);
    const Engine engine(task.engine);
    CompileOptions compile_options = engine.compile_options;
    compile_options.group = &group;
    Trainer trainer(task.model, task.recipe, task.train, *engine.backend, compile_options, task.broken);
    trainer.share();
    trainer.run(context);
  } catch (const Error& error) {
    // What all ranks find (a wrong option) is said once: rank 0 ends first, and mpirun then ends this one.
    std::this_thread::sleep_for(std::chrono::seconds(2));
    throw error.within(fmt::format("rank {}", group.rank()));
  }
  Report report;
  report.set_json(nlohmann::ordered_json::object());
  report.silent = true;
  return report;
}

}  // namespace

Report run(const Context& context, const TrainOptions& options) {
  const std::unique_ptr<Group> group = launched_group();
  if (group->rank() > 0) return follow(context, options, *group);
  return lead(context, options, group->size() > 1 ? group.get() : nullptr);
}

Command train_command() {
  return make_command<TrainOptions>(
      "train", "train a network on labelled pictures",
      "Trains a network of the zoo, a network described in a TOML file, or goes on from a trained one (fine-tuning). "
      "The "
      "run's folder holds the recipe, the measurements, checkpoints, a report to look at, and at the end the network "
      "as "
      "final.onnx. Ctrl-C saves; --resume goes on to the same bits.",
      {{"fovea train lenet5 mnist", "LeNet-5 on MNIST, a minute or two"},
       {"fovea train resnet20_cifar cifar10 -o resnet20 --epochs 40", "a residual network on CIFAR-10"},
       {"mpirun -n 4 fovea train resnet20_cifar cifar10 -o resnet20", "the same on four processes or machines"},
       {"fovea train --resume -o resnet20", "go on after Ctrl-C, a crash or a power cut"}},
      run);
}

}  // namespace fovea
