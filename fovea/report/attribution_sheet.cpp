#include "fovea/report/attribution_sheet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/counted.h"
#include "fovea/image/draw.h"
#include "fovea/image/resize.h"
#include "fovea/insight/projection.h"

namespace fovea {

namespace {

constexpr int kBox = 224, kMargin = 20, kInner = 6, kLine = 15, kCurve = 56;
constexpr Rgb kWarning{0xc2, 0x3b, 0x37}, kRandom{0xb9, 0xc0, 0xca};

struct Size {
  int width = 0, height = 0;
};

// The picture's size in a box: whole multiples when it is small.
Size boxed(const Image& picture) {
  const int longest = std::max({picture.width(), picture.height(), 1});
  if (longest <= kBox) {
    const int factor = std::max(1, kBox / longest);
    return {picture.width() * factor, picture.height() * factor};
  }
  return {std::max(1, picture.width() * kBox / longest), std::max(1, picture.height() * kBox / longest)};
}

void place(Image& canvas, const Image& image, int x, int y, Size size) {
  if (image.width() > size.width) draw_image(canvas, resize(image, size.width, size.height, Filter::lanczos), x, y);
  else draw_image(canvas, image, x, y, size.width, size.height);
}

std::vector<std::string> wrapped(std::string_view text, int width) {
  std::vector<std::string> lines;
  std::string line;
  while (!text.empty()) {
    const size_t end = std::min(text.find(' '), text.size());
    const std::string word(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
    if (!line.empty() && text_width(line + " " + word) > width) lines.push_back(std::exchange(line, ""));
    line += (line.empty() ? "" : " ") + word;
  }
  if (!line.empty()) lines.push_back(line);
  return lines;
}

bool fine(const AttributionMap& map) { return map.layer.empty(); }

// Averages over 4 x 4 pixels, at the map's own size again.
std::vector<float> softened(const AttributionMap& map) {
  const int width = static_cast<int>(map.width), height = static_cast<int>(map.height);
  const int small_width = std::max(1, width / 4), small_height = std::max(1, height / 4);
  if (std::min(width, height) < 64) return map.values;
  return resize_plane(resize_plane(map.values, width, height, small_width, small_height, Filter::box), small_width,
                      small_height, width, height);
}

void draw_curve(Image& canvas, int x, int y, int width, const std::vector<double>& curve, Rgb colour, float thick) {
  const auto at = [&](size_t i) {
    const double share = std::clamp(std::isfinite(curve[i]) ? curve[i] : 0.0, 0.0, 1.0);
    return std::pair(static_cast<float>(x) +
                         static_cast<float>(width - 1) * static_cast<float>(i) / static_cast<float>(curve.size() - 1),
                     static_cast<float>(y + kCurve - 2) - static_cast<float>(share) * (kCurve - 4));
  };
  for (size_t i = 0; i + 1 < curve.size(); ++i) {
    const auto [x0, y0] = at(i);
    const auto [x1, y1] = at(i + 1);
    draw_line(canvas, x0, y0, x1, y1, colour, thick);
  }
}

void draw_plot(Image& canvas, int x, int y, std::string_view name, const std::vector<double>& curve, double area,
               const std::vector<double>* other, double other_area) {
  fill_rectangle(canvas, x, y, kBox, kCurve, paper::track);
  if (other) draw_curve(canvas, x, y, kBox, *other, kRandom, 1.5f);
  draw_curve(canvas, x, y, kBox, curve, paper::bar, 2);
  std::string text = fmt::format("{} {:.3f}", name, area);
  if (other) text += fmt::format(" (random {:.3f})", other_area);
  draw_text(canvas, x + 4, y + kCurve + 3, text, paper::ink);
}

struct Line {
  std::string text;
  Rgb colour = paper::ink;
};

std::vector<Line> lines_of(const AttributionCell& cell) {
  std::vector<Line> lines;
  const int width = 2 * kBox + kInner;
  const auto add = [&](const std::string& text, Rgb colour) {
    for (std::string& line : wrapped(text, width)) lines.push_back({std::move(line), colour});
  };
  if (!cell.map.empty.empty()) add("empty: " + cell.map.empty, kWarning);
  if (!cell.note.empty()) add(cell.note, paper::faint);
  if (cell.sanity) {
    std::string layers, values;
    for (const RandomisedStage& stage : cell.sanity->stages) {
      layers += fmt::format("{}{}", layers.empty() ? "" : ", ", stage.layers);
      values += stage.empty ? " empty" : fmt::format(" {:.2f}", stage.correlation);
    }
    const std::string text = fmt::format("rank correlation with the last {} layers' weights random:{}", layers, values);
    add(text, paper::faint);
    if (cell.sanity->insensitive)
      add(fmt::format("still alike with {} random: much of it is the picture, not what was learned",
                      counted(cell.sanity->alike_layers, "layer")),
          kWarning);
  }
  return lines;
}

int cell_height(const AttributionCell& cell, int picture_height) {
  const int curves = cell.perturbation ? kCurve + kLine + 6 : 0;
  return kLine + 4 + picture_height + 6 + curves + static_cast<int>(lines_of(cell).size()) * kLine;
}

void draw_cell(Image& canvas, const AttributionSheet& sheet, const AttributionCell& cell, int x, int y, Size size) {
  draw_text(canvas, x, y, cell.title, paper::ink);
  y += kLine + 4;
  const int second = x + kBox + kInner;
  if (!cell.unavailable.empty()) {
    fill_rectangle(canvas, x, y, 2 * kBox + kInner, size.height, paper::track);
    int line_y = y + 10;
    for (const std::string& line : wrapped("not for this network: " + cell.unavailable, 2 * kBox + kInner - 20)) {
      draw_text(canvas, x + 10, line_y, line, paper::ink);
      line_y += kLine;
    }
    return;
  }
  if (cell.map.empty.empty()) {
    place(canvas, map_image(cell.map, sheet.preprocess), x, y, size);
    place(canvas, map_overlay(cell.map, sheet.picture), second, y, size);
  } else {
    fill_rectangle(canvas, x, y, size.width, size.height, paper::track);
    draw_text(canvas, x + 10, y + 10, "empty", kWarning);
    place(canvas, sheet.picture.to_grey().to_rgb(), second, y, size);
  }
  y += size.height + 6;
  if (cell.perturbation) {
    const Perturbation* random = sheet.random ? &*sheet.random : nullptr;
    draw_plot(canvas, x, y, "deletion", cell.perturbation->deletion, cell.perturbation->deletion_area,
              random ? &random->deletion : nullptr, random ? random->deletion_area : 0);
    draw_plot(canvas, second, y, "insertion", cell.perturbation->insertion, cell.perturbation->insertion_area,
              random ? &random->insertion : nullptr, random ? random->insertion_area : 0);
    y += kCurve + kLine + 6;
  }
  for (const Line& line : lines_of(cell)) {
    draw_text(canvas, x, y, line.text, line.colour);
    y += kLine;
  }
}

void draw_head(Image& canvas, const AttributionSheet& sheet, int y, Size size) {
  place(canvas, sheet.picture.to_rgb(), kMargin, y, size);
  const int x = kMargin + kBox + kInner + 10;
  draw_text(canvas, x, y, sheet.title, paper::ink, 2);
  y += 2 * kLine + 6;
  for (const std::string& text : sheet.lines)
    for (const std::string& line : wrapped(text, canvas.width() - x - kMargin)) {
      draw_text(canvas, x, y, line, paper::faint);
      y += kLine;
    }
  y += 6;
  for (const GuessBar& bar : sheet.guesses) {
    const double share = std::isfinite(bar.share) ? std::clamp(bar.share, 0.0, 1.0) : 0;
    constexpr int kWide = 420;
    fill_rectangle(canvas, x, y, kWide, 19, paper::track);
    fill_rectangle(canvas, x, y, std::max(1, static_cast<int>(std::lround(share * kWide))), 19,
                   bar.right ? paper::right : paper::bar);
    draw_text(canvas, x + 5, y + 4, shorten_text(bar.name, kWide - 60), paper::ink);
    const std::string number = fmt::format("{:.1f} %", share * 100);
    draw_text(canvas, x + kWide - 5 - text_width(number), y + 4, number, paper::ink);
    y += 22;
  }
}

}  // namespace

std::vector<float> shown_values(const AttributionMap& map) {
  std::vector<float> sizes;
  for (const float v : map.values) sizes.push_back(std::abs(v));
  std::vector<float> result = map.values;
  if (sizes.empty()) return result;
  const float greatest = *std::ranges::max_element(sizes);
  float most = greatest;
  if (fine(map)) {
    const auto at = sizes.begin() + static_cast<std::ptrdiff_t>(sizes.size() * 99 / 100);
    std::nth_element(sizes.begin(), at, sizes.end());
    if (*at > 0) most = *at;
  }
  for (float& v : result) {
    const float t = most > 0 ? std::clamp(v / most, -1.0f, 1.0f) : 0.0f;
    v = fine(map) && !map.is_signed ? std::sqrt(std::max(0.0f, t)) : t;
  }
  return result;
}

Image map_image(const AttributionMap& map, const Preprocess& how) {
  if (map.signal.count() > 0) return projection_image(map.signal, how, {0, map.height}, {0, map.width}).to_rgb();
  return apply_colour_map(shown_values(map), static_cast<int>(map.width), static_cast<int>(map.height),
                          map.is_signed ? ColourMap::diverging : ColourMap::magma, map.is_signed ? -1.0f : 0.0f, 1.0f);
}

Image map_overlay(const AttributionMap& map, const Image& picture) {
  AttributionMap soft = map;
  if (fine(map)) soft.values = softened(map);
  const std::vector<float> values = shown_values(soft);
  const int width = picture.width(), height = picture.height();
  const Image grey = picture.to_8bit().to_grey().to_rgb();
  if (!map.is_signed)
    return overlay_heat(grey, values, static_cast<int>(map.width), static_cast<int>(map.height), ColourMap::inferno,
                        0.85f, true);
  const std::vector<float> heat =
      resize_plane(values, static_cast<int>(map.width), static_cast<int>(map.height), width, height);
  Image result = grey;
  const auto samples = result.samples();
  for (size_t p = 0; p < heat.size(); ++p) {
    const float t = std::clamp(heat[p], -1.0f, 1.0f), a = 0.85f * std::abs(t);
    const Rgb colour = t > 0 ? Rgb{0xd6, 0x1f, 0x26} : Rgb{0x1f, 0x5f, 0xd6};
    const uint8_t parts[] = {colour.r, colour.g, colour.b};
    for (size_t c = 0; c < 3; ++c) {
      uint8_t& sample = samples[3 * p + c];
      sample =
          static_cast<uint8_t>(std::lround((1 - a) * static_cast<float>(sample) + a * static_cast<float>(parts[c])));
    }
  }
  return result;
}

Image draw_attribution_sheet(const AttributionSheet& sheet, int columns) {
  const Size size = boxed(sheet.picture);
  const auto count = static_cast<int>(sheet.cells.size());
  columns = std::clamp(columns, 1, std::max(1, count));
  const int cell = 2 * kBox + kInner, width = std::max(columns * (cell + kMargin) + kMargin, 3 * kBox + 2 * kMargin);
  const int head = std::max(size.height, 2 * kLine + 12 + static_cast<int>(sheet.lines.size()) * 2 * kLine +
                                             static_cast<int>(sheet.guesses.size()) * 22);
  std::vector<int> heights;
  for (int i = 0; i < count; i += columns) {
    int row = 0;
    for (int k = i; k < std::min(count, i + columns); ++k)
      row = std::max(row, cell_height(sheet.cells[static_cast<size_t>(k)], size.height));
    heights.push_back(row);
  }
  int height = kMargin + head + kMargin;
  for (const int row : heights) height += row + kMargin;
  Image canvas = blank(width, height);
  draw_head(canvas, sheet, kMargin, size);
  int y = kMargin + head + kMargin;
  for (int i = 0; i < count; ++i) {
    draw_cell(canvas, sheet, sheet.cells[static_cast<size_t>(i)], kMargin + i % columns * (cell + kMargin), y, size);
    if (i % columns == columns - 1) y += heights[static_cast<size_t>(i / columns)] + kMargin;
  }
  return canvas;
}

}  // namespace fovea
