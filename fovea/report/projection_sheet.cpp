#include "fovea/report/projection_sheet.h"

#include <algorithm>

#include "fovea/image/draw.h"
#include "fovea/image/resize.h"
#include "fovea/report/figure.h"

namespace fovea {

namespace {

constexpr int kMargin = 20, kGap = 2, kBetween = 8, kLine = 18, kWidth = 1500;
constexpr int kSinglePixels = 16;  // so small pictures are enlarged by whole pixels, others smoothly

struct Blocks {
  int columns = 1, rows = 1;
  int width(int tile) const { return columns * (tile + kGap) + kGap; }
  int height(int tile) const { return rows * (tile + kGap) + kGap; }
};

Blocks blocks_of(const ProjectedLayer& layer) {
  size_t most = 1;
  for (const ProjectedUnit& unit : layer.units) most = std::max(most, unit.projections.size());
  const int columns = most == 1 ? 1 : 3;
  return {columns, (static_cast<int>(most) + columns - 1) / columns};
}

Image fitted(const Image& image, int tile) {
  const Image rgb = image.to_8bit().to_rgb();
  const int longest = std::max(rgb.width(), rgb.height());
  if (longest <= kSinglePixels) return rgb;
  return resize(rgb, std::max(1, rgb.width() * tile / longest), std::max(1, rgb.height() * tile / longest),
                Filter::bicubic);
}

Image block(const std::vector<Image>& images, int columns, int tile) {
  std::vector<Tile> tiles;
  for (const Image& image : images) tiles.push_back({fitted(image, tile), ""});
  return contact_sheet(tiles, columns, tile, kGap);
}

int per_row(const Blocks& blocks, int tile) {
  return std::max(1, (kWidth - kMargin) / (2 * blocks.width(tile) + kBetween + kMargin));
}

int layer_height(const ProjectedLayer& layer, int tile) {
  const Blocks blocks = blocks_of(layer);
  const int across = per_row(blocks, tile), rows = (static_cast<int>(layer.units.size()) + across - 1) / across;
  return kLine + 4 + rows * (blocks.height(tile) + kLine + 10) + 10;
}

void draw_layer(Image& canvas, const ProjectedLayer& layer, int y, int tile) {
  draw_text(canvas, kMargin, y, layer.title, paper::ink);
  y += kLine + 4;
  const Blocks blocks = blocks_of(layer);
  const int across = per_row(blocks, tile), wide = 2 * blocks.width(tile) + kBetween;
  for (size_t i = 0; i < layer.units.size(); ++i) {
    const ProjectedUnit& unit = layer.units[i];
    const int x = kMargin + static_cast<int>(i) % across * (wide + kMargin),
              top = y + static_cast<int>(i) / across * (blocks.height(tile) + kLine + 10);
    draw_image(canvas, block(unit.projections, blocks.columns, tile), x, top);
    draw_image(canvas, block(unit.patches, blocks.columns, tile), x + blocks.width(tile) + kBetween, top);
    draw_text(canvas, x + kGap, top + blocks.height(tile) + 3, shorten_text(unit.caption, wide), paper::faint);
  }
}

}  // namespace

Image projection_plate(const std::string& title, const std::vector<ProjectedLayer>& layers, int tile) {
  int height = kMargin + 2 * kLine + 8, width = 0;
  for (const ProjectedLayer& layer : layers) {
    height += layer_height(layer, tile);
    const Blocks blocks = blocks_of(layer);
    const int across = std::min(per_row(blocks, tile), static_cast<int>(std::max<size_t>(1, layer.units.size())));
    width = std::max(width, across * (2 * blocks.width(tile) + kBetween + kMargin) + kMargin);
    width = std::max(width, text_width(layer.title) + 2 * kMargin);
  }
  width = std::max({width, text_width(title, 2) + 2 * kMargin, 4 * kMargin});
  Image canvas = blank(width, height + kMargin);
  draw_text(canvas, kMargin, kMargin, title, paper::ink, 2);
  int y = kMargin + 2 * kLine + 8;
  for (const ProjectedLayer& layer : layers) {
    draw_layer(canvas, layer, y, tile);
    y += layer_height(layer, tile);
  }
  return canvas;
}

}  // namespace fovea
