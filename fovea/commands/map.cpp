#include "fovea/commands/map.h"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/features/approximate.h"
#include "fovea/features/map_file.h"
#include "fovea/image/codec.h"
#include "fovea/report/map_page.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList describe(MapOptions& o) {
  return {
      {"CODES", "", "a file of codes from `fovea features`, a NumPy matrix (.npy, .npz), or a map kept by --keep",
       &o.codes, true},
      {"-o,--output", "FILE.html", "the page to write", &o.output},
      {"--png", "FILE.png", "the plate to write (also .jpg): the pictures in the cells of a grid", &o.png},
      {"--keep", "FILE.npz", "keep the finished map, to show it again and to place new codes on it", &o.keep},
      {"--place", "NEW.npz", "put new codes on the map; no point of it moves", &o.place},
      {"--method", "NAME", "t-SNE, or the first two principal components", &o.method, false, {"tsne", "pca"}},
      {"--perplexity", "P", "about how many neighbours a point should keep near it", &o.perplexity, false, {}, 1, 1000},
      {"--iterations",
       "N",
       "steps of t-SNE, the first quarter (at most 250) exaggerated",
       &o.iterations,
       false,
       {},
       1,
       1e6},
      {"--exaggeration", "F", "by what attraction is multiplied at first", &o.exaggeration, false, {}, 1, 1000},
      {"--learning-rate", "R", "0: N / exaggeration / 4, at least 50", &o.learning_rate, false, {}, 0, 1e7},
      {"--repulsion",
       "HOW",
       "all pairs, groups of points, a quadtree, or interpolation with FFT; auto: all pairs up to 1,000 points, groups "
       "up "
       "to 12,000, then fft",
       &o.repulsion,
       false,
       {"auto", "exact", "groups", "barnes-hut", "fft"}},
      {"--theta", "T", "how coarse groups and the quadtree may be", &o.theta, false, {}, 0, 0.99},
      {"--start", "HOW", "where points begin", &o.start, false, {"pca", "random"}},
      {"--components",
       "N",
       "principal components that longer codes are reduced to before t-SNE; 0: none",
       &o.components,
       false,
       {},
       0,
       4096},
      {"--approximate", "", "search neighbours in a graph (HNSW), and state which share of the true ones it finds",
       &o.approximate},
      {"--grid",
       "HOW",
       "the plate: snap keeps the map's shape and hides pictures that share a cell; fill shows every picture and "
       "closes the gaps",
       &o.grid,
       false,
       {"snap", "fill"}},
      {"--cells",
       "N",
       "cells along the plate's longer side, for snap; 0: as suits the number of pictures, at most 64",
       &o.cells,
       false,
       {},
       0,
       1000},
      {"--cell", "N", "a cell's side in pixels; 0: as suits the plate, 32 to 64", &o.cell, false, {}, 0, 512},
      {"--seed", "N", "of the random start, and of what is sampled", &o.seed, false, {}, 0, 9e15}};
}

namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kAllPairs = 1000;  // up to so many points, all others are neighbours in P

Neighbours neighbours_of(const Context& context, const RowSource& rows, const MapOptions& o, MapFile& map) {
  const int64_t k =
      rows.count <= kAllPairs ? rows.count - 1 : std::min(rows.count - 1, static_cast<int64_t>(3 * o.perplexity + 1));
  if (!o.approximate) return nearest_rows(context, rows, k);
  ApproximateNeighbours result = approximate_rows(context, rows, k, 200);
  map.note = fmt::format("neighbours from a graph, which found {:.1f} % of the true ones of {} points",
                         100 * result.recall, result.sample);
  context.note(map.note);
  return std::move(result.found);
}

void reduce(const Context& context, MapFile& map, int64_t components) {
  Codes& codes = map.codes;
  map.pca =
      principal_components(context, rows_of(codes.values), std::min({components, codes.count(), codes.dimensions()}));
  codes.values = project(map.pca, rows_of(codes.values));
}

// The first two principal components of what t-SNE sees; those it sees are such components already, or not.
PlanePositions start_of(const Context& context, const MapFile& map, const MapOptions& o) {
  if (o.start == "random") return random_start(map.codes.count(), context.seed);
  if (map.pca.count() > 0) return projected_start(map.codes.values, context.seed);
  const RowSource rows = rows_of(map.codes.values);
  const PrincipalComponents two =
      principal_components(context, rows, std::min<int64_t>({2, rows.count, rows.dimensions}));
  return projected_start(project(two, rows), context.seed);
}

void by_tsne(const Context& context, MapFile& map, const MapOptions& o) {
  require(map.codes.count() >= 4, ErrorKind::usage,
          "{} pictures are too few for t-SNE, which needs 4 and shows little below 100; take more, or --method pca",
          map.codes.count());
  require(3 * o.perplexity <= static_cast<double>(map.codes.count() - 1), ErrorKind::usage,
          "{} pictures are too few for a perplexity of {:g}; take at most {:.0f} (--perplexity), or more pictures",
          map.codes.count(), o.perplexity, std::max(1.0, std::floor(static_cast<double>(map.codes.count() - 1) / 3)));
  if (o.components > 0 && map.codes.dimensions() > o.components) reduce(context, map, o.components);
  const RowSource rows = rows_of(map.codes.values);
  const Affinities p = affinities(neighbours_of(context, rows, o, map), o.perplexity);
  TsneOptions options;
  options.iterations = o.iterations;
  options.exaggerated = std::min<int64_t>(250, o.iterations / 4);
  options.exaggeration = o.exaggeration;
  options.learning_rate = o.learning_rate;
  options.method = o.repulsion;
  options.theta = o.theta;
  TsneResult result = tsne(context, p, start_of(context, map, o), options);
  map.positions = std::move(result.positions);
  map.divergence = result.divergence;
  map.history = std::move(result.history);
  map.repulsion = result.method;
  map.start = o.start;
  map.perplexity = o.perplexity;
  map.iterations = o.iterations;
}

void by_components(const Context& context, MapFile& map) {
  reduce(context, map, 2);
  const float* values = map.codes.values.data<float>().data();
  const int64_t width = map.codes.dimensions();
  for (int64_t i = 0; i < map.codes.count(); ++i) {
    map.positions.x.push_back(values[i * width]);
    map.positions.y.push_back(width > 1 ? values[i * width + 1] : 0.0f);
  }
}

MapFile made(const Context& context, const MapOptions& o) {
  MapFile map;
  map.codes = read_codes(o.codes);
  require(map.codes.count() >= 2, ErrorKind::usage, "{}: holds {} picture; a map needs more", o.codes,
          map.codes.count());
  map.method = o.method;
  if (o.method == "pca") by_components(context, map);
  else by_tsne(context, map, o);
  return map;
}

double explained(const PrincipalComponents& pca, size_t count) {
  double sum = 0;
  for (size_t i = 0; i < std::min(count, pca.variances.size()); ++i) sum += pca.variances[i];
  return pca.total_variance > 0 ? sum / pca.total_variance : 0;
}

std::string with_commas(int64_t number) {
  std::string text = fmt::format("{}", number);
  for (auto at = static_cast<int64_t>(text.size()) - 3; at > 0; at -= 3) text.insert(static_cast<size_t>(at), ",");
  return text;
}

MapView view_of(const MapFile& map, const std::string& data) {
  const CodesOrigin& origin = map.codes.origin;
  MapView view;
  const std::string set = fs::path(origin.data.empty() ? data : origin.data).filename().string();
  view.title =
      origin.network.empty() ? fmt::format("A map of {}", set) : fmt::format("How {} sees {}", origin.network, set);
  view.subtitle =
      fmt::format("{}{}", map.method == "pca" ? "The first two principal components" : "t-SNE",
                  origin.layer.empty() ? ""
                                       : fmt::format(" of the answers of {}{}", origin.layer,
                                                     origin.pool == "none" || origin.pool.empty()
                                                         ? ""
                                                         : fmt::format(" ({} over its positions)", origin.pool)));
  view.facts.emplace_back("pictures", with_commas(map.codes.count()));
  if (map.method == "tsne") {
    view.facts.emplace_back("perplexity", fmt::format("{:g}", map.perplexity));
    view.facts.emplace_back("KL divergence", fmt::format("{:.3f}", map.divergence));
  } else {
    view.facts.emplace_back("of the variance", fmt::format("{:.1f} %", 100 * explained(map.pca, 2)));
  }
  view.history = map.history;
  view.x = map.positions.x;
  view.y = map.positions.y;
  view.label = map.codes.labels;
  view.name = map.codes.names;
  view.classes = map.codes.classes;
  if (map.codes.has_thumbnails())
    for (int64_t i = 0; i < map.codes.count(); ++i) view.picture.push_back(map.codes.thumbnail(i));
  return view;
}

// Adds the placed points to the view. Returns how many there are.
int64_t add_placed(const Context& context, const MapFile& map, const std::string& path, MapView& view) {
  require_file(path, "a file of codes");
  const Codes codes = read_codes(path);
  const PlanePositions at = place_codes(context, map, codes);
  view.placed.assign(view.x.size(), false);
  view.x.insert(view.x.end(), at.x.begin(), at.x.end());
  view.y.insert(view.y.end(), at.y.begin(), at.y.end());
  view.placed.insert(view.placed.end(), at.x.size(), true);
  view.name.insert(view.name.end(), codes.names.begin(), codes.names.end());
  // Classes of the new file by name where both know names, else by number.
  for (int64_t i = 0; i < codes.count(); ++i) {
    int64_t label = codes.labels[static_cast<size_t>(i)];
    if (label >= 0 && label < static_cast<int64_t>(codes.classes.size()) && codes.classes != view.classes) {
      const std::string& name = codes.classes[static_cast<size_t>(label)];
      const auto found = std::find(view.classes.begin(), view.classes.end(), name);
      label = found - view.classes.begin();
      if (found == view.classes.end()) view.classes.push_back(name);
    }
    view.label.push_back(label);
  }
  view.facts.emplace_back("placed", with_commas(codes.count()));
  if (view.picture.empty()) return codes.count();
  for (int64_t i = 0; i < codes.count(); ++i)
    view.picture.push_back(codes.has_thumbnails() ? codes.thumbnail(i) : Image(8, 8, 3));
  return codes.count();
}

void check_outputs(const MapOptions& o) {
  require(
      !o.output.empty() || !o.png.empty() || !o.keep.empty(), ErrorKind::usage,
      "nothing was asked for: name a page (-o map.html), a plate (--png map.png) or a file to keep (--keep map.npz)");
  const auto ends = [](const std::string& path, std::initializer_list<std::string> endings, const char* what) {
    if (path.empty()) return;
    require(std::find(endings.begin(), endings.end(), fs::path(path).extension()) != endings.end(), ErrorKind::usage,
            "{}: {} is written as {}; try {}", path, what, fmt::join(endings, " or "),
            fs::path(path).replace_extension(*endings.begin()).string());
    require_writable_folder(fs::absolute(path).parent_path());
    writing([&] {
      require(fs::is_directory(fs::absolute(path).parent_path()), ErrorKind::io, "{}: there is no folder {}", path,
              fs::absolute(path).parent_path().string());
    });
  };
  ends(o.output, {".html"}, "the page");
  ends(o.png, {".png", ".jpg"}, "the plate");
  ends(o.keep, {".npz"}, "the map");
}

// A small set on a fine grid is small dots on white: about six cells a picture, and larger ones where there are few.
MapPlate plate_of(const MapOptions& o, const MapView& view) {
  const bool fill = o.grid == "fill";
  const double root = std::sqrt(static_cast<double>(view.x.size()));
  const auto suits = [](double wanted, int least, int most) {
    return static_cast<int>(std::lround(std::clamp<double>(wanted, least, most)));
  };
  const int cells = o.cells > 0 ? static_cast<int>(o.cells) : suits(2.4 * root, 8, 64);
  const double along = fill ? root : cells;  // the plate's longer side, in cells
  const int cell = o.cell > 0 ? static_cast<int>(o.cell) : suits(2048 / std::max(along, 1.0), 32, 64);
  return map_plate(view, fill ? GridWay::fill : GridWay::snap, cells, cell);
}

}  // namespace

Report run(const Context& given, const MapOptions& o) {
  check_outputs(o);
  require_file(o.codes, "a file of codes or a map");
  Context context = given;
  if (o.seed != 0) context.seed = static_cast<uint64_t>(o.seed);
  const auto start = std::chrono::steady_clock::now();
  const bool finished = is_map_file(o.codes);
  const MapFile map = finished ? read_map(o.codes) : made(context, o);
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  MapView view = view_of(map, o.codes);
  Report report;
  Json json = {{"codes", o.codes}, {"pictures", map.codes.count()}, {"method", map.method}};
  report.text = counted(map.codes.count(), "picture");
  if (map.method == "tsne") {
    report.text += fmt::format(": KL {} after {} iterations, perplexity {:g}, repulsion {}, start {}",
                               coloured(fmt::format("{:.4f}", map.divergence), Ink::bold), map.iterations,
                               map.perplexity, map.repulsion, map.start);
    json["divergence"] = map.divergence;
    json["iterations"] = map.iterations;
    json["history"] = map.history;
    json["perplexity"] = map.perplexity;
    json["repulsion"] = map.repulsion;
    json["start"] = map.start;
  }
  if (map.pca.count() > 0) {
    const double share = explained(map.pca, static_cast<size_t>(map.pca.count()));
    report.text +=
        fmt::format("{}{} of {} hold {:.1f} % of the variance ({})", map.method == "tsne" ? "\n" : ": ",
                    counted(map.pca.count(), "principal component"), map.pca.dimensions(), 100 * share, map.pca.method);
    json["components"] = map.pca.count();
    json["variance"] = share;
  }
  if (!map.note.empty()) report.text += "\n" + map.note;
  report.text += finished ? "\n" : fmt::format("\nin {}\n", short_time(seconds));
  json["seconds"] = seconds;
  if (!o.keep.empty()) {
    writing([&] { write_map(o.keep, map); });
    report.files.push_back(o.keep);
  }
  if (!o.place.empty()) {
    const int64_t placed = add_placed(context, map, o.place, view);
    report.text += fmt::format("placed on it: {}\n", counted(placed, "new picture"));
    json["placed"] = placed;
    Json at = Json::array();
    for (size_t i = view.x.size() - static_cast<size_t>(placed); i < view.x.size(); ++i)
      at.push_back({view.x[i], view.y[i]});
    json["places"] = at;
  }
  if (!o.output.empty()) {
    const std::string page = map_page(view);
    writing([&] { write_file(o.output, page); });
    report.files.push_back(o.output);
    report.text += fmt::format("the page: {}\n", coloured(o.output, Ink::cyan));
  }
  if (!o.png.empty()) {
    const MapPlate plate = plate_of(o, view);
    writing([&] { write_image(o.png, plate.image); });
    report.files.push_back(o.png);
    report.text += fmt::format("the plate: {}, with cells for {} of {}\n", coloured(o.png, Ink::cyan), plate.shown,
                               counted(view.x.size(), "picture"));
    json["shown"] = plate.shown;
  }
  report.set_json(json);
  return report;
}

Command map_command() {
  return make_command<MapOptions>(
      "map", "codes as a map in the plane: pictures that the network finds alike lie together",
      "Draws a file of codes as a map, by t-SNE or by principal components. The page is one file that needs no "
      "network: "
      "the pictures stand at their places, coloured by class, to zoom, to walk in and to search. The same codes, seed "
      "and settings give the same bytes, with any number of threads. What a map shows and what it does not is said in "
      "docs/methods/map.md.",
      {{"fovea map codes.npz -o map.html --png map.png", "t-SNE of the codes, as a page and as a plate"},
       {"fovea map codes.npz --method pca -o pca.html", "the two directions in which the codes differ most"},
       {"fovea map codes.npz -o map.html --keep map.npz", "keep the map …"},
       {"fovea map map.npz --place new.npz -o placed.html", "… and put new pictures on it later"}},
      run);
}

}  // namespace fovea
