#include "fovea/report/figure.h"

#include <fmt/format.h>
#include <algorithm>
#include <array>
#include <cmath>

#include "fovea/image/draw.h"
#include "fovea/image/resize.h"

namespace fovea {

Rgb class_colour(int64_t label) {
  constexpr std::array<Rgb, kClassColours> kColours = {{{0xe6, 0x7e, 0x22},
                                                        {0x2f, 0x6f, 0xb7},
                                                        {0x3d, 0x9a, 0x50},
                                                        {0xc0, 0x39, 0x4b},
                                                        {0x7d, 0x4f, 0xa3},
                                                        {0x8c, 0x64, 0x48},
                                                        {0xd9, 0x6c, 0xb3},
                                                        {0x6b, 0x72, 0x7d},
                                                        {0xa8, 0xa0, 0x22},
                                                        {0x22, 0xa5, 0xb0}}};
  return kColours[static_cast<uint64_t>(label) % kColours.size()];
}

namespace {

// Scaled by a whole factor when that enlarges it, else smoothly, to a square box at most; centred there.
void place(Image& canvas, const Image& image, int x, int y, int box) {
  const int longest = std::max(image.width(), image.height());
  if (longest == 0) return;
  int width, height;
  if (longest <= box) {
    const int factor = std::max(1, box / longest);
    width = image.width() * factor, height = image.height() * factor;
    draw_image(canvas, image, x + (box - width) / 2, y + (box - height) / 2, width, height);
    return;
  }
  width = std::max(1, image.width() * box / longest), height = std::max(1, image.height() * box / longest);
  draw_image(canvas, resize(image.to_8bit(), width, height, Filter::lanczos), x + (box - width) / 2,
             y + (box - height) / 2);
}

}  // namespace

Image contact_sheet(const std::vector<Tile>& tiles, int columns, int tile, int gap) {
  columns = std::max(1, std::min<int>(columns, static_cast<int>(tiles.size())));
  const int rows = (static_cast<int>(tiles.size()) + columns - 1) / columns;
  const bool captions = std::any_of(tiles.begin(), tiles.end(), [](const Tile& t) { return !t.caption.empty(); });
  const int cell = tile + (captions ? text_height("x") + 4 : 0);
  Image canvas = blank(columns * (tile + gap) + gap, std::max(1, rows) * (cell + gap) + gap);
  for (size_t i = 0; i < tiles.size(); ++i) {
    const int x = gap + static_cast<int>(i) % columns * (tile + gap),
              y = gap + static_cast<int>(i) / columns * (cell + gap);
    place(canvas, tiles[i].image, x, y, tile);
    if (!tiles[i].caption.empty()) draw_text(canvas, x, y + tile + 3, shorten_text(tiles[i].caption, tile), paper::ink);
  }
  return canvas;
}

Image image_grid(const std::vector<Image>& images, int columns, int scale, int gap, Rgb background) {
  if (images.empty()) return blank(1, 1, background);
  const int width = images[0].width() * scale, height = images[0].height() * scale;
  columns = std::max(1, std::min<int>(columns, static_cast<int>(images.size())));
  const int rows = (static_cast<int>(images.size()) + columns - 1) / columns;
  Image canvas = blank(columns * (width + gap) + gap, rows * (height + gap) + gap, background);
  for (size_t i = 0; i < images.size(); ++i)
    draw_image(canvas, images[i], gap + static_cast<int>(i) % columns * (width + gap),
               gap + static_cast<int>(i) / columns * (height + gap), width, height);
  return canvas;
}

Image guess_sheet(const std::vector<GuessPanel>& panels, int columns) {
  constexpr int kBox = 224, kMargin = 20, kLine = 24;
  size_t most = 0;
  for (const GuessPanel& p : panels) most = std::max(most, p.bars.size());
  columns = std::max(1, std::min<int>(columns, static_cast<int>(panels.size())));
  const int rows = (static_cast<int>(panels.size()) + columns - 1) / columns;
  const int width = kBox + kMargin, height = kBox + 26 + static_cast<int>(most) * kLine + kMargin + 8;
  Image canvas = blank(columns * width + kMargin, std::max(1, rows) * height + kMargin);
  for (size_t i = 0; i < panels.size(); ++i) {
    const GuessPanel& panel = panels[i];
    const int x = kMargin + static_cast<int>(i) % columns * width;
    int y = kMargin + static_cast<int>(i) / columns * height;
    place(canvas, panel.picture, x, y, kBox);
    y += kBox + 7;
    const std::string title = shorten_text(panel.title, kBox);
    draw_text(canvas, x + (kBox - text_width(title)) / 2, y, title, paper::ink);
    y += 19;
    for (const GuessBar& bar : panel.bars) {
      const double share = std::isfinite(bar.share) ? std::clamp(bar.share, 0.0, 1.0) : 0;
      fill_rectangle(canvas, x, y, kBox, kLine - 4, paper::track);
      fill_rectangle(canvas, x, y, std::max(1, static_cast<int>(std::lround(share * kBox))), kLine - 4,
                     bar.right ? paper::right : paper::bar);
      draw_text(canvas, x + 5, y + 4, shorten_text(bar.name, kBox - 50), paper::ink);
      const std::string number =
          share >= 0.0995 ? fmt::format("{:.0f} %", share * 100) : fmt::format("{:.1f} %", share * 100);
      draw_text(canvas, x + kBox - 5 - text_width(number), y + 4, number, paper::ink);
      y += kLine;
    }
  }
  return canvas;
}

}  // namespace fovea
