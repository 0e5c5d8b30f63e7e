// What a model's file did not say, filled in by convention; every assumption is put into words.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

// What the user says about a model; it goes before what the file says.
struct MeaningOverrides {
  std::string preprocess;  // name of a preset, or "" for the file's own
  std::string labels;      // "imagenet", a file of names, or ""
  int64_t size = 0;        // side of the input; with crop in pixels: short side before the crop. 0: as the file says
  double crop = 0;  // above 1: side of the crop in pixels; 0..1: its share of the short side; 0: as preprocessing says
};

// Fills meaning.input, scores, probabilities, preprocess and classes where they are empty, applies the overrides and,
// where the input's size changes, respecialises the graph. Returns one sentence an assumption. Throws Error{usage} for
// overrides that do not fit.
std::vector<std::string> complete_meaning(Model& model, const MeaningOverrides& overrides = {});

// Types of the model's picture input and of its scores. Throw Error{usage} when it has none.
Value picture_input(const Model& model);
Value scores_output(const Model& model);
// The input that takes samples: the one for pictures, else the only one there is (rows of numbers). Throws
// Error{usage}.
Value data_input(const Model& model);

}  // namespace fovea
