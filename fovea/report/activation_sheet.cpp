#include "fovea/report/activation_sheet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/image/draw.h"
#include "fovea/image/resize.h"
#include "fovea/report/caption.h"
#include "fovea/report/figure.h"
#include "fovea/report/heat.h"

namespace fovea {

namespace {

constexpr int kMargin = 16, kGap = 8, kLine = 14, kLabel = 168, kRowGap = 14;
constexpr Rgb kBox{0x4f, 0xd1, 0xff}, kHalo{0x10, 0x18, 0x28};

// A pixel's place among the positions of an axis.
struct Place {
  int64_t low = 0, high = 0;
  float share = 0;  // of high
};
std::vector<Place> places(const Stage& stage, size_t axis, int64_t count, int pixels) {
  std::vector<Place> result(static_cast<size_t>(pixels));
  const bool has_field = stage.field.size() > axis && !stage.field[axis].whole && stage.field[axis].stride > 0;
  const double stride = has_field ? stage.field[axis].stride : static_cast<double>(pixels) / static_cast<double>(count);
  const double first = has_field ? stage.field[axis].offset + stage.field[axis].size / 2 : stride / 2;
  for (int p = 0; p < pixels; ++p) {
    const double at = std::clamp((p + 0.5 - first) / stride, 0.0, static_cast<double>(count - 1));
    const auto low = static_cast<int64_t>(at);
    result[static_cast<size_t>(p)] = {low, std::min(low + 1, count - 1),
                                      static_cast<float>(at - static_cast<double>(low))};
  }
  return result;
}

struct Frame {
  int width = 0, height = 0;  // of a tile
  int zoom = 1;               // whole pixels a pixel of the picture; 0: the picture is reduced
  Image picture;              // at that size
};

Frame framed(const Image& picture, int tile) {
  Frame f;
  const int longest = std::max(picture.width(), picture.height());
  const Image rgb = picture.to_8bit().to_rgb();
  if (longest <= tile) {
    f.zoom = std::max(1, tile / longest);
    f.width = picture.width() * f.zoom, f.height = picture.height() * f.zoom;
    f.picture = blank(f.width, f.height);
    draw_image(f.picture, rgb, 0, 0, f.width, f.height);
    return f;
  }
  f.zoom = 0;
  f.width = std::max(1, picture.width() * tile / longest), f.height = std::max(1, picture.height() * tile / longest);
  f.picture = resize(rgb, f.width, f.height, Filter::lanczos);
  return f;
}

Image map_tile(const Image& picture, const Frame& frame, const LayerMaps& layer, const FeatureMap& map, float most,
               const ActivationSheetOptions& options) {
  std::vector<float> heat = map.values;
  for (float& v : heat) v = most > 0 && std::isfinite(v) ? std::clamp(v / most, 0.0f, 1.0f) : 0.0f;
  const auto maps_width = static_cast<int>(layer.stage.width), maps_height = static_cast<int>(layer.stage.height);
  Image tile;
  if (options.overlay) {
    // At the picture's own size, then as the picture is scaled.
    const std::vector<float> there = map_on_picture(layer.stage, heat, picture.width(), picture.height());
    const std::vector<float> scaled = resize_plane(there, picture.width(), picture.height(), frame.width, frame.height);
    tile = heat_over_grey(frame.picture, scaled, options.map);
  } else {
    const Image plain = apply_colour_map(heat, maps_width, maps_height, options.map, 0, 1);
    tile = blank(frame.width, frame.height);
    draw_image(tile, plain, 0, 0, frame.width, frame.height);
  }
  if (!options.boxes || !options.overlay) return tile;
  const double sy = static_cast<double>(frame.height) / picture.height(),
               sx = static_cast<double>(frame.width) / picture.width();
  const auto at = [](int64_t p, double s) { return static_cast<int>(std::lround(static_cast<double>(p) * s)); };
  const int x = at(map.seen_x.begin, sx), y = at(map.seen_y.begin, sy), width = at(map.seen_x.end, sx) - x,
            height = at(map.seen_y.end, sy) - y;
  const bool whole = width >= frame.width && height >= frame.height;
  if (whole || width < 1 || height < 1) return tile;
  draw_outline(tile, x - 1, y - 1, width + 2, height + 2, kHalo);
  draw_outline(tile, x, y, width, height, kBox);
  return tile;
}

// A layer without maps: a bar a unit.
void draw_bars(Image& canvas, const LayerMaps& layer, int x, int y, int width) {
  const float most = layer.maps.empty() ? 0 : std::max(0.0f, layer.maps[0].peak);
  for (size_t k = 0; k < layer.maps.size(); ++k, y += kLine + 2) {
    const FeatureMap& m = layer.maps[k];
    const std::string name =
        k < layer.names.size() ? fmt::format("{} {}", m.unit, layer.names[k]) : fmt::format("unit {}", m.unit);
    draw_text(canvas, x, y, shorten_text(name, 180), paper::ink);
    const int length =
        most > 0 ? std::max(0, static_cast<int>(std::lround(m.peak / most * static_cast<float>(width - 280)))) : 0;
    fill_rectangle(canvas, x + 190, y, std::max(1, length), kLine - 2, paper::bar);
    draw_text(canvas, x + 196 + length, y, short_value(m.peak), paper::faint);
  }
}

bool is_map(const LayerMaps& layer) { return layer.stage.height * layer.stage.width > 1; }

int row_height(const LayerMaps& layer, const Frame& frame) {
  const int text = (1 + static_cast<int>(std::count(layer.text.begin(), layer.text.end(), '\n')) + 1) * kLine;
  const int content = is_map(layer) ? frame.height + kLine : static_cast<int>(layer.maps.size()) * (kLine + 2);
  return std::max(text, content) + kRowGap;
}

}  // namespace

std::vector<float> map_on_picture(const Stage& stage, const std::vector<float>& values, int width, int height) {
  require(static_cast<int64_t>(values.size()) == stage.height * stage.width && !values.empty(), ErrorKind::internal,
          "a map of {} values for {} x {}", values.size(), stage.height, stage.width);
  const std::vector<Place> rows = places(stage, 0, stage.height, height),
                           columns = places(stage, 1, stage.width, width);
  std::vector<float> result(static_cast<size_t>(width) * static_cast<size_t>(height));
  for (size_t y = 0; y < rows.size(); ++y)
    for (size_t x = 0; x < columns.size(); ++x) {
      const Place &r = rows[y], &c = columns[x];
      const auto at = [&](int64_t i, int64_t j) { return values[static_cast<size_t>(i * stage.width + j)]; };
      const float top = at(r.low, c.low) + (at(r.low, c.high) - at(r.low, c.low)) * c.share;
      const float bottom = at(r.high, c.low) + (at(r.high, c.high) - at(r.high, c.low)) * c.share;
      result[y * columns.size() + x] = top + (bottom - top) * r.share;
    }
  return result;
}

Image activation_sheet(const Image& picture, const std::vector<LayerMaps>& layers,
                       const ActivationSheetOptions& options) {
  require(!layers.empty(), ErrorKind::usage, "there are no layers to show");
  size_t most = 1;
  for (const LayerMaps& layer : layers)
    if (is_map(layer)) most = std::max(most, layer.maps.size());
  const int tile = options.tile > 0 ? options.tile : most <= 8 ? 128 : 96;
  const Frame frame = framed(picture, tile);
  const int64_t width =
      2 * kMargin + kLabel + static_cast<int64_t>(std::max<size_t>(most, 3)) * (frame.width + kGap) - kGap;
  int64_t height = 2 * kMargin + frame.height + kRowGap + kLine;
  for (const LayerMaps& layer : layers) height += row_height(layer, frame);
  require_sheet_size(width, height, "show fewer maps or layers, or use a smaller --tile");
  Image canvas = blank(static_cast<int>(width), static_cast<int>(height));
  draw_image(canvas, frame.picture, kMargin + kLabel, kMargin);
  draw_text(canvas, kMargin, kMargin,
            wrapped_text(fmt::format("the picture, {} x {} pixels", picture.width(), picture.height()), kLabel - 12),
            paper::ink);
  const int right = kMargin + kLabel + frame.width + 2 * kGap;
  draw_colour_bar(canvas, right, kMargin, options.map, "0 or below",
                  options.common ? "the layer's peak" : "each map's peak");
  draw_text(canvas, right, kMargin + 22,
            wrapped_text(options.overlay
                             ? "colours fade into the grey picture towards 0; the box is what the unit at the peak sees"
                             : "the maps alone, a square a unit",
                         static_cast<int>(width) - right - kMargin),
            paper::faint);
  int y = kMargin + frame.height + kRowGap;
  for (const LayerMaps& layer : layers) {
    draw_text(canvas, kMargin, y, shorten_text(layer.stage.name, kLabel - 12), paper::ink);
    draw_text(canvas, kMargin, y + kLine + 2, layer.text, paper::faint);
    const float layer_peak = layer.maps.empty() ? 0 : layer.maps[0].peak;
    if (!is_map(layer)) draw_bars(canvas, layer, kMargin + kLabel, y, static_cast<int>(width) - 2 * kMargin - kLabel);
    for (size_t k = 0; k < layer.maps.size() && is_map(layer); ++k) {
      const FeatureMap& map = layer.maps[k];
      const int x = kMargin + kLabel + static_cast<int>(k) * (frame.width + kGap);
      draw_image(canvas, map_tile(picture, frame, layer, map, options.common ? layer_peak : map.peak, options), x, y);
      const std::string name = k < layer.names.size() ? " " + layer.names[k] : "";
      draw_text(canvas, x, y + frame.height + 3,
                shorten_text(fmt::format("{}{}: {}", map.unit, name, short_value(map.peak)), frame.width), paper::ink);
    }
    y += row_height(layer, frame);
  }
  return canvas;
}

}  // namespace fovea
