// Pictures cut, padded, flipped and turned; every function takes either depth and any channels, and moves samples only.
#pragma once

#include "fovea/image/image.h"

namespace fovea {

// Columns [x, x + width) and rows [y, y + height). Throws Error{usage} when that is not wholly inside the picture.
Image crop(const Image& image, int x, int y, int width, int height);

// Adds columns and rows of zeros (black; transparent where there is alpha). Throws Error{usage} for negative counts.
Image pad(const Image& image, int left, int top, int right, int bottom);

// The middle width x height pixels. Follows torchvision's CenterCrop: left = round((W - width) / 2) with halves to the
// even number, likewise top; a picture that is too small is first padded with zeros, the odd one to the right and
// bottom.
Image centre_crop(const Image& image, int width, int height);

// Mirrored left to right, and top to bottom.
Image flip_horizontal(const Image& image);
Image flip_vertical(const Image& image);

// Rows become columns.
Image transpose(const Image& image);

// Turns a stored picture upright. orientation: the value 1..8 of EXIF's tag 0x0112 (TIFF 6.0's Orientation): 1 as it
// is, 2 mirrored, 3 turned by 180 degrees, 4 mirrored top to bottom, 5 transposed, 6 to be turned clockwise,
// 7 transposed along the other diagonal, 8 to be turned anticlockwise. Other values change nothing.
Image orient(Image image, int orientation);

}  // namespace fovea
