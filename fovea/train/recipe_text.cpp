#include "fovea/train/recipe_text.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "fovea/base/nearest.h"
#include "fovea/data/augmentation.h"
#include "fovea/formats/network_description.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/test_views.h"

namespace fovea {

namespace {

#define FIELD(member) [](Recipe& r) -> RecipeKey::Field { return &r.member; }

// All ways to train: the rules that are nodes of a step, and the one that is not.
std::vector<std::string> every_optimiser() {
  std::vector<std::string> kinds = optimiser_kinds();
  kinds.push_back("lbfgs");
  return kinds;
}

std::vector<RecipeKey> make_keys() {
  const double any = 1e300;
  return {
      {"", "epochs", "passes over the training set; a fraction ends inside one", FIELD(epochs), 0, 1e6},
      {"", "batch", "samples an update", FIELD(batch), 1, 1 << 24},
      {"", "micro_batches", "parts of a batch whose gradients are added up; divides `batch`", FIELD(micro_batches), 1,
       1 << 24},
      {"", "seed", "of weights, order, augmentation, dropout and dropped paths", FIELD(seed), 0, any},
      {"", "augment", "changes of training pictures: \"flip,crop:4\"", FIELD(augment)},
      {"", "preprocess", "a preset's name; \"set\": the training set's own mean and deviation; \"\": the model's",
       FIELD(preprocess)},
      {"", "average", "decay of the moving average of the weights, which is then evaluated and kept; 0: none",
       FIELD(average), 0, 1},
      {"", "evaluation",
       "views of a test picture whose scores are averaged: as it is, with its mirror image, and with both shifted by a "
       "pixel",
       FIELD(evaluation), 0, 0, test_view_names()},
      {"", "freeze", "patterns (* and ?) of layers and weights that are not trained", FIELD(freeze)},
      {"", "head_weight", "of each auxiliary classifier's loss", FIELD(head_weight), 0, 1e6},
      {"", "batch_norm_momentum", "share of a batch's statistics in the running ones", FIELD(batch_norm_momentum), 0,
       1},
      {"", "synchronised_batch_norm", "under mpirun: batch norms with the statistics of the whole batch",
       FIELD(synchronised_batch_norm)},
      {"", "bf16", "convolutions and matrix products in bf16, weights and updates in f32", FIELD(bf16)},
      {"", "evaluate_every", "epochs between evaluations", FIELD(evaluate_every), 0, 1e6},
      {"", "validation", "share of the training set kept for evaluation when there is no test set", FIELD(validation),
       0, 0.9},
      {"loss", "kind", "what is made small", FIELD(loss.kind), 0, 0, loss_kinds()},
      {"loss", "label_smoothing", "cross_entropy: share of the target spread over all classes",
       FIELD(loss.label_smoothing), 0, 1},
      {"loss", "margin", "hinges: by how much the right score has to lead", FIELD(loss.margin), 1e-12, 1e12},
      {"loss", "power", "hinges: 1, or 2 for squared violations", FIELD(loss.power), 1, 2},
      {"optimiser", "kind", "the rule that turns gradients into new weights", FIELD(optimiser.kind), 0, 0,
       every_optimiser()},
      {"optimiser", "momentum", "sgd, rmsprop", FIELD(optimiser.momentum), 0, 1},
      {"optimiser", "nesterov", "sgd: Nesterov's momentum", FIELD(optimiser.nesterov)},
      {"optimiser", "beta1", "adam, adamw: decay of the mean gradient", FIELD(optimiser.beta1), 0, 1},
      {"optimiser", "beta2", "adam, adamw: decay of the mean square", FIELD(optimiser.beta2), 0, 1},
      {"optimiser", "smoothing", "rmsprop: decay of the mean square", FIELD(optimiser.smoothing), 0, 1},
      {"optimiser", "epsilon", "added to the root", FIELD(optimiser.epsilon), 0, 1e6},
      {"optimiser", "weight_decay", "added to the gradient as decay · w; adamw: w shrinks by rate · decay",
       FIELD(optimiser.weight_decay), 0, 1e6},
      {"optimiser", "decay_all", "false: biases and scales of norms do not decay", FIELD(optimiser.decay_all)},
      {"optimiser", "bias_factor", "factor of the rate for biases, scales and shifts of norms",
       FIELD(optimiser.bias_factor), 1e-6, 1e6},
      {"optimiser", "clip_norm", "above 0: gradients are scaled down to this norm of all of them together",
       FIELD(optimiser.clip_norm), 0, any},
      {"schedule", "kind", "how the learning rate goes", FIELD(schedule.kind), 0, 0, schedule_kinds()},
      {"schedule", "rate", "the largest learning rate", FIELD(schedule.rate), 0, 1e6},
      {"schedule", "final", "cosine, linear: the rate at the end, as a share of `rate`", FIELD(schedule.final), 0, 1},
      {"schedule", "warm_up", "epochs in which the rate grows from 0", FIELD(schedule.warm_up), 0, 1e6},
      {"schedule", "steps", "multi_step: epochs at which the rate is multiplied by `factor`; step: one, its period",
       FIELD(schedule.steps), 0, 1e6},
      {"schedule", "factor", "of each step", FIELD(schedule.factor), 0, 1e6},
      {"schedule", "peak", "one_cycle: the share of the run in which the rate grows", FIELD(schedule.peak), 0, 1},
      {"schedule", "start", "one_cycle: the share of `rate` it begins with", FIELD(schedule.start), 0, 1},
      {"initialisation", "kind", "how weights are drawn", FIELD(initialisation.kind), 0, 0, initialisation_kinds()},
      {"initialisation", "fan", "what he and lecun divide by", FIELD(initialisation.fan), 0, 0, {"in", "out", "mean"}},
      {"initialisation", "gain", "factor of the deviation", FIELD(initialisation.gain), 1e-9, 1e9},
      {"initialisation",
       "residual_scale",
       "of the last scale of each residual branch",
       FIELD(initialisation.residual_scale),
       0,
       0,
       {"auto", "one", "zero", "depth"}},
      {"initialisation", "identity", "patterns (* and ?) of convolution weights that begin by passing maps on",
       FIELD(initialisation.identity)},
      {"initialisation", "whiten", "patterns of the weights of first layers that begin as filters which whiten patches",
       FIELD(initialisation.whiten)},
      {"lookahead", "every", "updates after which weights return to a slow copy of themselves; 0: never",
       FIELD(lookahead.every), 0, 1e6},
      {"lookahead", "decay", "share of the slow copy that stays then, at the end of the run", FIELD(lookahead.decay), 0,
       1},
      {"lookahead", "power", "that share grows as this power of the updates done; 0: it is always the same",
       FIELD(lookahead.power), 0, 100},
      {"drop_path",
       "kind",
       "FractalNet: how paths are dropped in training",
       FIELD(drop_path.kind),
       0,
       0,
       {"none", "local", "global", "mixed"}},
      {"drop_path", "rate", "local: the probability that an input of a join is dropped", FIELD(drop_path.rate), 0,
       0.99},
      {"stochastic_depth",
       "kind",
       "residual networks: the probability that a block survives a step",
       FIELD(stochastic_depth.kind),
       0,
       0,
       {"none", "linear", "uniform", "built"}},
      {"stochastic_depth", "last", "of the last block; uniform: of all", FIELD(stochastic_depth.last), 1e-6, 1},
  };
}

#undef FIELD

// Reads one key of a section into its field.
void read_key(TomlSection& s, const RecipeKey& key, Recipe& recipe) {
  const RecipeKey::Field field = key.field(recipe);
  if (auto* const* number = std::get_if<double*>(&field)) {
    **number = s.number(key.name, **number, key.least, key.most);
  } else if (auto* const* integer = std::get_if<int64_t*>(&field)) {
    **integer = s.integer(key.name, **integer, static_cast<int64_t>(key.least), static_cast<int64_t>(key.most));
  } else if (auto* const* seed = std::get_if<uint64_t*>(&field)) {
    // TOML's integers end at 2^63 − 1; larger ones are texts.
    const TomlValue* v = s.find(key.name);
    if (v && v->kind == TomlValue::Kind::text) {
      if (v->text.empty() || v->text.size() > 20 || v->text.find_first_not_of("0123456789") != std::string::npos ||
          (v->text.size() == 20 && v->text > "18446744073709551615"))
        s.wrong(key.name, "expected an integer from 0 to 18446744073709551615, got {}", v->described());
      **seed = std::stoull(v->text);
    } else {
      const int64_t value = s.integer(key.name, 0, 0, std::numeric_limits<int64_t>::max());
      if (v) **seed = static_cast<uint64_t>(value);
    }
  } else if (auto* const* flag = std::get_if<bool*>(&field)) {
    **flag = s.flag(key.name, **flag);
  } else if (auto* const* text = std::get_if<std::string*>(&field)) {
    **text = key.choices.empty() ? s.text(key.name, **text) : s.choice(key.name, **text, key.choices);
  } else if (auto* const* numbers = std::get_if<std::vector<double>*>(&field)) {
    if (s.has(key.name)) **numbers = s.numbers(key.name, key.least, key.most);
  } else if (s.has(key.name)) {
    *std::get<std::vector<std::string>*>(field) = s.texts(key.name);
  }
}

// A setting as TOML.
std::string value_text(const RecipeKey& key, const Recipe& recipe) {
  Recipe copy = recipe;
  const RecipeKey::Field field = key.field(copy);
  std::string list;
  if (auto* const* number = std::get_if<double*>(&field)) return toml_number(**number);
  if (auto* const* integer = std::get_if<int64_t*>(&field)) return fmt::format("{}", **integer);
  if (auto* const* seed = std::get_if<uint64_t*>(&field)) {
    const std::string digits = std::to_string(**seed);
    return **seed >> 63 ? toml_text(digits) : digits;
  }
  if (auto* const* flag = std::get_if<bool*>(&field)) return **flag ? "true" : "false";
  if (auto* const* text = std::get_if<std::string*>(&field)) return toml_text(**text);
  if (auto* const* numbers = std::get_if<std::vector<double>*>(&field)) {
    for (const double v : **numbers) list += (list.empty() ? "" : ", ") + toml_number(v);
  } else {
    for (const std::string& v : *std::get<std::vector<std::string>*>(field))
      list += (list.empty() ? "" : ", ") + toml_text(v);
  }
  return "[" + list + "]";
}

std::vector<std::string> section_names() {
  std::vector<std::string> names;
  for (const RecipeKey& key : recipe_keys())
    if (!key.section.empty() && (names.empty() || names.back() != key.section)) names.push_back(key.section);
  return names;
}

// Passes on what check_recipe finds as a fault of the file.
void check_file(const Recipe& recipe, const std::string& file) {
  try {
    check_recipe(recipe);
  } catch (const Error& e) { throw Error(ErrorKind::format, fmt::format("{}: {}", file, e.message())); }
}

}  // namespace

const std::vector<RecipeKey>& recipe_keys() {
  static const std::vector<RecipeKey> keys = make_keys();
  return keys;
}

const std::vector<std::string>& command_option_names() {
  static const std::vector<std::string> names = {"weights", "arch", "prototxt", "preprocess",  "labels", "mean",
                                                 "size",    "crop", "limit",    "skip-broken", "exact",  "backend"};
  return names;
}

RunDescription read_run_description(const Bytes& file, const Recipe& defaults) {
  const TomlValue root = read_toml(file);
  const std::string label = file.label().empty() ? "recipe" : file.label();
  RunDescription run;
  run.recipe = defaults;
  TomlSection top(root, label);
  run.model = top.text("model", "");
  run.data = top.text("data", "");
  run.test = top.text("test", "");
  for (const char* name : {"network", "layer", "block"}) top.find(name);
  if (const TomlValue* table = top.find("command")) {
    TomlSection s(*table, label, "[command]");
    for (const std::string& name : command_option_names())
      if (s.has(name)) run.command[name] = s.text(name, "");
    s.finish();
  }
  run.network = network_part(root);
  if (!run.model.empty() && !run.network.empty())
    top.wrong("model", "the file also describes a network of its own: expected one of both");
  for (const RecipeKey& key : recipe_keys())
    if (key.section.empty()) read_key(top, key, run.recipe);
  for (const std::string& section : section_names()) {
    const TomlValue* table = top.find(section);
    if (!table) continue;
    TomlSection s(*table, label, "[" + section + "]");
    for (const RecipeKey& key : recipe_keys())
      if (key.section == section) read_key(s, key, run.recipe);
    s.finish();
  }
  top.finish();
  for (const RecipeKey& key : recipe_keys()) {
    const TomlValue* table = key.section.empty() ? &root : root.find(key.section);
    if (table && table->find(key.name)) run.given.push_back(key.full());
  }
  check_file(run.recipe, label);
  return run;
}

Recipe read_recipe(std::string_view text, const std::string& file, const Recipe& defaults) {
  return read_run_description(Bytes::copy(text, file), defaults).recipe;
}

std::string write_recipe(const Recipe& recipe) {
  std::string text, section;
  for (const RecipeKey& key : recipe_keys()) {
    if (key.section != section) text += fmt::format("\n[{}]\n", section = key.section);
    text += fmt::format("{} = {}\n", key.name, value_text(key, recipe));
  }
  try {
    read_recipe(text, "recipe");
  } catch (const Error& e) { throw Error(ErrorKind::usage, fmt::format("cannot be written: {}", e.message())); }
  return text;
}

std::string write_run_description(const RunDescription& run) {
  std::string text;
  for (const auto& [name, value] :
       {std::pair<const char*, const std::string*>("model", &run.model), {"data", &run.data}, {"test", &run.test}})
    if (!value->empty()) text += fmt::format("{} = {}\n", name, toml_text(*value));
  text += write_recipe(run.recipe);
  if (!run.command.empty()) text += "\n[command]\n";
  for (const auto& [name, value] : run.command) text += fmt::format("{} = {}\n", name, toml_text(value));
  if (!run.network.empty()) text += "\n" + run.network;
  return text;
}

void set_recipe(Recipe& recipe, std::string_view assignment) {
  const size_t equals = assignment.find('=');
  require(equals != std::string_view::npos, ErrorKind::usage,
          "\"{}\": expected KEY=VALUE, for example optimiser.kind=adam", assignment);
  const auto trimmed = [](std::string_view text) {
    const size_t first = text.find_first_not_of(" \t"), last = text.find_last_not_of(" \t");
    return first == std::string_view::npos ? std::string() : std::string(text.substr(first, last - first + 1));
  };
  const std::string name = trimmed(assignment.substr(0, equals)), value = trimmed(assignment.substr(equals + 1));
  std::vector<std::string> names;
  const RecipeKey* key = nullptr;
  for (const RecipeKey& one : recipe_keys()) {
    names.push_back(one.full());
    if (names.back() == name) key = &one;
  }
  require(key, ErrorKind::usage, "there is no setting \"{}\"{}", name, did_you_mean(name, names));
  Recipe probe;
  const RecipeKey::Field field = key->field(probe);
  const bool text = std::holds_alternative<std::string*>(field);
  const bool texts = std::holds_alternative<std::vector<std::string>*>(field);
  const bool quoted = !value.empty() && (value[0] == '"' || value[0] == '\'' || (texts && value[0] == '['));
  const bool numbers = std::holds_alternative<std::vector<double>*>(field) && !value.starts_with("[");
  const std::string toml = (text || texts) && !quoted ? toml_text(value) : numbers ? "[" + value + "]" : value;
  try {
    TomlValue table = read_toml(Bytes::copy(fmt::format("{} = {}\n", key->name, toml), name));
    require(table.items.size() == 1, ErrorKind::format, "expected one value");
    table.line = table.items[0].line = 0;
    TomlSection s(table, "");
    Recipe changed = recipe;
    read_key(s, *key, changed);
    recipe = std::move(changed);
  } catch (const Error& e) { throw Error(ErrorKind::usage, fmt::format("\"{}\": {}", assignment, e.message())); }
}

namespace {

// L-BFGS needs one function that stays the same, and finds its own step lengths.
void check_lbfgs(const Recipe& recipe) {
  constexpr const char* kHint = "(--optimiser lbfgs sets all of a recipe that it needs)";
  require(recipe.augment.empty(), ErrorKind::usage, "augment: lbfgs takes pictures as they are, got \"{}\" {}",
          recipe.augment, kHint);
  require(recipe.average == 0, ErrorKind::usage, "average: lbfgs averages no weights, got {:g} {}", recipe.average,
          kHint);
  require(recipe.lookahead.every == 0, ErrorKind::usage, "lookahead.every: lbfgs has no slow weights, got {} {}",
          recipe.lookahead.every, kHint);
  require(recipe.schedule.kind == "constant" && recipe.schedule.warm_up == 0 && recipe.schedule.rate > 0,
          ErrorKind::usage, "schedule: lbfgs needs the kind \"constant\" without warm-up and a rate above 0 {}", kHint);
  require(recipe.optimiser.bias_factor == 1, ErrorKind::usage, "optimiser.bias_factor: lbfgs has one rate, got {:g} {}",
          recipe.optimiser.bias_factor, kHint);
  require(recipe.optimiser.clip_norm == 0, ErrorKind::usage, "optimiser.clip_norm: lbfgs clips nothing, got {:g} {}",
          recipe.optimiser.clip_norm, kHint);
}

}  // namespace

void check_recipe(const Recipe& recipe) {
  require(recipe.epochs > 0, ErrorKind::usage, "epochs: expected above 0, got {:g}", recipe.epochs);
  require(recipe.evaluate_every > 0, ErrorKind::usage, "evaluate_every: expected above 0, got {:g}",
          recipe.evaluate_every);
  require(recipe.average < 1, ErrorKind::usage, "average: expected below 1, got {:g}", recipe.average);
  require(recipe.batch % recipe.micro_batches == 0, ErrorKind::usage,
          "micro_batches: {} does not divide the batch of {}", recipe.micro_batches, recipe.batch);
  const ScheduleSettings& schedule = recipe.schedule;
  if (schedule.kind == "step")
    require(schedule.steps.size() == 1 && schedule.steps[0] > 0, ErrorKind::usage,
            "schedule.steps: the kind \"step\" needs one number, its period in epochs; got {}", schedule.steps.size());
  if (schedule.kind == "multi_step")
    require(!schedule.steps.empty() && std::is_sorted(schedule.steps.begin(), schedule.steps.end()), ErrorKind::usage,
            "schedule.steps: the kind \"multi_step\" needs epochs in ascending order");
  if (recipe.optimiser.kind == "lbfgs") check_lbfgs(recipe);
  try {
    parse_augmentations(recipe.augment);
  } catch (const Error& e) { throw e.within("augment"); }
  const std::vector<std::string>& presets = preset_names();
  const bool known = recipe.preprocess.empty() || recipe.preprocess == "set" ||
                     std::find(presets.begin(), presets.end(), recipe.preprocess) != presets.end();
  require(known, ErrorKind::usage, "preprocess: expected \"set\" or one of {}; got \"{}\"{}", fmt::join(presets, ", "),
          recipe.preprocess, did_you_mean(recipe.preprocess, presets));
}

Recipe with_optimiser(Recipe recipe, const std::string& kind) {
  const std::vector<std::string> kinds = every_optimiser();
  require(std::find(kinds.begin(), kinds.end(), kind) != kinds.end(), ErrorKind::usage,
          "unknown optimiser \"{}\"; known: {}{}", kind, fmt::join(kinds, ", "), did_you_mean(kind, kinds));
  const OptimiserSettings before = recipe.optimiser;
  if (kind == before.kind) return recipe;
  static const std::map<std::string, double> rates = {{"sgd", 0.05},      {"adam", 0.002},   {"adamw", 0.002},
                                                      {"rmsprop", 0.001}, {"adagrad", 0.01}, {"lbfgs", 1}};
  recipe.optimiser = {.kind = kind, .decay_all = before.decay_all, .clip_norm = before.clip_norm};
  recipe.schedule.rate = rates.at(kind);
  if (kind == "adamw") recipe.optimiser.weight_decay = 0.01;
  else if (before.kind != "adamw") recipe.optimiser.weight_decay = before.weight_decay;
  if (kind == "adagrad") recipe.optimiser.epsilon = 1e-10;
  if (kind != "lbfgs") return recipe;
  recipe.optimiser.clip_norm = 0;
  recipe.schedule = {.kind = "constant", .rate = 1};
  recipe.augment.clear();
  recipe.average = 0;
  recipe.lookahead.every = 0;
  return recipe;
}

Recipe with_epochs(Recipe recipe, double epochs) {
  require(epochs > 0, ErrorKind::usage, "epochs: expected above 0, got {:g}", epochs);
  const double share = epochs / recipe.epochs;
  recipe.epochs = epochs;
  recipe.schedule.warm_up *= share;
  for (double& step : recipe.schedule.steps) step *= share;
  return recipe;
}

std::string recipe_keys_table() {
  std::string table = "| key | default | meaning |\n|---|---|---|\n";
  for (const RecipeKey& key : recipe_keys()) {
    std::string help = key.help;
    if (!key.choices.empty()) help += fmt::format(": `{}`", fmt::join(key.choices, "` `"));
    else if (key.most > key.least && key.most < 1e5) help += fmt::format(" ({:g} to {:g})", key.least, key.most);
    table += fmt::format("| `{}` | `{}` | {} |\n", key.full(), value_text(key, Recipe{}), help);
  }
  return table;
}

}  // namespace fovea
