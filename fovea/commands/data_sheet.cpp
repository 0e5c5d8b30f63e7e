#include "fovea/commands/data_sheet.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <map>

#include "fovea/base/error.h"
#include "fovea/image/draw.h"
#include "fovea/image/resize.h"

namespace fovea {

namespace {

constexpr int kMostRows = 20, kGap = 4, kMargin = 10;

// The first samples of each class, by label; `most` of each, of at most `classes` classes.
std::map<int64_t, std::vector<int64_t>> members(const Dataset& set, int64_t most, int64_t classes) {
  std::map<int64_t, std::vector<int64_t>> found;
  const auto known = static_cast<int64_t>(set.classes().size());
  int64_t full = 0;
  for (int64_t i = 0; i < set.size() && (known == 0 || full < known); ++i) {
    std::vector<int64_t>& of = found[set.label(i)];
    if (static_cast<int64_t>(of.size()) < most) of.push_back(i);
    full += static_cast<int64_t>(of.size()) == most;
  }
  while (static_cast<int64_t>(found.size()) > classes) found.erase(std::prev(found.end()));
  return found;
}

std::string class_name_of(const Dataset& set, int64_t label) {
  const std::vector<std::string>& names = set.classes();
  return label >= 0 && label < static_cast<int64_t>(names.size()) ? names[static_cast<size_t>(label)]
                                                                  : fmt::format("{}", label);
}

// The picture in a square box, enlarged by a whole number or made smaller.
void place(Image& canvas, const Image& picture, int x, int y, int box) {
  const Image image = picture.to_8bit();
  const int longest = std::max({1, image.width(), image.height()});
  if (longest <= box) {
    const int factor = box / longest, width = image.width() * factor, height = image.height() * factor;
    draw_image(canvas, image, x + (box - width) / 2, y + (box - height) / 2, width, height);
    return;
  }
  const int width = std::max(1, image.width() * box / longest), height = std::max(1, image.height() * box / longest);
  draw_image(canvas, resize(image, width, height, Filter::lanczos), x + (box - width) / 2, y + (box - height) / 2);
}

struct Row {
  std::string name;
  std::vector<Image> pictures;
};

Image sample_picture(const Dataset& set, int64_t index, bool skip_broken) {
  try {
    return set.get(index).image;
  } catch (const Error& error) {
    if (!skip_broken || (error.kind() != ErrorKind::io && error.kind() != ErrorKind::format)) throw;
    return {};
  }
}

std::vector<Row> class_rows(const Dataset& set, const SheetOptions& o, int rows) {
  std::vector<Row> result;
  for (const auto& entry : members(set, o.columns, rows)) {
    Row row{class_name_of(set, entry.first), {}};
    for (const int64_t index : entry.second) row.pictures.push_back(sample_picture(set, index, o.skip_broken));
    result.push_back(std::move(row));
  }
  return result;
}

// One sample a row, of one class after the other, as it is and then changed.
std::vector<Row> augmented_rows(const Dataset& set, const SheetOptions& o, int rows) {
  const auto found = members(set, rows, INT32_MAX);
  std::vector<Row> result;
  for (size_t turn = 0; static_cast<int>(result.size()) < rows; ++turn) {
    const size_t before = result.size();
    for (const auto& entry : found) {
      if (turn >= entry.second.size() || static_cast<int>(result.size()) >= rows) continue;
      const int64_t index = entry.second[turn];
      const Image picture = sample_picture(set, index, o.skip_broken);
      Row row{class_name_of(set, entry.first), {picture}};
      for (int64_t epoch = 0; !picture.empty() && epoch + 1 < o.columns; ++epoch)
        row.pictures.push_back(augment(picture, o.augmentations, augmentation_key(o.seed, epoch, index)));
      result.push_back(std::move(row));
    }
    if (result.size() == before) break;
  }
  return result;
}

}  // namespace

Image picture_sheet(const Dataset& set, const SetStatistics& statistics, const SheetOptions& options) {
  require(options.columns >= 1 && options.columns <= 100 && options.rows <= 1000, ErrorKind::usage,
          "a sheet of {} columns and {} rows", options.columns, options.rows);
  const auto classes = static_cast<int>(std::max<size_t>(1, set.classes().size()));
  const int rows = options.rows > 0 ? options.rows : std::min(kMostRows, std::max(classes, 8));
  const int side = std::max(statistics.width[1], statistics.height[1]);
  const int tile = options.tile > 0 ? options.tile : side <= 32 ? 2 * side : std::clamp(side, 48, 96);
  const bool changed = !options.augmentations.empty();
  const std::vector<Row> shown = changed ? augmented_rows(set, options, rows) : class_rows(set, options, rows);
  int names = 0;
  for (const Row& row : shown) names = std::max(names, text_width(row.name));
  names = std::min(names, 180);
  const int left = kMargin + names + kMargin, apart = changed ? 2 * kGap : 0;
  Image canvas = blank(left + options.columns * (tile + kGap) + apart + kMargin,
                       2 * kMargin + static_cast<int>(shown.size()) * (tile + kGap));
  for (size_t r = 0; r < shown.size(); ++r) {
    const int y = kMargin + static_cast<int>(r) * (tile + kGap);
    draw_text(canvas, kMargin, y + (tile - text_height("x")) / 2, shorten_text(shown[r].name, names), paper::ink);
    for (size_t c = 0; c < shown[r].pictures.size(); ++c)
      place(canvas, shown[r].pictures[c], left + static_cast<int>(c) * (tile + kGap) + (c > 0 ? apart : 0), y, tile);
  }
  return canvas;
}

namespace {

// Where values lie on an axis of pixels.
struct Axis {
  double least, greatest;
  int begin, length;
  float at(double value) const { return static_cast<float>(begin + (value - least) / (greatest - least) * length); }
};
Axis axis_for(const SetStatistics& s, size_t feature, int begin, int length) {
  const double span = s.greatest[feature] - s.least[feature], room = span > 0 ? 0.06 * span : 1;
  return {s.least[feature] - room, s.greatest[feature] + room, begin, length};
}

void draw_dot(Image& canvas, float x, float y, Rgb colour, float size) { draw_line(canvas, x, y, x, y, colour, size); }

// The share of each class at each of `bins` places.
void draw_distribution(Image& canvas, const Axis& across, int top, int side, const std::vector<float>& values,
                       const std::vector<int64_t>& labels, int64_t classes) {
  constexpr int kBins = 24;
  std::vector<std::array<int, kBins>> counts(static_cast<size_t>(classes), std::array<int, kBins>{});
  int most = 1;
  for (size_t i = 0; i < values.size(); ++i) {
    const double share = (values[i] - across.least) / (across.greatest - across.least);
    const auto bin = static_cast<size_t>(std::clamp(static_cast<int>(share * kBins), 0, kBins - 1));
    most = std::max(most, ++counts[static_cast<size_t>(labels[i])][bin]);
  }
  for (int64_t c = 0; c < classes; ++c)
    for (int b = 0; b < kBins; ++b) {
      const auto height = [&](int bin) {
        return static_cast<float>(top + side) -
               static_cast<float>(counts[static_cast<size_t>(c)][static_cast<size_t>(bin)]) / static_cast<float>(most) *
                   static_cast<float>(side - 22);
      };
      const auto x = [&](int bin) {
        return static_cast<float>(across.begin) +
               (static_cast<float>(bin) + 0.5f) / kBins * static_cast<float>(across.length);
      };
      if (b + 1 < kBins) draw_line(canvas, x(b), height(b), x(b + 1), height(b + 1), class_colour(c), 1.6f);
    }
}

std::string feature_name(const Dataset& set, size_t feature) {
  const std::vector<std::string> names = set.features();
  return feature < names.size() ? names[feature] : fmt::format("feature {}", feature + 1);
}

struct Points {
  std::vector<std::vector<float>> values;  // [feature][sample]
  std::vector<int64_t> labels;
};

Points points_of(const Dataset& set, size_t features, const SheetOptions& options) {
  constexpr int64_t kMostPoints = 20000;  // more would hide one another
  Points points;
  points.values.resize(features);
  const int64_t step = (set.size() + kMostPoints - 1) / kMostPoints;
  for (int64_t i = 0; i < set.size(); i += step) {
    Sample sample = set.get(i);
    if (!options.augmentations.empty())
      sample.values = augment_values(sample.values, options.augmentations, augmentation_key(options.seed, 0, i));
    for (size_t f = 0; f < features; ++f) points.values[f].push_back(std::as_const(sample.values).data<float>()[f]);
    points.labels.push_back(sample.label);
  }
  return points;
}

void draw_legend(Image& canvas, const Dataset& set, int y) {
  int x = kMargin;
  for (size_t c = 0; c < std::min<size_t>(set.classes().size(), kClassColours); ++c) {
    const std::string name = shorten_text(set.classes()[c], 160);
    draw_dot(canvas, static_cast<float>(x + 4), static_cast<float>(y + 6), class_colour(static_cast<int64_t>(c)), 8);
    draw_text(canvas, x + 14, y, name, paper::ink);
    x += 14 + text_width(name) + 18;
  }
}

}  // namespace

Image scatter_sheet(const Dataset& set, const SetStatistics& statistics, const SheetOptions& options) {
  require(statistics.shape.size() == 1 && statistics.shape[0] >= 2, ErrorKind::usage,
          "samples of {} are not drawn as points: expected rows of two numbers or more",
          fmt::join(statistics.shape, "x"));
  constexpr int64_t kMostPairs = 4;
  const bool pairs = statistics.shape[0] > 2 && statistics.shape[0] <= kMostPairs;
  const size_t features = pairs ? static_cast<size_t>(statistics.shape[0]) : 2;
  const Points points = points_of(set, features, options);
  const auto classes = static_cast<int64_t>(std::max<size_t>(1, set.classes().size()));
  const int side = pairs ? 220 : 560, cells = pairs ? static_cast<int>(features) : 1, legend = 24;
  const float dot = points.labels.size() > 3000 ? 3.0f : pairs ? 4.0f : 6.0f;
  Image canvas =
      blank(std::max(360, 2 * kMargin + cells * (side + kGap)), 2 * kMargin + cells * (side + kGap) + legend);
  draw_legend(canvas, set, kMargin);
  for (int row = 0; row < cells; ++row)
    for (int column = 0; column < cells; ++column) {
      const size_t fx = static_cast<size_t>(column), fy = pairs ? static_cast<size_t>(row) : 1;
      const int x = kMargin + column * (side + kGap), y = kMargin + legend + row * (side + kGap);
      draw_outline(canvas, x, y, side, side, paper::track);
      const Axis across = axis_for(statistics, fx, x, side), up = axis_for(statistics, fy, y, side);
      if (fx == fy) {
        draw_distribution(canvas, across, y, side, points.values[fx], points.labels, classes);
        draw_text(canvas, x + 6, y + 5, shorten_text(feature_name(set, fx), side - 12), paper::ink);
        continue;
      }
      for (size_t i = 0; i < points.labels.size(); ++i)
        draw_dot(canvas, across.at(points.values[fx][i]),
                 static_cast<float>(2 * y + side) - up.at(points.values[fy][i]), class_colour(points.labels[i]), dot);
      if (pairs) continue;
      const std::string name = feature_name(set, 0);
      draw_text(canvas, x + side - text_width(name) - 6, y + side - 16, name, paper::faint);
      draw_text(canvas, x + 6, y + 5, feature_name(set, 1), paper::faint);
    }
  return canvas;
}

}  // namespace fovea
