#include "fovea/report/filter_plate.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/image/draw.h"
#include "fovea/report/caption.h"
#include "fovea/report/figure.h"

namespace fovea {

namespace {

constexpr int kMargin = 14, kLine = 14;
constexpr Rgb kLattice{0xb4, 0xb9, 0xc2};
constexpr Rgb kNotFinite{0xff, 0x00, 0xff};

// What becomes the first and the last colour.
struct Range {
  float low = 0, high = 0;
};

struct Shown {
  const FilterBank& bank;
  const FilterPlateOptions& options;
  int64_t channels() const { return bank.weight.size(1); }
  int64_t height() const { return bank.weight.size(2); }
  int64_t width() const { return bank.weight.size(3); }
  const float* plane(int64_t unit, int64_t channel) const {
    return bank.weight.data<float>().data() + (unit * channels() + channel) * height() * width();
  }
  // Channels that a patch or a row shows.
  std::vector<int64_t> seen() const {
    if (options.rows) return options.channels;
    std::vector<int64_t> all(static_cast<size_t>(channels()));
    for (size_t c = 0; c < all.size(); ++c) all[c] = static_cast<int64_t>(c);
    return all;
  }
};

void widen(Range& range, const Shown& s, int64_t unit, const std::vector<int64_t>& channels) {
  for (const int64_t c : channels)
    for (int64_t p = 0; p < s.height() * s.width(); ++p)
      if (const float w = s.plane(unit, c)[p]; std::isfinite(w))
        range = {std::min(range.low, w), std::max(range.high, w)};
}

Range range_of(const Shown& s, const std::vector<int64_t>& units) {
  Range range{INFINITY, -INFINITY};
  for (const int64_t unit : units) widen(range, s, unit, s.seen());
  if (!(range.low <= range.high)) return {0, 0};
  if (s.options.scale == FilterScale::zero) {
    const float most = std::max(std::abs(range.low), std::abs(range.high));
    return {-most, most};
  }
  return range;
}

float share(float w, const Range& range) {
  return range.high > range.low ? (w - range.low) / (range.high - range.low) : 0.5f;
}

uint8_t level(float t) { return static_cast<uint8_t>(std::lround(std::clamp(t, 0.0f, 1.0f) * 255)); }

// One channel through the colour map.
Image cell_image(const Shown& s, int64_t unit, int64_t channel, const Range& range) {
  Image image(static_cast<int>(s.width()), static_cast<int>(s.height()), 3);
  const float* w = s.plane(unit, channel);
  for (int64_t p = 0; p < s.height() * s.width(); ++p) {
    const Rgb c = std::isfinite(w[p]) ? colour_at(s.options.map, share(w[p], range)) : kNotFinite;
    image.samples()[static_cast<size_t>(p * 3)] = c.r;
    image.samples()[static_cast<size_t>(p * 3 + 1)] = c.g;
    image.samples()[static_cast<size_t>(p * 3 + 2)] = c.b;
  }
  return image;
}

// Three channels as red, green and blue.
Image colour_image(const Shown& s, int64_t unit, const Range& range) {
  Image image(static_cast<int>(s.width()), static_cast<int>(s.height()), 3);
  auto to = image.samples();
  for (int64_t p = 0; p < s.height() * s.width(); ++p) {
    bool finite = true;
    for (int64_t c = 0; c < 3; ++c) {
      const float w = s.plane(unit, c)[p];
      finite = finite && std::isfinite(w);
      to[static_cast<size_t>(p * 3 + (s.options.bgr ? 2 - c : c))] = std::isfinite(w) ? level(share(w, range)) : 0;
    }
    if (!finite)
      to[static_cast<size_t>(p * 3)] = 255, to[static_cast<size_t>(p * 3 + 1)] = 0,
                                 to[static_cast<size_t>(p * 3 + 2)] = 255;
  }
  return image;
}

// Columns that leave no hole at the end where a nearly square sheet allows it.
int columns_for(int64_t count) {
  const int root = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(count))));
  for (int c = root; c <= root * 8 / 5; ++c)
    if (count % c == 0) return c;
  return root;
}

Image patches(const Shown& s, const Range& common) {
  const FilterPlateOptions& o = s.options;
  const auto count = static_cast<int64_t>(o.units.size());
  const int columns = o.columns > 0 ? static_cast<int>(std::min<int64_t>(o.columns, count)) : columns_for(count);
  const int rows = static_cast<int>((count + columns - 1) / columns);
  const auto longest = static_cast<int>(std::max(s.height(), s.width()));
  const int target = std::clamp(640 / columns, 24, 96);
  const int zoom = o.zoom > 0 ? o.zoom : std::max(1, (target + longest / 2) / longest);
  const int gap = o.gap >= 0 ? o.gap : std::clamp(longest * zoom / 20, 2, 5);
  const int width = static_cast<int>(s.width()) * zoom, height = static_cast<int>(s.height()) * zoom,
            cell = height + (o.numbers ? kLine : 0);
  const int64_t all_width = 2 * kMargin + int64_t{columns} * (width + gap) - gap,
                all_height = 2 * kMargin + int64_t{rows} * (cell + gap) - gap;
  require_sheet_size(all_width, all_height, "show fewer with --units, or use a smaller --zoom");
  Image canvas = blank(static_cast<int>(all_width), static_cast<int>(all_height));
  for (int64_t i = 0; i < count; ++i) {
    const int64_t unit = o.units[static_cast<size_t>(i)];
    const Range range = o.scale == FilterScale::common ? common : range_of(s, {unit});
    const int x = kMargin + static_cast<int>(i % columns) * (width + gap),
              y = kMargin + static_cast<int>(i / columns) * (cell + gap);
    const Image patch = s.bank.colour() ? colour_image(s, unit, range) : cell_image(s, unit, 0, range);
    draw_image(canvas, patch, x, y, width, height);
    if (o.numbers) draw_text(canvas, x, y + height + 2, fmt::format("{}", unit), paper::faint);
  }
  return canvas;
}

// Pixels a weight so that the sheet is neither too wide nor too high.
int zoom_of_rows(const Shown& s, int gap) {
  if (s.options.zoom > 0) return s.options.zoom;
  constexpr int64_t kWidth = 1500, kHeight = 1400, kCell = 40;
  const auto across = static_cast<int64_t>(s.options.channels.size()),
             count = static_cast<int64_t>(s.options.units.size());
  const int64_t fits = std::min((kWidth / across - gap) / s.width(), (kHeight / count - 2 * gap) / s.height());
  const int64_t least = s.width() == 1 ? 4 : 2;
  return static_cast<int>(std::clamp(fits, least, std::max(least, kCell / s.width())));
}

// What the first and last colour of the rows are.
std::pair<std::string, std::string> range_names(const Shown& s, const Range& common) {
  switch (s.options.scale) {
    case FilterScale::own: return {"least", "greatest of each filter"};
    case FilterScale::common: return {fmt::format("{:.3g}", common.low), fmt::format("{:.3g}", common.high)};
    case FilterScale::zero: break;
  }
  return {"-m", "m of each filter"};
}

Image cell_rows(const Shown& s, const Range& common) {
  const FilterPlateOptions& o = s.options;
  const auto across = static_cast<int64_t>(o.channels.size()), count = static_cast<int64_t>(o.units.size());
  const int gap = o.gap >= 0 ? o.gap : s.width() * s.height() == 1 ? 0 : 1, zoom = zoom_of_rows(s, gap);
  const int width = static_cast<int>(s.width()) * zoom, height = static_cast<int>(s.height()) * zoom;
  const int row = height + 2 * gap,
            label = std::max(text_width("unit"), text_width(fmt::format("{}", s.bank.weight.size(0)))) + 8;
  const int64_t all_width = std::max<int64_t>(2 * kMargin + label + across * (width + gap) - gap, 300),
                all_height = 2 * kMargin + 2 * kLine + count * row + 6;
  require_sheet_size(all_width, all_height, "show fewer with --units and --channels, or use a smaller --zoom");
  Image canvas = blank(static_cast<int>(all_width), static_cast<int>(all_height));
  draw_text(canvas, kMargin, kMargin, "unit", paper::faint);
  const int every = std::max(1, 32 / (width + gap) + 1);  // numbers of channels that do not touch
  for (int64_t i = 0; i < across; i += every)
    draw_text(canvas, kMargin + label + static_cast<int>(i) * (width + gap), kMargin,
              fmt::format("{}", o.channels[static_cast<size_t>(i)]), paper::faint);
  const int every_row = (kLine + row - 1) / row;
  for (int64_t r = 0; r < count; ++r) {
    const int64_t unit = o.units[static_cast<size_t>(r)];
    const Range range = o.scale == FilterScale::common ? common : range_of(s, {unit});
    const int y = kMargin + kLine + static_cast<int>(r) * row;
    const std::string number = fmt::format("{}", unit);
    if (r % every_row == 0)
      draw_text(canvas, kMargin + label - 8 - text_width(number), y + std::max(0, row - kLine) / 2, number, paper::ink);
    // Cells are apart on grey, for white is a weight of 0 in the diverging map.
    if (gap > 0)
      fill_rectangle(canvas, kMargin + label - gap, y - gap, static_cast<int>(across) * (width + gap) + gap, row,
                     kLattice);
    for (int64_t i = 0; i < across; ++i)
      draw_image(canvas, cell_image(s, unit, o.channels[static_cast<size_t>(i)], range),
                 kMargin + label + static_cast<int>(i) * (width + gap), y, width, height);
  }
  const auto [low, high] = range_names(s, common);
  draw_colour_bar(canvas, kMargin + label, kMargin + kLine + static_cast<int>(count) * row + 6, o.map, low, high);
  return canvas;
}

std::string scale_sentence(const Shown& s, const Range& common) {
  const std::string_view map = to_string(s.options.map);
  const bool colour = s.bank.colour() && !s.options.rows;
  const std::string what = colour ? "red, green and blue 0 to 255" : fmt::format("colours {}", map);
  switch (s.options.scale) {
    case FilterScale::own:
      return fmt::format("{} from the least to the greatest weight of each filter (own scale)", what);
    case FilterScale::common:
      return fmt::format("{} from {:.4g} to {:.4g} for all (common scale)", what, common.low, common.high);
    case FilterScale::zero: break;
  }
  return fmt::format("{} from -m to m, m the greatest magnitude in each filter; 0 is the middle", what);
}

}  // namespace

FilterScale filter_scale(const std::string& name) {
  if (name == "own") return FilterScale::own;
  if (name == "common") return FilterScale::common;
  if (name == "zero") return FilterScale::zero;
  fail(ErrorKind::usage, "unknown scale \"{}\"; known: own, common, zero{}", name,
       did_you_mean(name, {"own", "common", "zero"}));
}

FilterPlate filter_plate(const FilterBank& bank, const FilterPlateOptions& options) {
  const Shown s{bank, options};
  require(!options.units.empty(), ErrorKind::usage, "no filters to show");
  for (const int64_t u : options.units)
    require(u >= 0 && u < bank.weight.size(0), ErrorKind::usage, "there is no filter {} of {}", u, bank.weight.size(0));
  for (const int64_t c : options.channels)
    require(c >= 0 && c < s.channels(), ErrorKind::usage, "there is no channel {} of {}", c, s.channels());
  require(options.rows ? !options.channels.empty() : bank.colour() || s.channels() == 1, ErrorKind::usage,
          "filters on {} channels are shown in rows", s.channels());
  const Range common = range_of(s, options.units);
  return {options.rows ? cell_rows(s, common) : patches(s, common), scale_sentence(s, common)};
}

}  // namespace fovea
