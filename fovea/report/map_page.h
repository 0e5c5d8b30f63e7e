// The page of a map: pictures at their places in the plane, to zoom and to walk in; and the same as a plate.
#pragma once

#include <string>
#include <vector>

#include "fovea/image/colour.h"
#include "fovea/image/image.h"

namespace fovea {

// What is shown. All vectors are as long as x; `label` −1: unknown.
struct MapView {
  std::string title, subtitle;
  std::vector<std::pair<std::string, std::string>> facts;  // "KL divergence", "1.32"
  std::vector<std::pair<int64_t, double>> history;         // KL after so many iterations: a small curve; empty: none
  std::vector<float> x, y;
  std::vector<int64_t> label;
  std::vector<std::string> name;
  std::vector<std::string> classes;  // the name of each label
  std::vector<bool> placed;          // new points on a finished map; empty: none
  std::vector<Image> picture;        // empty: dots are drawn
};

// The colour of each class that occurs: the ten of figures, from the eleventh on hues a golden angle apart.
std::vector<Rgb> map_colours(const MapView& view);

// A self-contained page, nothing is asked of a network: one atlas of all pictures as a JPEG, drawn on a canvas.
std::string map_page(const MapView& view);

// How the plate gives pictures their cells.
enum class GridWay {
  snap,  // the cells of a grid over the map; each shows the picture whose place is nearest to its middle, others that
         // fall into it are hidden: the map's shape and its gaps stay
  fill,  // every picture gets a cell of a full rectangle: the set is halved along its longer side, by place, again and
         // again, so that neighbours stay neighbours and gaps close
};

struct MapPlate {
  Image image;
  int64_t shown = 0;
};

// `cells`: along the longer side (snap); a cell has `cell` pixels. A thin frame has the colour of the class where there
// are classes. Throws Error{usage} for a plate of more than 2^26 pixels and a view without pictures.
MapPlate map_plate(const MapView& view, GridWay way, int cells, int cell);

}  // namespace fovea
