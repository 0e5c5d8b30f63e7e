#include "fovea/commands/training_task.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "fovea/base/nearest.h"
#include "fovea/data/first_sample.h"
#include "fovea/data/open_data.h"
#include "fovea/data/relabelled.h"
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
#include "fovea/train/recipe_text.h"
#include "fovea/train/run_model.h"
#include "fovea/train/whitening.h"

namespace fs = std::filesystem;

namespace fovea {

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

std::vector<std::string> zoo_names() {
  std::vector<std::string> names;
  for (const Architecture& a : architectures()) names.push_back(a.name);
  return names;
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
    require(there || asked.run.model != name || name.starts_with("zoo:") || is_builtin(name), ErrorKind::io,
            "{}: no such file, nor such a network in the zoo{}", name, did_you_mean(name, zoo_names()));
  }
  if (!options.data.empty()) asked.run.data = options.data;
  if (!options.test.empty()) asked.run.test = options.test;
  require(!asked.run.data.empty(), ErrorKind::usage, "no DATA is given: a set's name, file or folder");
  return asked;
}

// ---- options that run.toml keeps under [command] ---------------------------------------------------------------

std::map<std::string, std::string> command_of(const TrainOptions& o) {
  std::map<std::string, std::string> said;
  const auto keep = [&](const char* name, const std::string& value) {
    if (!value.empty()) said[name] = value;
  };
  keep("weights", o.model.weights);
  keep("arch", o.model.architecture);
  keep("prototxt", o.model.prototxt);
  keep("preprocess", o.model.preprocess);
  keep("labels", o.model.labels);
  keep("mean", o.model.mean);
  if (o.model.size > 0) said["size"] = fmt::format("{}", o.model.size);
  if (o.model.crop > 0) said["crop"] = fmt::format("{}", o.model.crop);
  if (o.limit > 0) said["limit"] = fmt::format("{}", o.limit);
  if (o.skip_broken) said["skip-broken"] = "yes";
  if (o.engine.exact) said["exact"] = "yes";
  if (o.engine.backend != EngineOptions().backend) said["backend"] = o.engine.backend;
  return said;
}

template <class T>
void take_number(const std::string& name, const std::string& text, T& to) {
  if (to > 0) return;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), to);
  require(error == std::errc() && end == text.data() + text.size() && to > 0, ErrorKind::format,
          "[command]: {} is \"{}\", expected a number above 0", name, text);
}

// Those that the command line does not say.
void take_command(const std::map<std::string, std::string>& said, TrainOptions& o) {
  for (const auto& entry : said) {
    const std::string &name = entry.first, &value = entry.second;
    const auto take = [&](std::string& to) {
      if (to.empty()) to = value;
    };
    if (name == "weights") take(o.model.weights);
    else if (name == "arch") take(o.model.architecture);
    else if (name == "prototxt") take(o.model.prototxt);
    else if (name == "preprocess") take(o.model.preprocess);
    else if (name == "labels") take(o.model.labels);
    else if (name == "mean") take(o.model.mean);
    else if (name == "size") take_number(name, value, o.model.size);
    else if (name == "crop") take_number(name, value, o.model.crop);
    else if (name == "limit") take_number(name, value, o.limit);
    else if (name == "skip-broken") o.skip_broken = true;
    else if (name == "exact") o.engine.exact = true;
    else if (name == "backend" && o.engine.backend == EngineOptions().backend) o.engine.backend = value;
  }
}

// A file's name without its folder: results do not depend on where things lie.
std::string bare(const std::string& name) {
  const size_t end = name.find_last_not_of('/');
  const size_t slash = name.find_last_of('/', end);
  return end == std::string::npos ? name : name.substr(slash == std::string::npos ? 0 : slash + 1, end - slash);
}

std::string text_without_folders(RunDescription run) {
  for (std::string* name : {&run.model, &run.data, &run.test}) *name = bare(*name);
  for (const char* name : {"weights", "prototxt", "labels", "mean"})
    if (const auto found = run.command.find(name); found != run.command.end()) found->second = bare(found->second);
  return write_run_description(run);
}

// ---- data ------------------------------------------------------------------------------------------------------

using Set = std::shared_ptr<const Dataset>;

struct Sets {
  Set train, test;
};

// What is needed of the recipe before the data and the network are there.
struct Early {
  uint64_t seed = 0;
  double validation = 0;
};

Early early_settings(const Recipe& before, const TrainOptions& options) {
  Recipe recipe = before;
  if (options.seed >= 0) recipe.seed = static_cast<uint64_t>(options.seed);
  if (options.validation > 0) recipe.validation = options.validation;
  for (const std::string& setting : options.settings) set_recipe(recipe, setting);
  return {recipe.seed, recipe.validation};
}

// Labels beyond the classes that are trained, found before anything is computed or written.
void require_labels(const Dataset& set, size_t count, std::string_view split) {
  const auto classes = static_cast<int64_t>(count);
  for (int64_t i = 0; classes > 0 && i < set.size(); ++i) {
    const int64_t label = set.label(i);
    require(label >= 0 && label < classes, ErrorKind::format,
            "the {} split, {}: its label is {}, and the set that is trained on has the classes 0 to {}", split,
            set.name(i), label, classes - 1);
  }
}

// A set to test on that numbers the same names in another way.
Set in_numbers_of(const Context& context, Set test, const Dataset& train) {
  if (test->classes() == train.classes()) return test;
  const auto labels = matching_classes(test->classes(), train.classes());
  if (!labels) return test;
  context.note("the classes of the test set are matched with those of the training set by their names");
  return std::make_shared<Relabelled>(std::move(test), *labels, train.classes());
}

Set opened(const std::string& name, const TrainOptions& options, const std::string& split) {
  Set set = open_data(name, {split, options.skip_broken});
  if (options.limit > 0 && options.limit < set->size()) set = std::make_shared<Subset>(slice(set, 0, options.limit));
  return set;
}

Sets sets_of(const Context& context, const RunDescription& run, const TrainOptions& options, const Early& early) {
  if (!run.test.empty()) return {opened(run.data, options, "train"), opened(run.test, options, "test")};
  if (has_splits(run.data)) return {opened(run.data, options, "train"), opened(run.data, options, "test")};
  const Set whole = opened(run.data, options, "train");
  const double share = early.validation > 0 ? early.validation : 0.1;
  std::vector<Subset> parts = stratified_split(whole, {1 - share, share}, early.seed);
  context.note(fmt::format("the data has no test set: {} of its {} samples are kept for testing", parts[1].size(),
                           whole->size()));
  return {std::make_shared<Subset>(std::move(parts[0])), std::make_shared<Subset>(std::move(parts[1]))};
}

Model opened_network(const Asked& asked, const ModelOptions& options, const Dataset& data, bool skip_broken,
                     uint64_t seed) {
  if (asked.file.empty() && is_run_folder(asked.run.model)) return model_of_run(asked.run.model).model;
  OpenOptions how;
  how.weights = options.weights, how.architecture = options.architecture, how.prototxt = options.prototxt;
  how.seed = seed;
  const std::string& name = asked.file.empty() ? asked.run.model : asked.file;
  if (name.starts_with("zoo:")) {
    how.zoo.heads = true;
    how.zoo.channels = first_sample(data, skip_broken).image.channels() == 1 ? 1 : 3;
  }
  const bool described = !asked.file.empty() || is_text_file(name);
  if (name.starts_with("zoo:") || described) how.zoo.classes = static_cast<int64_t>(data.classes().size());
  return open_model(name, how);
}

// The network with its meaning complete, and with the classes of the data.
Model network(const Context& context, const Asked& asked, const ModelOptions& options, const Dataset& data,
              bool skip_broken, uint64_t seed) {
  Model model = opened_network(asked, options, data, skip_broken, seed);
  for (const std::string& note :
       complete_meaning(model, {options.preprocess, options.labels, options.size, options.crop}))
    context.note(note);
  take_mean(context, model, options);
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
void measure_set(const Context& context, Model& model, const Recipe& recipe, const Dataset& train, bool skip_broken) {
  const bool rows = first_sample(train, skip_broken).has_values();
  if (!rows && recipe.preprocess.empty()) return;
  const Shape input = model.graph.shape(data_input(model));
  if (!rows && recipe.preprocess != "set") {
    Preprocess how = preset(recipe.preprocess, input[2], input[3]);
    model.meaning.preprocess = how;
    model.meaning.preprocess_stated = true;
    return;
  }
  const SetStatistics statistics = set_statistics(train, 10000, skip_broken);
  if (rows) return state_standardisation(model.meaning, standardisation(statistics));
  require(model.meaning.preprocess.has_value(), ErrorKind::usage, "{}: takes no pictures", model.meaning.name);
  model.meaning.preprocess = with_statistics(*model.meaning.preprocess, statistics);
  model.meaning.preprocess_stated = true;
  context.note(describe(*model.meaning.preprocess));
}

Recipe with_options(Recipe recipe, const TrainOptions& options) {
  if (options.epochs > 0) recipe = with_epochs(std::move(recipe), options.epochs);
  if (options.batch > 0) recipe.batch = options.batch;
  if (options.validation > 0) recipe.validation = options.validation;
  if (!options.optimiser.empty()) recipe = with_optimiser(std::move(recipe), options.optimiser);
  if (options.rate > 0) recipe.schedule.rate = options.rate;
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
  const Image first = first_sample(train, options.skip_broken).image;
  const DefaultRecipe suits = default_recipe(model, {train.size(), std::min<int64_t>(first.width(), first.height())});
  context.note(fmt::format("recipe: {}", suits.source));
  if (!suits.note.empty()) context.note(suits.note);
  return with_options(suits.recipe, options);
}

// The first line of each that the other has not, for a message.
std::string difference(const std::string& before, const std::string& now) {
  const auto own_line = [](const std::string& text, const std::string& other) -> std::string {
    std::set<std::string> known;
    std::istringstream lines(other), own(text);
    for (std::string line; std::getline(lines, line);) known.insert(line);
    for (std::string line; std::getline(own, line);)
      if (!known.contains(line) && !line.starts_with("[")) return "\"" + line + "\"";
    return "nothing of it";
  };
  return fmt::format("{} there, {} now", own_line(before, now), own_line(now, before));
}

// Settings of a run that is gone on with come from its folder; the command line may repeat them, not change them.
void check_same_run(const fs::path& folder, const std::string& before, const std::string& now) {
  require(before == now, ErrorKind::usage,
          "{}: the run was begun with other settings ({}); go on with `fovea train --resume -o {}` alone, or begin "
          "another run",
          folder.string(), difference(before, now), folder.string());
}

// The run of that folder with the settings that may change when it goes on: how long it is.
std::string begun_text(const fs::path& stored, const TrainOptions& options) {
  RunDescription before = read_run_description(Bytes::map(stored));
  if (options.epochs > 0) before.recipe = with_epochs(std::move(before.recipe), options.epochs);
  return write_run_description(before);
}

}  // namespace

void require_same_model(const TrainOptions& options) {
  if (options.model.model.empty()) return;
  TrainOptions asked = options;
  if (asked.data.empty()) asked.data = "data";
  const std::string now = asked_by(asked).run.model;
  const std::string before = read_run_description(Bytes::map(fs::path(options.output) / "run.toml")).model;
  require(before == now, ErrorKind::usage, "{}: holds a run of {}, not of {}; give another folder with -o",
          options.output, before.empty() ? "a network that a TOML file describes" : before,
          now.empty() ? "a network that a TOML file describes" : now);
}

TrainingTask training_task(const Context& context, TrainOptions options) {
  const fs::path stored = fs::path(options.output) / "run.toml";
  std::error_code error;
  const bool resumed = options.resume && fs::exists(stored, error);
  const bool alone = resumed && options.model.model.empty();  // the folder says everything
  Asked asked;
  if (alone) {
    asked.run = read_run_description(Bytes::map(stored));
    if (!asked.run.network.empty()) asked.file = stored.string();
  } else {
    asked = asked_by(options);
  }
  take_command(asked.run.command, options);
  asked.run.command = command_of(options);
  const Early early = early_settings(asked.run.recipe, options);
  Sets sets = sets_of(context, asked.run, options, early);
  require(sets.train->size() > 0, ErrorKind::usage, "{}: the train split holds no samples", asked.run.data);
  const size_t classes = sets.train->classes().size();
  require_labels(*sets.train, classes, "train");
  require_every_class(*sets.train, "train");
  sets.test = in_numbers_of(context, std::move(sets.test), *sets.train);
  require_labels(*sets.test, classes, "test");
  TrainingTask task;
  task.model = network(context, asked, options.model, *sets.train, options.skip_broken, early.seed);
  asked.run.recipe =
      alone ? with_options(asked.run.recipe, options) : recipe_of(context, asked, options, task.model, *sets.train);
  task.recipe = asked.run.recipe;
  if (!task.model.meaning.trained)
    task.model.weights = initial_weights(task.model.graph, task.recipe.seed, task.recipe.initialisation);
  measure_set(context, task.model, task.recipe, *sets.train, options.skip_broken);
  if (!task.model.meaning.trained)
    whiten_first_layers(task.model, task.recipe.initialisation, *sets.train, options.skip_broken);
  task.recipe_text = write_run_description(asked.run);
  if (resumed) check_same_run(options.output, begun_text(stored, options), task.recipe_text);
  task.metadata_text = text_without_folders(asked.run);
  task.data = bare(asked.run.data);
  task.train = std::move(sets.train), task.test = std::move(sets.test);
  task.engine = options.engine;
  task.broken = options.skip_broken ? Broken::replace : Broken::fatal;
  task.checkpoint_every = options.checkpoint_every;
  return task;
}

}  // namespace fovea
