// What the layers answer to a picture, laid over it.
#pragma once

#include <string>
#include <vector>

#include "fovea/image/colour.h"
#include "fovea/image/image.h"
#include "fovea/insight/features.h"

namespace fovea {

// One layer's row on the sheet.
struct LayerMaps {
  Stage stage;
  std::vector<FeatureMap> maps;    // the strongest first; a layer of one position has maps of one value
  std::vector<std::string> names;  // of the maps, where each stands for a class
  std::string text;                // what is said of the layer, below its name
};

struct ActivationSheetOptions {
  ColourMap map = ColourMap::inferno;
  bool common = false;  // the brightest colour is the layer's greatest value, not each map's
  bool overlay = true;  // over the picture; false: the maps themselves, a square a value
  bool boxes = true;    // outline what the unit at the peak sees
  int tile = 0;         // pixels; 0: as suits
};

// A row a layer, a tile a map: the map's values from 0 (and below) to its peak, as colours over the picture, each value
// placed where its unit looks (the middle of its receptive field) and interpolated between; the box is what the unit at
// the peak sees. Below each tile the unit and its peak. The scale is stated on the sheet.
Image activation_sheet(const Image& picture, const std::vector<LayerMaps>& layers,
                       const ActivationSheetOptions& options = {});

// A map at each pixel's place: for each of width x height pixels the value of the units whose fields' middles surround
// it, bilinear, the outermost ones continued. Without a field (a layer that sees everything) the map is stretched over
// the picture.
std::vector<float> map_on_picture(const Stage& stage, const std::vector<float>& values, int width, int height);

}  // namespace fovea
