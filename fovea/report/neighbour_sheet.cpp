#include "fovea/report/neighbour_sheet.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/image/draw.h"
#include "fovea/image/resize.h"
#include "fovea/report/figure.h"

namespace fovea {

namespace {

constexpr int kMargin = 22, kGap = 8, kLine = 14, kBar = 3, kTitle = 22;
constexpr int kBox = 72, kSmallBox = 64, kBetween = 26;  // a picture's box; the space between two queries
constexpr int64_t kMostPixels = int64_t{1} << 26;
constexpr Rgb kWrong{0xc9, 0x4f, 0x4b}, kUnknown{0xd4, 0xd8, 0xde}, kRule{0xe4, 0xe7, 0xeb};

struct Measures {
  int box = kBox, query = 0, row = 0, rows = 0, columns = 0;
  int row_width() const { return columns * (box + kGap) - kGap; }
  int panel_height() const { return std::max(rows * (row + kGap) - kGap, kTitle + query + 3 + 2 * kLine); }
  int left() const { return kMargin + query + 28; }
};

int longest(const Image& image) { return std::max(image.width(), image.height()); }

// Into a square box, centred at its bottom.
void place(Image& canvas, const Image& picture, int x, int y, int box) {
  const int side = longest(picture);
  if (side == 0) return;
  int width = picture.width() * box / side, height = picture.height() * box / side;
  if (side <= box) {
    const int factor = box / side;
    width = picture.width() * factor, height = picture.height() * factor;
    draw_image(canvas, picture, x + (box - width) / 2, y + (box - height) / 2, width, height);
    return;
  }
  width = std::max(1, width), height = std::max(1, height);
  draw_image(canvas, resize(picture.to_8bit(), width, height, Filter::lanczos), x + (box - width) / 2,
             y + (box - height) / 2);
}

Measures measure(const std::vector<NeighbourPanel>& panels) {
  Measures m;
  int largest = 1;
  for (const NeighbourPanel& panel : panels) {
    m.rows = std::max(m.rows, static_cast<int>(panel.rows.size()));
    for (const NeighbourRow& row : panel.rows) {
      m.columns = std::max(m.columns, static_cast<int>(row.pictures.size()));
      for (const NeighbourPicture& p : row.pictures) largest = std::max(largest, longest(p.picture));
    }
  }
  // Whole factors fill the box best: 28 → 56, 32 → 64.
  if (largest <= kSmallBox) m.box = std::max(56, largest * (kSmallBox / largest));
  m.row = kTitle + m.box + kBar + 3 + 2 * kLine;
  m.query = m.box * (m.rows > 1 ? 3 : 2);
  return m;
}

// A file's name without what follows its last dot and, where that is too wide, without its beginning:
// "n02066245_grey_whale.JPEG", "...grey_whale".
std::string shorten_file(std::string_view name, int max_width) {
  if (text_width(name) <= max_width) return std::string(name);
  if (const size_t dot = name.rfind('.'); dot != name.npos && dot > 0) name = name.substr(0, dot);
  if (text_width(name) <= max_width) return std::string(name);
  while (!name.empty()) {
    name.remove_prefix(1);
    while (!name.empty() && (static_cast<unsigned char>(name[0]) & 0xC0) == 0x80) name.remove_prefix(1);
    const std::string tried = "..." + std::string(name);
    if (text_width(tried) <= max_width) return tried;
  }
  return {};
}

void draw_row(Image& canvas, const NeighbourRow& row, const Measures& m, int x, int y) {
  draw_text(canvas, x, y, row.title, paper::ink);
  const int after = x + text_width(row.title) + 10;
  fill_rectangle(canvas, after, y + 5, std::max(0, x + m.row_width() - after), 1, kRule);
  y += kTitle;
  for (const NeighbourPicture& p : row.pictures) {
    place(canvas, p.picture, x, y, m.box);
    const Rgb bar = p.agrees == NeighbourPicture::Agrees::yes  ? paper::right
                    : p.agrees == NeighbourPicture::Agrees::no ? kWrong
                                                               : kUnknown;
    fill_rectangle(canvas, x, y + m.box + 2, m.box, kBar, bar);
    draw_text(canvas, x, y + m.box + kBar + 6,
              p.is_file ? shorten_file(p.caption, m.box) : shorten_text(p.caption, m.box), paper::ink);
    draw_text(canvas, x, y + m.box + kBar + 6 + kLine, shorten_text(p.detail, m.box), paper::faint);
    x += m.box + kGap;
  }
}

}  // namespace

Image neighbour_sheet(const std::string& heading, const std::vector<NeighbourPanel>& panels) {
  const Measures m = measure(panels);
  const int64_t width = std::max<int64_t>(int64_t{m.left()} + m.row_width() + kMargin, 360);
  const int64_t top = kMargin + kLine + 16, step = int64_t{m.panel_height()} + kBetween;
  const int64_t height = top + step * static_cast<int64_t>(panels.size()) - kBetween + kMargin;
  require(width * height <= kMostPixels && width < 30000 && height < 30000, ErrorKind::usage,
          "a sheet of {} queries with {} neighbours has {} x {} pixels; ask for fewer", panels.size(), m.columns, width,
          height);
  Image canvas = blank(static_cast<int>(width), static_cast<int>(height));
  draw_text(canvas, kMargin, kMargin, shorten_text(heading, static_cast<int>(width) - 2 * kMargin), paper::faint);
  int y = static_cast<int>(top);
  for (const NeighbourPanel& panel : panels) {
    draw_text(canvas, kMargin, y, "query", paper::ink);
    place(canvas, panel.query, kMargin, y + kTitle, m.query);
    draw_text(canvas, kMargin, y + kTitle + m.query + 6, shorten_text(panel.caption, m.query), paper::ink);
    draw_text(canvas, kMargin, y + kTitle + m.query + 6 + kLine, shorten_text(panel.detail, m.query), paper::faint);
    for (size_t r = 0; r < panel.rows.size(); ++r)
      draw_row(canvas, panel.rows[r], m, m.left(), y + static_cast<int>(r) * (m.row + kGap));
    y += static_cast<int>(step);
  }
  return canvas;
}

}  // namespace fovea
