// The sheet of `fovea attribute`: the picture with its guesses, and for each method its map and the map on the picture.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/insight/attribution.h"
#include "fovea/insight/attribution_check.h"
#include "fovea/model/model.h"
#include "fovea/report/figure.h"

namespace fovea {

// One method on the sheet.
struct AttributionCell {
  std::string title;
  AttributionMap map;
  std::string unavailable;  // why there is no map; empty where there is one
  std::string note;         // a line under the map
  std::optional<SanityCheck> sanity;
  std::optional<Perturbation> perturbation;
};

struct AttributionSheet {
  Image picture;                   // as the network sees it
  Preprocess preprocess;           // of the network
  std::string title;               // "tabby (class 281), 53.1 %"
  std::vector<std::string> lines;  // what else is to be said at the top
  std::vector<GuessBar> guesses;
  std::vector<AttributionCell> cells;
  std::optional<Perturbation> random;  // of an order that knows nothing
};

// How a map is shown: values 0..1, or -1..1 where it is signed. Maps as large as the picture are divided by the
// magnitude that 99 of 100 values stay below, and cut off there; the unsigned ones then by their square root, which
// lifts what is faint. Maps of a layer are divided by their greatest value.
std::vector<float> shown_values(const AttributionMap& map);
// The map alone: magma, for signed ones blue (against) over white to red (for); guided back-propagation as colours
// around grey. One pixel a value.
Image map_image(const AttributionMap& map, const Preprocess& how);
// The map over the picture in grey; fine maps are averaged over 4 x 4 pixels first, or their dots would be lost.
Image map_overlay(const AttributionMap& map, const Image& picture);

Image draw_attribution_sheet(const AttributionSheet& sheet, int columns = 3);

}  // namespace fovea
