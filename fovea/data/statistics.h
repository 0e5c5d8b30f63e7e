// What a set's numbers are like: counts, sizes, mean and deviation; and how they make inputs of one scale.
#pragma once

#include <optional>

#include "fovea/data/augmentation.h"
#include "fovea/data/dataset.h"
#include "fovea/model/model.h"

namespace fovea {

// (value - mean) / deviation, one number a feature of rows [F] or a channel of maps [C,H,W]; both empty: as they are.
// What a training run measures on its training set, keeps, and writes into the networks that it makes.
struct Standardisation {
  std::vector<double> mean, deviation;
  bool operator==(const Standardisation&) const = default;
};

struct SetStatistics {
  bool pictures = true;                       // else rows of numbers
  int64_t count = 0;                          // samples that were measured
  std::vector<int64_t> shape;                 // of a row's values: [F] or [C,H,W]; empty for pictures
  int width[2] = {0, 0}, height[2] = {0, 0};  // least and greatest of the pictures
  bool grey = false;                          // all pictures have one channel
  // One a channel (red, green, blue; of values 0..1) or feature; the deviation divides by the number of values.
  std::vector<double> mean, deviation;
  std::vector<double> least, greatest;  // the same for the extremes
  ColourCovariance covariance{};        // of pictures: rr rg rb gg gb bb; each pixel counts the same
  std::vector<std::string> skipped;     // one message for each sample that could not be read
};

// Measures at most `limit` samples (0: all), every n-th where there are more. The same bits whatever the threads.
// Throws Error{usage} for an empty set and for one of rows of unlike shapes; what reading a sample throws, unless
// `skip_broken`; Error{format} when none can be read.
SetStatistics set_statistics(const Dataset& set, int64_t limit = 0, bool skip_broken = false);

// Of a table. A feature that does not vary has the deviation 1. Throws Error{usage} for pictures.
Standardisation standardisation(const SetStatistics& statistics);
// How pictures are prepared with the set's own mean and deviation instead of those that `how` states.
Preprocess with_statistics(Preprocess how, const SetStatistics& statistics);

// Throws Error{usage} when the values have another number of features or channels.
Tensor standardised(const Tensor& values, const Standardisation& how);

// In the metadata of a model, where a file keeps it. Reading: nothing when the model states none; throws Error{format}
// when what it states is damaged.
void state_standardisation(Meaning& meaning, const Standardisation& how);
std::optional<Standardisation> stated_standardisation(const Meaning& meaning);

// The classes of the set that have no samples, by number; reads every label. A set that names no classes has none.
std::vector<int64_t> missing_classes(const Dataset& set);
// Throws Error{usage} naming the classes without samples and `split`.
void require_every_class(const Dataset& set, std::string_view split);

}  // namespace fovea
