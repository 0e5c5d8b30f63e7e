#include "fovea/report/picture_plate.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "fovea/base/error.h"
#include "fovea/image/draw.h"
#include "fovea/image/resize.h"
#include "fovea/report/figure.h"

namespace fovea {

namespace {

constexpr int kMargin = 18, kGap = 10, kLine = 15, kTitle = 2;
constexpr int64_t kMostPixels = int64_t{1} << 26;

struct Measures {
  int label = 0, columns = 0, lines = 0, head = 0;
  int width = 0, height = 0;
};

// The height of text lines below pictures.
int below(int lines) { return lines > 0 ? lines * kLine + 4 : 0; }

Image fitted(const Image& picture, int tile) {
  const int longest = std::max(picture.width(), picture.height());
  if (longest > tile) {
    const auto scaled = [&](int side) {
      return std::max(1, static_cast<int>(std::lround(1.0 * side * tile / longest)));
    };
    return resize(picture.to_8bit(), scaled(picture.width()), scaled(picture.height()), Filter::lanczos);
  }
  const int factor = tile / longest;
  if (factor == 1) return picture;
  return resize(picture.to_8bit(), picture.width() * factor, picture.height() * factor, Filter::nearest);
}

Measures measure(const Plate& plate) {
  Measures m;
  for (const PlateRow& row : plate.rows) {
    m.label = std::max(m.label, row.label.empty() ? 0 : text_width(row.label) + kGap);
    m.columns = std::max(m.columns, static_cast<int>(row.pictures.size()));
    for (const PlatePicture& p : row.pictures) m.lines = std::max(m.lines, static_cast<int>(p.lines.size()));
  }
  if (!plate.title.empty()) m.head += text_height(plate.title, kTitle) + 4;
  if (!plate.subtitle.empty()) m.head += kLine;
  if (m.head > 0) m.head += kGap;
  if (!plate.columns.empty()) m.head += kLine + 2;
  const int body = m.label + m.columns * (plate.tile + kGap) - kGap;
  m.width = 2 * kMargin + std::max({body, text_width(plate.title, kTitle),
                                    std::min(text_width(plate.subtitle), std::max(body, 640))});
  m.height = 2 * kMargin + m.head + static_cast<int>(plate.rows.size()) * (plate.tile + below(m.lines) + kGap) - kGap;
  return m;
}

void draw_picture(Image& canvas, const PlatePicture& picture, int x, int y, int tile) {
  if (picture.image.empty()) return;
  const Image shown = fitted(picture.image, tile);
  draw_image(canvas, shown, x + (tile - shown.width()) / 2, y + (tile - shown.height()) / 2);
  int at = y + tile + 4;
  for (size_t k = 0; k < picture.lines.size(); ++k, at += kLine)
    draw_text(canvas, x, at, shorten_text(picture.lines[k], tile), k == 0 ? paper::ink : paper::faint);
}

}  // namespace

std::vector<PlateRow> in_rows(std::vector<PlatePicture> pictures, int columns) {
  std::vector<PlateRow> rows;
  for (size_t i = 0; i < pictures.size(); ++i) {
    if (i % static_cast<size_t>(std::max(1, columns)) == 0) rows.emplace_back();
    rows.back().pictures.push_back(std::move(pictures[i]));
  }
  return rows;
}

int plate_columns(int count) {
  if (count <= 5) return std::max(1, count);
  // Of widths between a square and 2.6 times as wide as high, the one with the fewest empty places, then nearest
  // to 1.4.
  const auto wide = [&](double shape) { return static_cast<int>(std::lround(std::sqrt(shape * count))); };
  int best = wide(1.4);
  const auto cost = [&](int columns) {
    return std::pair((columns - count % columns) % columns, std::abs(columns - wide(1.4)));
  };
  for (int columns = wide(1); columns <= wide(2.6); ++columns)
    if (cost(columns) < cost(best)) best = columns;
  return best;
}

Image draw_plate(const Plate& plate) {
  const Measures m = measure(plate);
  require(m.columns > 0, ErrorKind::usage, "a plate without pictures");
  require(int64_t{m.width} * m.height <= kMostPixels, ErrorKind::usage,
          "a plate of {}x{} pixels is too large; show fewer pictures or smaller ones", m.width, m.height);
  Image canvas = blank(m.width, m.height);
  int y = kMargin;
  if (!plate.title.empty()) {
    draw_text(canvas, kMargin, y, plate.title, paper::ink, kTitle);
    y += text_height(plate.title, kTitle) + 4;
  }
  if (!plate.subtitle.empty())
    draw_text(canvas, kMargin, y, shorten_text(plate.subtitle, m.width - 2 * kMargin), paper::faint);
  y = kMargin + m.head;
  const auto column_x = [&](size_t k) { return kMargin + m.label + static_cast<int>(k) * (plate.tile + kGap); };
  for (size_t k = 0; k < plate.columns.size(); ++k)
    draw_text(canvas, column_x(k), y - kLine - 2, shorten_text(plate.columns[k], plate.tile), paper::ink);
  for (const PlateRow& row : plate.rows) {
    if (!row.label.empty()) draw_text(canvas, kMargin, y + plate.tile / 2 - kLine / 2, row.label, paper::ink);
    for (size_t k = 0; k < row.pictures.size(); ++k) draw_picture(canvas, row.pictures[k], column_x(k), y, plate.tile);
    y += plate.tile + below(m.lines) + kGap;
  }
  return canvas;
}

}  // namespace fovea
