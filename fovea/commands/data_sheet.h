// A set as one picture: its samples in rows, or the points of a table.
#pragma once

#include "fovea/data/augmentation.h"
#include "fovea/data/statistics.h"
#include "fovea/report/figure.h"

namespace fovea {

struct SheetOptions {
  int columns = 12;
  int rows = 0;  // at most; 0: as many as there are classes, at most 20
  int tile = 0;  // pixels; 0: as large as suits the pictures, 32 to 96
  std::vector<Augmentation> augmentations;
  uint64_t seed = 0;  // keys the augmentation
  bool skip_broken = false;
};

// Pictures: a row a class with its first samples, the name to the left. With augmentations: a row a sample (of as many
// classes as there are rows), first as it is, then as it is changed in one epoch after another.
Image picture_sheet(const Dataset& set, const SetStatistics& statistics, const SheetOptions& options);

// Rows of numbers: the first two features against each other; up to four features all pairs of them, with their
// distributions on the diagonal. Coloured by class. Throws Error{usage} for maps and rows of one number.
Image scatter_sheet(const Dataset& set, const SetStatistics& statistics, const SheetOptions& options);

}  // namespace fovea
