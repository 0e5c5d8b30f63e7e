#include "fovea/commands/train.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <nlohmann/json.hpp>
#include <sstream>
#include <thread>

#include "fovea/commands/training_run.h"
#include "fovea/data/open_data.h"
#include "fovea/data/split.h"
#include "fovea/data/statistics.h"
#include "fovea/formats/builtin.h"
#include "fovea/formats/open.h"
#include "fovea/model/conventions.h"
#include "fovea/model/heads.h"
#include "fovea/model/initialise.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/train/default_recipe.h"
#include "fovea/train/mpi_group.h"
#include "fovea/train/recipe_text.h"

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

// A run as the command line and the files that it names describe it: MODEL, DATA, test, and the recipe's settings.
struct Asked {
  RunDescription run;
  std::string file;  // of the network, or of the recipe that holds one
};

bool is_text_file(const std::string& name) {
  std::error_code error;
  return fs::path(name).extension() == ".toml" && fs::is_regular_file(name, error);
}

Asked asked_by(const TrainOptions& options) {
  Asked asked;
  const std::string& name = options.model.model;
  require(!name.empty(), ErrorKind::usage, "no MODEL is given: a network of the zoo, a model file, or a TOML file");
  std::error_code error;
  if (is_text_file(name)) {
    asked.run = read_run_description(Bytes::map(name));
    if (!asked.run.network.empty()) asked.file = name;
    require(!asked.run.network.empty() || !asked.run.model.empty(), ErrorKind::usage,
            "{}: describes no network and names no model", name);
  } else {
    const bool there = fs::exists(name, error);
    asked.run.model = !there && find_architecture(name) ? "zoo:" + name : name;
    const std::string builtin = there || asked.run.model != name ? "" : perhaps_builtin(name);
    require(builtin.empty(), ErrorKind::usage, "{}: no such file, nor such a network in the zoo{}", name, builtin);
  }
  if (!options.data.empty()) asked.run.data = options.data;
  if (!options.test.empty()) asked.run.test = options.test;
  require(!asked.run.data.empty(), ErrorKind::usage, "no DATA is given: a set's name, file or folder");
  return asked;
}

using Set = std::shared_ptr<const Dataset>;

struct Sets {
  Set train, test;
};

Set opened(const std::string& name, const TrainOptions& options, const std::string& split) {
  Set set = open_data(name, {split, options.skip_broken});
  if (options.limit > 0 && options.limit < set->size()) set = std::make_shared<Subset>(slice(set, 0, options.limit));
  return set;
}

Sets sets_of(const Context& context, const RunDescription& run, const TrainOptions& options, uint64_t seed) {
  if (!run.test.empty()) return {opened(run.data, options, "train"), opened(run.test, options, "test")};
  if (has_splits(run.data)) return {opened(run.data, options, "train"), opened(run.data, options, "test")};
  const Set whole = opened(run.data, options, "train");
  const double share = run.recipe.validation > 0 ? run.recipe.validation : 0.1;
  std::vector<Subset> parts = stratified_split(whole, {1 - share, share}, seed);
  context.note(fmt::format("the data has no test set: {} of its {} samples are kept for testing", parts[1].size(),
                           whole->size()));
  return {std::make_shared<Subset>(std::move(parts[0])), std::make_shared<Subset>(std::move(parts[1]))};
}

Model opened_network(const Asked& asked, const ModelOptions& options, const Dataset& data, uint64_t seed) {
  OpenOptions how;
  how.weights = options.weights, how.architecture = options.architecture, how.prototxt = options.prototxt;
  how.seed = seed;
  const std::string& name = asked.file.empty() ? asked.run.model : asked.file;
  if (name.starts_with("zoo:")) {
    how.zoo.heads = true;
    const Sample first = data.get(0);
    how.zoo.channels = first.image.channels() == 1 ? 1 : 3;
  }
  const bool described = !asked.file.empty() || is_text_file(name);
  if (name.starts_with("zoo:") || described) how.zoo.classes = static_cast<int64_t>(data.classes().size());
  return open_model(name, how);
}

// The network with its meaning complete, and with the classes of the data.
Model network(const Context& context, const Asked& asked, const ModelOptions& options, const Dataset& data,
              uint64_t seed) {
  Model model = opened_network(asked, options, data, seed);
  for (const std::string& note :
       complete_meaning(model, {options.preprocess, options.labels, options.size, options.crop}))
    context.note(note);
  const auto classes = static_cast<int64_t>(data.classes().size());
  const Shape scores = model.graph.shape(scores_output(model));
  const int64_t own = scores.count() / std::max<int64_t>(scores[0], 1);
  if (classes > 0 && own != classes) {
    context.note(fmt::format("{} scores {} classes, the data has {}: it gets a new last layer", model.meaning.name, own,
                             classes));
    model = with_new_head(std::move(model), classes, data.classes(), seed);
  }
  if (!data.classes().empty()) model.meaning.classes = data.classes();
  return model;
}

// Pictures with the set's own mean and deviation, rows of numbers with theirs.
void measure_set(const Context& context, Model& model, const Recipe& recipe, const Dataset& train) {
  const bool rows = train.get(0).has_values();
  if (!rows && recipe.preprocess.empty()) return;
  const Shape input = model.graph.shape(data_input(model));
  if (!rows && recipe.preprocess != "set") {
    Preprocess how = preset(recipe.preprocess, input[2], input[3]);
    model.meaning.preprocess = how;
    model.meaning.preprocess_stated = true;
    return;
  }
  const SetStatistics statistics = set_statistics(train, 10000);
  if (rows) return state_standardisation(model.meaning, standardisation(statistics));
  require(model.meaning.preprocess.has_value(), ErrorKind::usage, "{}: takes no pictures", model.meaning.name);
  model.meaning.preprocess = with_statistics(*model.meaning.preprocess, statistics);
  model.meaning.preprocess_stated = true;
  context.note(describe(*model.meaning.preprocess));
}

Recipe with_options(Recipe recipe, const TrainOptions& options) {
  if (options.epochs > 0) recipe = with_epochs(std::move(recipe), options.epochs);
  if (options.batch > 0) recipe.batch = options.batch;
  if (options.rate > 0) recipe.schedule.rate = options.rate;
  if (!options.optimiser.empty()) recipe.optimiser.kind = options.optimiser;
  if (!options.augment.empty()) recipe.augment = options.augment == "none" ? "" : options.augment;
  if (options.seed >= 0) recipe.seed = static_cast<uint64_t>(options.seed);
  if (!options.freeze.empty()) recipe.freeze = options.freeze;
  if (options.synchronised) recipe.synchronised_batch_norm = true;
  if (options.engine.bf16) recipe.bf16 = true;
  for (const std::string& setting : options.settings) set_recipe(recipe, setting);
  check_recipe(recipe);
  return recipe;
}

// The recipe's settings: those of the file, or, where it says nothing of them, what suits the network and the data;
// with what the options say. The two are not mixed: a weight decay that suits one optimiser ruins another.
Recipe recipe_of(const Context& context, const Asked& asked, const TrainOptions& options, const Model& model,
                 const Dataset& train) {
  if (!asked.run.given.empty()) return with_options(asked.run.recipe, options);
  const Image first = train.get(0).image;
  const DefaultRecipe suits = default_recipe(model, {train.size(), std::min<int64_t>(first.width(), first.height())});
  context.note(fmt::format("recipe: {}", suits.source));
  if (!suits.note.empty()) context.note(suits.note);
  return with_options(suits.recipe, options);
}

// The first lines that differ, for a message.
std::string difference(const std::string& before, const std::string& now) {
  std::istringstream a(before), b(now);
  for (std::string x, y; std::getline(a, x) && std::getline(b, y);)
    if (x != y) return fmt::format("\"{}\" there, \"{}\" now", x, y);
  return "one of them says more";
}

// Settings of a run that is gone on with come from its folder; the command line may repeat them, not change them.
void check_same_run(const fs::path& folder, const std::string& before, const std::string& now) {
  require(before == now, ErrorKind::usage,
          "{}: the run was begun with other settings ({}); go on with `fovea train --resume -o {}` alone, or begin "
          "another run",
          folder.string(), difference(before, now), folder.string());
}

// The recipe as the finished network tells it to others: of files and folders their names alone.
std::string public_recipe(RunDescription run) {
  for (std::string* name : {&run.model, &run.data, &run.test})
    if (name->find("://") == name->npos && name->find('/') != name->npos) {
      const fs::path path = fs::path(*name).lexically_normal();
      *name = (path.has_filename() ? path : path.parent_path()).filename().string();
    }
  return write_run_description(run);
}

TrainingTask task_of(const Context& context, const TrainOptions& options) {
  const fs::path stored = fs::path(options.output) / "run.toml";
  std::error_code error;
  const bool resumed = options.resume && fs::exists(stored, error);
  Asked asked;
  if (resumed && options.model.model.empty()) {
    asked.run = read_run_description(Bytes::map(stored));
    if (!asked.run.network.empty()) asked.file = stored.string();
  } else {
    asked = asked_by(options);
  }
  const uint64_t seed = options.seed >= 0 ? static_cast<uint64_t>(options.seed) : asked.run.recipe.seed;
  Sets sets = sets_of(context, asked.run, options, seed);
  require_every_class(*sets.train, "train");
  TrainingTask task;
  task.model = network(context, asked, options.model, *sets.train, seed);
  asked.run.recipe = resumed && options.model.model.empty()
                         ? with_options(asked.run.recipe, options)
                         : recipe_of(context, asked, options, task.model, *sets.train);
  task.recipe = asked.run.recipe;
  if (!task.model.meaning.trained)
    task.model.weights = initial_weights(task.model.graph, task.recipe.seed, task.recipe.initialisation);
  measure_set(context, task.model, task.recipe, *sets.train);
  task.recipe_text = write_run_description(asked.run);
  task.public_recipe = public_recipe(asked.run);
  if (resumed) check_same_run(options.output, std::string(Bytes::map(stored).view()), task.recipe_text);
  task.train = std::move(sets.train), task.test = std::move(sets.test);
  task.engine = options.engine;
  task.broken = options.skip_broken ? Broken::replace : Broken::fatal;
  task.checkpoint_every = options.checkpoint_every;
  return task;
}

// What --resume says of a run that has nothing left to do.
Report finished_report(const RunFolder& folder) {
  Report report;
  report.files = {folder.final_model()};
  report.text = fmt::format("{}: the run is finished, there is nothing left to do\n", folder.path().string());
  report.set_json({{"folder", folder.path().string()}, {"finished", true}, {"files", {folder.final_model().string()}}});
  return report;
}

Report lead(const Context& context, const TrainOptions& options, Group* group) {
  require_writable_folder(options.output);
  RunFolder folder(options.output);
  require(options.resume || !folder.holds_run(), ErrorKind::usage,
          "{}: holds a run already; go on with it by --resume, or give another folder with -o", options.output);
  if (folder.finished()) return finished_report(folder);
  TrainingTask task = task_of(context, options);
  task.group = group;
  writing([&] { write_file(folder.recipe(), task.recipe_text); });
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
