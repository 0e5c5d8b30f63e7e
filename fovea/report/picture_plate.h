// A plate of pictures made from a network: rows and columns of pictures with their captions, as in the papers.
#pragma once

#include <string>
#include <vector>

#include "fovea/image/image.h"

namespace fovea {

struct PlatePicture {
  Image image;                     // empty: the place stays free
  std::vector<std::string> lines;  // below it; the first in ink, the others faint
};

struct PlateRow {
  std::string label;  // to the left, where any row has one
  std::vector<PlatePicture> pictures;
};

struct Plate {
  std::string title, subtitle;       // above; may be empty
  std::vector<std::string> columns;  // above the columns; may be empty
  std::vector<PlateRow> rows;
  // The longest side of a picture on the plate. Small pictures are enlarged by whole pixels up to it, large ones
  // reduced.
  int tile = 160;
};

// Pictures in rows of `columns`, in their order.
std::vector<PlateRow> in_rows(std::vector<PlatePicture> pictures, int columns);
// As many columns as make a plate of `count` square pictures somewhat wider than high.
int plate_columns(int count);

// Throws Error{usage} for a plate without pictures and one that is too large to be drawn (2^26 pixels).
Image draw_plate(const Plate& plate);

}  // namespace fovea
