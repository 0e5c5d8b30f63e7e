// The pages of an atlas: one for the whole network, one a unit. Static files that need no connection and no server.
#pragma once

#include <string>
#include <vector>

#include "fovea/report/atlas_record.h"

namespace fovea {

struct Atlas {
  std::string title;                                       // the network's name
  std::string subtitle;                                    // what it is, and which pictures it was shown
  std::vector<std::pair<std::string, std::string>> facts;  // a number, and what it is
  std::vector<AtlasLayer> layers;                          // in the network's order
};

// Where a unit's page lies in the atlas's folder: "units/conv1/7.html".
std::string unit_path(const AtlasLayer& layer, int64_t unit);

// index.html. "#conv1:7" (also by the layer's own name) opens that unit's page.
std::string atlas_index_page(const Atlas& atlas);
// The page of the `unit`-th unit of a layer.
std::string atlas_unit_page(const Atlas& atlas, size_t layer, size_t unit);
// The style sheet that both name as atlas.css.
std::string atlas_style();

}  // namespace fovea
