#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/base/error.h"
#include "fovea/image/draw.h"
#include "fovea/image/resize.h"
#include "fovea/report/map_page.h"

namespace fovea {

namespace {

constexpr int64_t kMostPixels = int64_t{1} << 26;
constexpr int kMargin = 16;

struct Grid {
  int columns = 0, rows = 0;
  std::vector<int64_t> cell;  // [rows,columns]: the picture's number, −1: none
};

// Each cell shows the picture nearest to its middle.
Grid snapped(const MapView& view, int cells) {
  const auto [left, right] = std::minmax_element(view.x.begin(), view.x.end());
  const auto [bottom, top] = std::minmax_element(view.y.begin(), view.y.end());
  const double width = std::max(1e-6, static_cast<double>(*right) - *left),
               height = std::max(1e-6, static_cast<double>(*top) - *bottom);
  const double side = std::max(width, height) / std::max(1, cells - 1);
  Grid grid;
  grid.columns = static_cast<int>(std::lround(width / side)) + 1;
  grid.rows = static_cast<int>(std::lround(height / side)) + 1;
  grid.cell.assign(static_cast<size_t>(grid.columns) * static_cast<size_t>(grid.rows), -1);
  std::vector<double> best(grid.cell.size(), INFINITY);
  for (size_t i = 0; i < view.x.size(); ++i) {
    const double u = (view.x[i] - *left) / side, v = (*top - view.y[i]) / side;
    const auto column = std::min<int64_t>(std::llround(u), grid.columns - 1),
               row = std::min<int64_t>(std::llround(v), grid.rows - 1);
    const double distance = std::pow(u - static_cast<double>(column), 2) + std::pow(v - static_cast<double>(row), 2);
    const auto at = static_cast<size_t>(row * grid.columns + column);
    if (distance >= best[at]) continue;
    best[at] = distance;
    grid.cell[at] = static_cast<int64_t>(i);
  }
  return grid;
}

// Halves the rectangle along its longer side and the pictures by place along the same axis, in the ratio of the cells.
void halve(const MapView& view, std::vector<int64_t>::iterator begin, std::vector<int64_t>::iterator end, int column,
           int row, int columns, int rows, Grid& grid) {
  if (begin == end) return;
  if (columns == 1 && rows == 1) {
    grid.cell[static_cast<size_t>(row) * static_cast<size_t>(grid.columns) + static_cast<size_t>(column)] = *begin;
    return;
  }
  const bool across = columns >= rows;
  const int whole = across ? columns : rows, first = whole / 2;
  const int64_t cells_first = int64_t{first} * (across ? rows : columns);
  // As many as fit: when cells are left over, they stay empty at the right and the bottom.
  const int64_t count = end - begin, cells = int64_t{columns} * rows;
  const int64_t share = std::min(cells_first, std::max(count - (cells - cells_first), count * cells_first / cells));
  const auto middle = begin + share;
  std::nth_element(begin, middle, end, [&](int64_t a, int64_t b) {
    const float p = across ? view.x[static_cast<size_t>(a)] : -view.y[static_cast<size_t>(a)],
                q = across ? view.x[static_cast<size_t>(b)] : -view.y[static_cast<size_t>(b)];
    return p != q ? p < q : a < b;
  });
  if (across) {
    halve(view, begin, middle, column, row, first, rows, grid);
    halve(view, middle, end, column + first, row, columns - first, rows, grid);
  } else {
    halve(view, begin, middle, column, row, columns, first, grid);
    halve(view, middle, end, column, row + first, columns, rows - first, grid);
  }
}

Grid filled(const MapView& view) {
  const auto count = static_cast<int64_t>(view.x.size());
  Grid grid;
  grid.columns = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(count))));
  grid.rows = static_cast<int>((count + grid.columns - 1) / grid.columns);
  grid.cell.assign(static_cast<size_t>(grid.columns) * static_cast<size_t>(grid.rows), -1);
  std::vector<int64_t> all(view.x.size());
  std::iota(all.begin(), all.end(), int64_t{0});
  halve(view, all.begin(), all.end(), 0, 0, grid.columns, grid.rows, grid);
  return grid;
}

void draw_cell(Image& canvas, const Image& picture, int x, int y, int cell, const Rgb* frame) {
  const int border = frame ? std::max(1, cell / 16) : 0, side = cell - 2 * border;
  if (frame) fill_rectangle(canvas, x, y, cell, cell, *frame);
  const int longest = std::max(picture.width(), picture.height());
  const int width = std::max(1, picture.width() * side / longest),
            height = std::max(1, picture.height() * side / longest);
  draw_image(canvas, resize(picture.to_8bit(), width, height, Filter::lanczos), x + border + (side - width) / 2,
             y + border + (side - height) / 2);
}

}  // namespace

MapPlate map_plate(const MapView& view, GridWay way, int cells, int cell) {
  require(!view.picture.empty() && !view.x.empty(), ErrorKind::usage,
          "there are no thumbnails to make a plate of; make the codes again with `fovea features … --thumbnails 64`");
  const Grid grid = way == GridWay::snap ? snapped(view, cells) : filled(view);
  const int64_t width = int64_t{grid.columns} * cell + 2 * kMargin, height = int64_t{grid.rows} * cell + 2 * kMargin;
  require(width * height <= kMostPixels, ErrorKind::usage,
          "a plate of {} x {} cells of {} pixels is too large; take fewer (--cells) or smaller ones (--cell)",
          grid.columns, grid.rows, cell);
  const std::vector<Rgb> colours = map_colours(view);
  MapPlate plate{blank(static_cast<int>(width), static_cast<int>(height)), 0};
  for (int row = 0; row < grid.rows; ++row)
    for (int column = 0; column < grid.columns; ++column) {
      const int64_t i =
          grid.cell[static_cast<size_t>(row) * static_cast<size_t>(grid.columns) + static_cast<size_t>(column)];
      if (i < 0) continue;
      const int64_t label = view.label[static_cast<size_t>(i)];
      draw_cell(plate.image, view.picture[static_cast<size_t>(i)], kMargin + column * cell, kMargin + row * cell, cell,
                label >= 0 ? &colours[static_cast<size_t>(label)] : nullptr);
      ++plate.shown;
    }
  return plate;
}

}  // namespace fovea
