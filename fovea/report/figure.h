// Figures made of pictures: sheets of tiles with captions, and the classic "picture with five guesses".
#pragma once

#include <string>
#include <vector>

#include "fovea/image/colour.h"
#include "fovea/image/image.h"

namespace fovea {

// Colours of figures on white.
namespace paper {
inline constexpr Rgb ink{0x1f, 0x24, 0x30}, faint{0x8a, 0x91, 0x9e}, bar{0x6b, 0x9b, 0xd1}, right{0x4c, 0xa8, 0x6a},
    track{0xec, 0xef, 0xf3};
}

// Ten colours that stay apart in print and for most eyes, over and over: one for each class.
inline constexpr size_t kClassColours = 10;
Rgb class_colour(int64_t label);

struct Tile {
  Image image;
  std::string caption;
};

// Tiles in rows, each image scaled by whole pixels to `tile` pixels wide (nearest, so that single weights stay
// visible), the caption below.
Image contact_sheet(const std::vector<Tile>& tiles, int columns, int tile, int gap = 4);

// Images of one size side by side without captions: filters.
Image image_grid(const std::vector<Image>& images, int columns, int scale, int gap = 1, Rgb background = kWhite);

struct GuessBar {
  std::string name;
  double share = 0;    // 0..1
  bool right = false;  // the true class: drawn in another colour
};
struct GuessPanel {
  Image picture;
  std::string title;  // the true class or the file's name
  std::vector<GuessBar> bars;
};

// One panel a picture: the picture, its title, and a bar a guess, after figure 4 of Krizhevsky, Sutskever, Hinton,
// "ImageNet classification with deep convolutional neural networks", NIPS 2012.
Image guess_sheet(const std::vector<GuessPanel>& panels, int columns = 4);

}  // namespace fovea
