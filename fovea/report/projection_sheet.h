// The plates of `fovea deconv`: for each unit what reaches the pixels, beside the parts of pictures that it answered
// to.
#pragma once

#include <string>
#include <vector>

#include "fovea/image/image.h"

namespace fovea {

struct ProjectedUnit {
  std::string caption;             // "unit 12: 4.31"
  std::vector<Image> projections;  // strongest first
  std::vector<Image> patches;      // the same places of the pictures
};

struct ProjectedLayer {
  std::string title;  // "features.3, each unit sees 11x11 pixels"
  std::vector<ProjectedUnit> units;
};

// A unit is two blocks of three columns (one where it has a single projection), projections to the left, as in figure 2
// of Zeiler & Fergus, "Visualizing and understanding convolutional networks", ECCV 2014. `tile` is the side of one
// projection in pixels; small ones are enlarged by whole pixels, large ones reduced.
Image projection_plate(const std::string& title, const std::vector<ProjectedLayer>& layers, int tile);

}  // namespace fovea
