// Sheets of filters: the well-known plates of the first layer, and grids of the deeper ones.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/image/colour.h"
#include "fovea/image/image.h"
#include "fovea/insight/filter_bank.h"

namespace fovea {

enum class FilterScale {
  own,     // each filter from its least to its greatest weight, as cs231n's and most plates
  common,  // all filters from the least to the greatest weight of those shown, as Caffe's vis_square
  zero,    // each filter from −m to m, m its greatest magnitude: weights of 0 are the middle colour
};
// "own", "common", "zero". Throws Error{usage}.
FilterScale filter_scale(const std::string& name);

struct FilterPlateOptions {
  std::vector<int64_t> units;     // the filters shown, in this order
  std::vector<int64_t> channels;  // of deeper layers: the input channels shown, in this order
  FilterScale scale = FilterScale::own;
  ColourMap map = ColourMap::grey;  // for what is not coloured by its channels
  bool bgr = false;                 // the three channels are blue, green, red
  bool numbers = false;             // write each filter's number
  bool rows = false;       // a row a filter, a cell a channel; otherwise a patch a filter: needs colour or I = 1
  int columns = 0;         // patches a row; 0: as suits
  int zoom = 0, gap = -1;  // pixels a weight, pixels between patches; 0 and -1: as suits
};

struct FilterPlate {
  Image image;
  std::string scale;  // how the colours are to be read, a sentence
};

// Weights become whole squares of pixels (nearest), never blurred. Weights that are not finite are drawn in magenta.
// A patch a filter is the plate of figure 3 of A. Krizhevsky, I. Sutskever, G. Hinton, "ImageNet classification with
// deep convolutional neural networks", NIPS 2012. Throws Error{usage} for a unit or channel that is not there and for a
// sheet that is too large.
FilterPlate filter_plate(const FilterBank& bank, const FilterPlateOptions& options);

}  // namespace fovea
