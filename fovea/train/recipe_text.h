// Recipes as text (TOML), and single settings by name. The keys are documented in docs/recipes.md.
//
//   model = "zoo:resnet20_cifar"     [optimiser]              [schedule]
//   data = "cifar10"                 kind = "sgd"             kind = "one_cycle"
//   epochs = 40                      nesterov = true          rate = 0.4
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/train/recipe.h"

namespace fovea {

// One setting of a recipe: reading, checking, writing and documentation follow from these records.
struct RecipeKey {
  using Field =
      std::variant<double*, int64_t*, uint64_t*, bool*, std::string*, std::vector<double>*, std::vector<std::string>*>;
  std::string section;  // "optimiser"; empty for keys at the top
  std::string name;     // "momentum"
  std::string help;
  Field (*field)(Recipe& recipe);
  double least = 0, most = 1e300;         // of numbers, ends included
  std::vector<std::string> choices = {};  // of texts; empty: any
  std::string full() const { return section.empty() ? name : section + "." + name; }
};
const std::vector<RecipeKey>& recipe_keys();

// A whole training run as one file describes it.
struct RunDescription {
  std::string model;    // zoo:NAME or a file; empty: not said, or `network`
  std::string network;  // the [network], [[block]] and [[layer]] of the file as TOML; empty: not said
  std::string data;     // what it is trained on; empty: not said
  std::string test;     // what it is evaluated on; empty: the test part of `data`
  std::map<std::string, std::string> command;  // other options that a run was begun with, see command_option_names()
  Recipe recipe;
  std::vector<std::string> given;  // full names of the recipe's keys that the file sets
};

// Options of `fovea train` that are no settings of a recipe but decide what a run computes: how its network is read and
// its pictures are prepared. In run.toml they stand as texts under [command], so that --resume needs none of them
// again.
const std::vector<std::string>& command_option_names();

// Reads a recipe; what it does not say is as in `defaults`. Throws Error{format} naming file, line, key, what was
// expected and what is there, with the nearest known name. A network is only read by read_network_description.
RunDescription read_run_description(const Bytes& file, const Recipe& defaults = {});
// The same of the recipe alone. Keys that say model, data and test are allowed and passed over.
Recipe read_recipe(std::string_view text, const std::string& file, const Recipe& defaults = {});

// Text that reads back to equal bits, every setting in it. Throws Error{usage} for settings that read_recipe refuses.
std::string write_recipe(const Recipe& recipe);
std::string write_run_description(const RunDescription& run);

// Applies "optimiser.kind=adam" or "schedule.steps=82,123": the value is TOML, quotes and brackets may be left out.
// Throws Error{usage} for an unknown key, with the nearest one, and for a value out of range. Call check_recipe behind
// the last one.
void set_recipe(Recipe& recipe, std::string_view assignment);
// Throws Error{usage} where settings contradict each other or are out of range: batch and micro_batches, the schedule's
// steps, an augmentation that does not parse, an unknown preprocessing.
void check_recipe(const Recipe& recipe);

// The recipe with another optimiser: its usual rate and settings, since those of one ruin another. Decay and clipping
// stay where they mean the same; lbfgs takes away augmentation, averaging and the schedule. The recipe as it is where
// that is its optimiser already. Throws Error{usage} for an unknown kind.
Recipe with_optimiser(Recipe recipe, const std::string& kind);

// The recipe for another number of epochs: the schedule's steps and warm-up move in proportion.
Recipe with_epochs(Recipe recipe, double epochs);

// The keys as a table in Markdown, with their defaults, for docs/recipe-keys.md.
std::string recipe_keys_table();

}  // namespace fovea
