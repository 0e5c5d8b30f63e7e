// The sheet of nearest neighbours: each query with a row of pictures for each way of comparing.
#pragma once

#include <string>
#include <vector>

#include "fovea/image/image.h"

namespace fovea {

struct NeighbourPicture {
  enum class Agrees { unknown, no, yes };
  Image picture;
  std::string caption;              // its class, or its name
  std::string detail;               // the distance
  Agrees agrees = Agrees::unknown;  // whether it has the query's class
  bool is_file = false;             // the caption is a file's name, whose end says more than its beginning
};

struct NeighbourRow {
  std::string title;  // "by features"
  std::vector<NeighbourPicture> pictures;
};

struct NeighbourPanel {
  Image query;
  std::string caption, detail;
  std::vector<NeighbourRow> rows;
};

// The query stands large on the left, its rows to the right, nearest first; a bar under a picture is green where the
// class agrees, red where not. Pictures are scaled by whole factors (nearest) where they are small, smoothly otherwise.
// Throws Error{usage} for a sheet of more than 2^26 pixels.
Image neighbour_sheet(const std::string& heading, const std::vector<NeighbourPanel>& panels);

}  // namespace fovea
