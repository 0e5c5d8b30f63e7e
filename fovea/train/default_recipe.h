// How a network is trained when nobody says: the recipe that it was published with, or a safe one.
#pragma once

#include <string>
#include <vector>

#include "fovea/model/model.h"
#include "fovea/train/recipe.h"

namespace fovea {

// What the training set is like.
struct TrainingSetSize {
  int64_t samples = 0;  // 0: unknown
  int64_t side = 0;     // the shorter side of its pictures in pixels; 0: unknown, or no pictures
};

struct DefaultRecipe {
  Recipe recipe;
  std::string source;  // the paper, and what differs from it
  std::string note;    // what a person should know; may be empty
};

// For the zoo's networks the published recipe (default_recipes()); for others SGD with Nesterov's momentum in one cycle
// when they normalise batches, else AdamW, with as many epochs as the set's size asks for. Trained weights
// (meaning.trained) are fine-tuned: a tenth of the rate and of the epochs, at least 3. Batches are never larger than
// the set.
DefaultRecipe default_recipe(const Model& model, const TrainingSetSize& set = {});

// The table of published recipes, first match first.
struct PublishedRecipe {
  std::string pattern;  // of the zoo's names, * for any letters: "resnet*_cifar"
  std::string source;
  std::string text;  // TOML, as train/recipe_text.h reads it
  std::string note;
};
const std::vector<PublishedRecipe>& default_recipes();
// Null when there is none for this architecture.
const PublishedRecipe* find_default_recipe(std::string_view architecture);

// The table as a page, for docs/default-recipes.md.
std::string default_recipes_page();

}  // namespace fovea
