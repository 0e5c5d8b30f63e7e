#include "fovea/commands/train.h"

#include <fmt/format.h>

#include <chrono>
#include <nlohmann/json.hpp>
#include <thread>

#include "fovea/commands/training_run.h"
#include "fovea/commands/training_task.h"
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
             {"--optimiser", "NAME", "sgd, adam, adamw, rmsprop, adagrad, or lbfgs for small sets, with its usual rate",
              &o.optimiser},
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
             {"--validation",
              "SHARE",
              "kept for testing where there is no test set; 0: as the recipe says, else a tenth",
              &o.validation,
              false,
              {},
              0,
              0.9},
             {"--limit", "N", "only the first N pictures of each set; 0: all", &o.limit, false, {}, 0, 1e15},
             {"--skip-broken", "", "pictures that cannot be read are replaced, and left out of the test",
              &o.skip_broken}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

namespace {

// What --resume says of a run that has nothing left to do.
Report finished_report(const RunFolder& folder) {
  Report report;
  report.files = {folder.final_model()};
  report.text = fmt::format("{}: the run is finished, there is nothing left to do\n", folder.path().string());
  report.set_json({{"folder", folder.path().string()}, {"finished", true}, {"files", {folder.final_model().string()}}});
  return report;
}

// The folder is made, or is to be gone on with, and all that the run needs has been opened and checked; a folder that
// does not hold a run is only touched once the rest is known to be right.
Report lead(const Context& context, const TrainOptions& options, Group* group) {
  require_writable_folder(options.output);
  const fs::path stored = fs::path(options.output) / "run.toml";
  std::error_code error;
  const bool begun = fs::exists(stored, error);
  require(options.resume || !begun, ErrorKind::usage,
          "{}: holds a run already; go on with it by --resume, or give another folder with -o", options.output);
  std::optional<RunFolder> folder;
  if (begun) writing([&] { folder.emplace(options.output); });
  if (begun && folder->finished()) {
    require_same_model(options);
    return finished_report(*folder);
  }
  TrainingTask task = training_task(context, options);
  task.group = group;
  if (!begun) writing([&] { folder.emplace(options.output); });
  require(begun || !folder->holds_run(), ErrorKind::usage, "{}: another process has begun a run here meanwhile",
          options.output);
  std::optional<TrainingRun> training;
  try {
    training.emplace(context, *folder, std::move(task));
    training->run();
    return training->report();
  } catch (const Error&) {
    // What fails before its first step leaves nothing.
    if (!begun && (!training || training->step() == 0)) folder->discard();
    throw;
  }
}

// The steps of a rank that leaves messages, folder and tests to rank 0.
Report follow(Context context, const TrainOptions& options, Group& group) {
  context.log = {};
  context.progress = {};
  try {
    TrainingTask task = training_task(context, options);
    task.group = &group;
    const Engine engine(task.engine);
    const auto trainer = trainer_for(context, task, engine, nullptr);
    trainer->share();
    trainer->run(context);
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
      "Trains a network of the zoo, a network described in a TOML file, or goes on from a trained one (fine-tuning): a "
      "model file, or the folder of an earlier run. Without other options the network is trained as its paper did, or "
      "in a safe way. The run's folder holds the recipe, the measurements, checkpoints, a report to look at, and at "
      "the "
      "end the network as final.onnx. Ctrl-C saves; --resume goes on to the same bits, also after kill -9.",
      {{"fovea train lenet5 mnist", "LeNet-5 on MNIST, a minute or two"},
       {"fovea train resnet20_cifar cifar10 -o resnet20 --epochs 40", "a residual network on CIFAR-10"},
       {"fovea train --resume -o resnet20", "go on after Ctrl-C, a crash or a power cut"},
       {"fovea train recipes/lenet5-modern.toml -o digits --seed 3", "network and recipe out of a file"},
       {"fovea train squeezenet1_1 pictures/ --freeze 'features.?.*' --freeze 'features.10.*' --epochs 10",
        "fine-tune to your own pictures, one folder a class: a new last layer, the first ones stay as they are"},
       {"fovea train my.toml builtin:iris --optimiser lbfgs --epochs 20 --validation 0.3",
        "a small table by L-BFGS, three flowers of ten kept for testing"},
       {"fovea train resnet20_cifar cifar10 --optimiser adamw --rate 0.001 --set schedule.kind=cosine",
        "another way to train; any setting by its name"},
       {"mpirun -n 4 fovea train resnet20_cifar cifar10 -o resnet20", "the same on four processes or machines"}},
      run);
}

}  // namespace fovea
