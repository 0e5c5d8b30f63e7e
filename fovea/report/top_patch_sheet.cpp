#include "fovea/report/top_patch_sheet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "fovea/base/error.h"
#include "fovea/base/parallel_tasks.h"
#include "fovea/image/draw.h"
#include "fovea/image/geometry.h"
#include "fovea/image/resize.h"
#include "fovea/model/preprocess.h"
#include "fovea/report/caption.h"
#include "fovea/report/figure.h"

namespace fovea {

namespace {

constexpr int kMargin = 14, kGap = 2, kBlockGap = 10, kLine = 15, kSheetWidth = 1250;
constexpr Rgb kOutside{0xe4, 0xe6, 0xea};  // beyond the picture's edge
constexpr Rgb kSilent{0xb0, 0x4a, 0x3c};

struct Measures {
  int side = 1, down = 1;  // patches along a block's rows and columns
  int tile_width = 1, tile_height = 1;
  double scale = 1;  // sheet pixels a pixel of the network's input
  int columns = 1, rows = 1;
  int block_width() const { return side * (tile_width + kGap) - kGap; }
  int block_height() const { return down * (tile_height + kGap) - kGap; }
};

Measures measure(const TopPatches& found, const TopPatchSheetOptions& options) {
  Measures m;
  size_t most = 1;
  for (const UnitPatches& u : found.units) most = std::max(most, u.patches.size());
  m.side = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(most))));
  m.down = (static_cast<int>(most) + m.side - 1) / m.side;
  const auto longest = static_cast<double>(std::max<int64_t>(1, std::max(found.field_height, found.field_width)));
  const double wanted = options.tile > 0 ? options.tile : longest <= 48 ? 48 : 72;
  m.scale = longest <= wanted ? std::floor(wanted / longest) : wanted / longest;
  m.tile_width = std::max(1, static_cast<int>(std::lround(static_cast<double>(found.field_width) * m.scale)));
  m.tile_height = std::max(1, static_cast<int>(std::lround(static_cast<double>(found.field_height) * m.scale)));
  const auto count = static_cast<int>(found.units.size());
  m.columns = options.columns > 0 ? options.columns : (kSheetWidth - 2 * kMargin) / (m.block_width() + kBlockGap);
  m.columns = std::clamp(m.columns, 1, std::max(1, count));
  if (options.columns <= 0) {
    int full = m.columns;  // whole rows, where nearly as many columns give them
    while (full > 1 && count % full != 0) --full;
    const int rows = (count + m.columns - 1) / m.columns;
    m.columns = 3 * full >= 2 * m.columns ? full : (count + rows - 1) / rows;
  }
  m.rows = (count + m.columns - 1) / m.columns;
  return m;
}

// Where a cut-off patch begins in the box of a whole one.
int64_t begin_in(const Interval& seen, int64_t length, int64_t box) {
  const int64_t missing = box - (seen.end - seen.begin);
  if (missing <= 0 || (seen.begin > 0 && seen.end <= length)) return 0;
  return seen.end < length ? missing : missing / 2;  // cut off before, or on both sides
}

// A patch at the sheet's scale, on the grey of what is outside.
Image tile_of(const Image& picture, const TopPatch& patch, const TopPatches& found, const Measures& m) {
  const Image part = crop(picture, static_cast<int>(patch.columns.begin), static_cast<int>(patch.rows.begin),
                          static_cast<int>(patch.columns.end - patch.columns.begin),
                          static_cast<int>(patch.rows.end - patch.rows.begin))
                         .to_8bit();
  const auto scaled = [&](int64_t length) {
    return static_cast<int>(std::lround(static_cast<double>(length) * m.scale));
  };
  const int x = scaled(begin_in(patch.columns, picture.width(), found.field_width)),
            y = scaled(begin_in(patch.rows, picture.height(), found.field_height));
  Image tile = blank(m.tile_width, m.tile_height, kOutside);
  if (part.empty()) return tile;
  const int width = std::max(1, scaled(part.width())), height = std::max(1, scaled(part.height()));
  if (m.scale >= 1) draw_image(tile, part, x, y, width, height);
  else draw_image(tile, resize(part, width, height, Filter::lanczos), x, y);
  return tile;
}

struct Place {
  size_t unit, rank;
};

void draw_patches(Image& canvas, const TopPatches& found, const Dataset& data, const Preprocess& how, const Measures& m,
                  int line) {
  std::map<int64_t, std::vector<Place>> wanted;
  for (size_t u = 0; u < found.units.size(); ++u)
    for (size_t k = 0; k < found.units[u].patches.size(); ++k)
      wanted[found.units[u].patches[k].sample].push_back({u, k});
  std::vector<std::pair<int64_t, std::vector<Place>>> samples(wanted.begin(), wanted.end());
  parallel_tasks(static_cast<int64_t>(samples.size()), [&](int64_t i) {
    const auto& [sample, places] = samples[static_cast<size_t>(i)];
    const Image picture = fit_picture(data.get(sample).image, how);
    for (const Place& p : places) {  // no two tiles share a pixel, so threads may draw at once
      const auto u = static_cast<int>(p.unit), k = static_cast<int>(p.rank);
      const int x = kMargin + u % m.columns * (m.block_width() + kBlockGap) + k % m.side * (m.tile_width + kGap),
                y = kMargin + u / m.columns * (m.block_height() + line + kBlockGap) +
                    k / m.side * (m.tile_height + kGap);
      draw_image(canvas, tile_of(picture, found.units[p.unit].patches[p.rank], found, m), x, y);
    }
  });
}

}  // namespace

Image top_patch_sheet(const TopPatches& found, const Dataset& data, const Preprocess& how,
                      const TopPatchSheetOptions& options) {
  const Measures m = measure(found, options);
  const int line = options.plain ? 0 : kLine;
  const int64_t width = 2 * kMargin + int64_t{m.columns} * (m.block_width() + kBlockGap) - kBlockGap,
                height = 2 * kMargin + int64_t{m.rows} * (m.block_height() + line + kBlockGap) - kBlockGap;
  require_sheet_size(width, height, "show fewer units, fewer patches, or a smaller --tile");
  Image canvas = blank(static_cast<int>(width), static_cast<int>(height));
  draw_patches(canvas, found, data, how, m, line);
  for (size_t u = 0; u < found.units.size() && !options.plain; ++u) {
    const UnitPatches& unit = found.units[u];
    const int x = kMargin + static_cast<int>(u) % m.columns * (m.block_width() + kBlockGap),
              y = kMargin + static_cast<int>(u) / m.columns * (m.block_height() + line + kBlockGap) + m.block_height() +
                  3;
    const std::string number = fmt::format("{}", unit.unit);
    draw_text(canvas, x, y, number, paper::ink);
    const std::string peak = unit.active == 0       ? "never above 0"
                             : unit.patches.empty() ? "no value"
                                                    : short_value(unit.patches[0].score);
    const int left = text_width(number) + 6;
    draw_text(canvas, x + left, y, shorten_text(peak, m.block_width() - left),
              unit.active == 0 ? kSilent : paper::faint);
  }
  return canvas;
}

}  // namespace fovea
