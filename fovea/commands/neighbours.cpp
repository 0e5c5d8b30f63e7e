#include "fovea/commands/neighbours.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <cmath>
#include <memory>
#include <nlohmann/json.hpp>
#include <optional>

#include "fovea/base/counted.h"
#include "fovea/commands/code_origin.h"
#include "fovea/commands/skipped_pictures.h"
#include "fovea/features/approximate.h"
#include "fovea/features/codes.h"
#include "fovea/features/layer_codes.h"
#include "fovea/features/neighbours.h"
#include "fovea/image/codec.h"
#include "fovea/report/neighbour_sheet.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList describe(NeighboursOptions& o) {
  return OptionList{{"CODES", "", "a file of codes that `fovea features` has written", &o.codes, true},
                    {"IMAGE", "",
                     "pictures, folders of pictures, or rows of the file itself: #0, #17 (a row is then no neighbour "
                     "of its own)",
                     &o.images},
                    {"-o,--output", "FILE.png", "the sheet to write: each picture with its neighbours", &o.output},
                    {"--model", "MODEL", "the network that made the codes, where it has moved since", &o.model},
                    {"-k,--count", "N", "neighbours a picture", &o.k, false, {}, 1, 1000},
                    {"--metric",
                     "HOW",
                     "l2: the Euclidean distance; cosine: one minus the cosine of the angle between codes",
                     &o.metric,
                     false,
                     {"l2", "cosine"}},
                    {"--agreement", "",
                     "how many of the nearest of each picture are of its class, over the whole file, by features and "
                     "by pixels",
                     &o.agreement},
                    {"--approximate", "",
                     "search a graph (HNSW) instead of all rows, and state which share of the true neighbours it finds",
                     &o.approximate}} +
         describe(o.engine);
}

namespace {

using Json = nlohmann::ordered_json;

// A picture whose neighbours are asked for.
struct Query {
  std::string name;
  std::optional<int64_t> row;   // of the file
  Image picture;                // as large as the file's thumbnails; empty where there are none
  std::vector<float> code;      // [D]
  std::vector<uint8_t> pixels;  // [H,W,C]
};

// One way of comparing: the rows of the file, and those of the queries.
struct Space {
  std::string title, json;
  RowSource set, queries;
  bool halved_squares = false;  // distances are 1 − cos = d² / 2
};

std::optional<int64_t> row_number(const std::string& argument, int64_t count) {
  if (!argument.starts_with("#")) return std::nullopt;
  int64_t row = -1;
  const auto [end, error] = std::from_chars(argument.data() + 1, argument.data() + argument.size(), row);
  require(error == std::errc() && end == argument.data() + argument.size() && row >= 0 && row < count, ErrorKind::usage,
          "{}: is no row of the file, expected #0 to #{}", argument, count - 1);
  return row;
}

Query query_of_row(const Codes& codes, int64_t row) {
  const float* code = codes.values.data<float>().data() + row * codes.dimensions();
  Query query{codes.names[static_cast<size_t>(row)], row, {}, {code, code + codes.dimensions()}, {}};
  if (codes.has_thumbnails()) query.picture = codes.thumbnail(row);
  return query;
}

Query query_of_picture(const Codes& codes, LayerCodes& network, const fs::path& path) {
  Query query{path.filename().string(), {}, {}, {}, {}};
  const Image picture = read_image(path);
  network.prepare(0, {picture, -1, {}});
  query.code = network.run(1);
  if (!codes.has_thumbnails() || !network.preprocessing()) return query;
  const Shape& s = codes.thumbnails.shape();
  query.picture = thumbnail(picture, *network.preprocessing(), std::max(s[1], s[2]));
  require(query.picture.height() == s[1] && query.picture.width() == s[2] && query.picture.channels() == s[3],
          ErrorKind::format, "its thumbnails of {} x {} are not those of the network's pictures, {} x {}", s[2], s[1],
          query.picture.width(), query.picture.height());
  return query;
}

// In the order in which they were named. Pictures of folders that cannot be read are left out, with a message in
// `skipped`.
std::vector<Query> queries_of(const Context& context, const Codes& codes, const NeighboursOptions& o,
                              std::vector<std::string>& skipped) {
  std::vector<Query> queries;
  const Engine engine(o.engine);
  std::unique_ptr<LayerCodes> network;  // opened for the first picture
  for (const std::string& argument : o.images) {
    if (const auto row = row_number(argument, codes.count())) {
      queries.push_back(query_of_row(codes, *row));
      continue;
    }
    const std::vector<fs::path> paths = picture_paths({argument});
    if (!network) {
      Model model = network_behind(context, codes, o.model);
      network = std::make_unique<LayerCodes>(
          std::move(model), *engine.backend,
          LayerCodes::Settings{codes.origin.layer, pooling(codes.origin.pool), 1, engine.compile_options});
    }
    for (const fs::path& path : paths) {
      if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
      try {
        queries.push_back(query_of_picture(codes, *network, path));
      } catch (const Error& e) {
        if (!fs::is_directory(argument) || (e.kind() != ErrorKind::io && e.kind() != ErrorKind::format)) throw;
        skipped.push_back(e.message());
      }
    }
  }
  require(!queries.empty(), ErrorKind::format, "0 of {} can be read; the first: {}", counted(skipped.size(), "picture"),
          skipped.empty() ? "" : skipped[0]);
  for (Query& query : queries)
    if (!query.picture.empty()) query.pixels.assign(query.picture.samples().begin(), query.picture.samples().end());
  return queries;
}

std::vector<Space> spaces_of(const Codes& codes, const std::vector<Query>& queries, const std::string& metric) {
  Tensor own(DType::f32, {static_cast<int64_t>(queries.size()), codes.dimensions()});
  for (size_t i = 0; i < queries.size(); ++i)
    std::copy(queries[i].code.begin(), queries[i].code.end(),
              own.data<float>().data() + static_cast<int64_t>(i) * codes.dimensions());
  const bool cosine = metric == "cosine";
  const auto measured = [&](RowSource rows) { return cosine ? directions(std::move(rows)) : rows; };
  const std::string how = cosine ? "cosine" : "L2";
  std::vector<Space> spaces;
  spaces.push_back({fmt::format("nearest by features ({})", how), "features", measured(rows_of(codes.values)),
                    measured(rows_of(own)), cosine});
  if (!codes.has_thumbnails()) return spaces;
  const Shape& s = codes.thumbnails.shape();
  Tensor pixels(DType::u8, {static_cast<int64_t>(queries.size()), s[1], s[2], s[3]});
  for (size_t i = 0; i < queries.size(); ++i)
    std::copy(queries[i].pixels.begin(), queries[i].pixels.end(),
              pixels.data<uint8_t>().data() + i * queries[i].pixels.size());
  spaces.push_back({fmt::format("nearest by pixels ({}, {} x {})", how, s[2], s[1]), "pixels",
                    measured(pixel_rows(codes.thumbnails)), measured(pixel_rows(pixels)), cosine});
  return spaces;
}

struct Found {
  Neighbours neighbours;
  double recall = 1;
};

// Queries that are rows of the file leave themselves out: one more neighbour is searched for them.
Found search(const Context& context, const Space& space, const std::vector<Query>& queries,
             const NeighboursOptions& o) {
  const bool own = std::any_of(queries.begin(), queries.end(), [](const Query& q) { return q.row.has_value(); });
  require(o.k + own <= space.set.count, ErrorKind::usage, "{} asked for, the file has {}: ask for fewer (--count)",
          counted(o.k, "neighbour"), counted(space.set.count, "picture"));
  Found found;
  Neighbours all;
  if (o.approximate) {
    ApproximateNeighbours result = approximate_rows(context, space.set, space.queries, o.k + own);
    all = std::move(result.found);
    found.recall = result.recall;
  } else {
    all = nearest_rows(context, space.set, space.queries, o.k + own);
  }
  found.neighbours.k = o.k;
  for (size_t q = 0; q < queries.size(); ++q) {
    int64_t taken = 0;
    for (int64_t i = 0; i < all.k && taken < o.k; ++i) {
      const auto at = q * static_cast<size_t>(all.k) + static_cast<size_t>(i);
      if (queries[q].row && all.index[at] == *queries[q].row) continue;
      const float d = all.distance[at];
      found.neighbours.index.push_back(all.index[at]);
      found.neighbours.distance.push_back(space.halved_squares ? d * d / 2 : d);
      ++taken;
    }
  }
  return found;
}

std::string short_name(const std::string& name) { return fs::path(name).filename().string(); }

std::string caption_of(const Codes& codes, int64_t row) {
  const std::string label = codes.class_of(row);
  return label.empty() ? short_name(codes.names[static_cast<size_t>(row)]) : label;
}

NeighbourRow sheet_row(const Codes& codes, const Space& space, const Found& found, size_t q, const Query& query) {
  NeighbourRow row{space.title, {}};
  for (int64_t i = 0; i < found.neighbours.k; ++i) {
    const auto at = q * static_cast<size_t>(found.neighbours.k) + static_cast<size_t>(i);
    const int64_t other = found.neighbours.index[at];
    NeighbourPicture picture{codes.thumbnail(other), caption_of(codes, other),
                             fmt::format("{:.4g}", found.neighbours.distance[at])};
    picture.is_file = codes.class_of(other).empty();
    if (query.row && codes.labels[static_cast<size_t>(*query.row)] >= 0 &&
        codes.labels[static_cast<size_t>(other)] >= 0)
      picture.agrees = codes.labels[static_cast<size_t>(*query.row)] == codes.labels[static_cast<size_t>(other)]
                           ? NeighbourPicture::Agrees::yes
                           : NeighbourPicture::Agrees::no;
    row.pictures.push_back(std::move(picture));
  }
  return row;
}

Json neighbours_json(const Codes& codes, const Found& found, size_t q) {
  Json list = Json::array();
  for (int64_t i = 0; i < found.neighbours.k; ++i) {
    const auto at = q * static_cast<size_t>(found.neighbours.k) + static_cast<size_t>(i);
    const int64_t other = found.neighbours.index[at];
    Json j = {
        {"row", other}, {"name", codes.names[static_cast<size_t>(other)]}, {"distance", found.neighbours.distance[at]}};
    if (codes.labels[static_cast<size_t>(other)] >= 0) j["class"] = codes.class_of(other);
    list.push_back(j);
  }
  return list;
}

void answer(const Context& context, const Codes& codes, const NeighboursOptions& o, Report& report, Json& json) {
  std::vector<std::string> skipped;
  const std::vector<Query> queries = queries_of(context, codes, o, skipped);
  json["skipped"] = skipped;
  const std::vector<Space> spaces = spaces_of(codes, queries, o.metric);
  if (spaces.size() == 1) context.note(fmt::format("{}: keeps no thumbnails, so pixels are not compared", o.codes));
  std::vector<Found> found;
  for (const Space& space : spaces) found.push_back(search(context, space, queries, o));
  std::vector<NeighbourPanel> panels;
  json["queries"] = Json::array();
  for (size_t q = 0; q < queries.size(); ++q) {
    Json one = {{"name", queries[q].name}};
    Table table({{printable(queries[q].name)},
                 {"distance", true},
                 {spaces.size() > 1 ? "by pixels" : ""},
                 {spaces.size() > 1 ? "distance" : "", true}});
    for (int64_t i = 0; i < o.k; ++i) {
      std::vector<std::string> cells;
      for (const Found& f : found) {
        const auto at = q * static_cast<size_t>(o.k) + static_cast<size_t>(i);
        const int64_t other = f.neighbours.index[at];
        const std::string label = codes.class_of(other), name = short_name(codes.names[static_cast<size_t>(other)]);
        cells.push_back(printable(label.empty() ? name : fmt::format("{} (#{})", label, other)));
        cells.push_back(fmt::format("{:.4g}", f.neighbours.distance[at]));
      }
      table.add(cells);
    }
    report.text += table.text() + "\n";
    for (size_t s = 0; s < spaces.size(); ++s) one[spaces[s].json] = neighbours_json(codes, found[s], q);
    json["queries"].push_back(one);
    if (o.output.empty()) continue;
    NeighbourPanel panel{queries[q].picture,
                         queries[q].row ? caption_of(codes, *queries[q].row) : queries[q].name,
                         queries[q].row && !codes.class_of(*queries[q].row).empty() ? short_name(queries[q].name) : "",
                         {}};
    for (size_t s = 0; s < spaces.size(); ++s)
      panel.rows.push_back(sheet_row(codes, spaces[s], found[s], q, queries[q]));
    panels.push_back(std::move(panel));
  }
  report.text += skipped_text(skipped, false, "--json lists all");
  if (o.approximate)
    for (size_t s = 0; s < spaces.size(); ++s) {
      report.text += fmt::format("by {}: the graph found {:.1f} % of the true neighbours\n", spaces[s].json,
                                 100 * found[s].recall);
      json["recall"][spaces[s].json] = found[s].recall;
    }
  if (o.output.empty()) return;
  const std::string heading = fmt::format(
      "{} of {}, {} of {}", codes.origin.layer.empty() ? "codes" : codes.origin.layer,
      codes.origin.network.empty() ? short_name(o.codes) : codes.origin.network, counted(codes.count(), "picture"),
      codes.origin.data.empty() ? short_name(o.codes) : short_name(codes.origin.data));
  const Image sheet = neighbour_sheet(heading, panels);
  writing([&] { write_image(o.output, sheet); });
  report.files.push_back(o.output);
  report.text += fmt::format("wrote {}\n", o.output);
  json["output"] = o.output;
}

void report_agreement(const Context& context, const Codes& codes, const NeighboursOptions& o, Report& report,
                      Json& json) {
  require(codes.has_labels(), ErrorKind::usage, "{}: has no labels, so there are no classes to agree on", o.codes);
  require(o.k < codes.count(), ErrorKind::usage, "{} asked for, the file has only {} more: ask for fewer (--count)",
          counted(o.k, "neighbour"), counted(codes.count() - 1, "picture"));
  std::vector<int64_t> per_class;
  int64_t known = 0;
  for (const int64_t label : codes.labels) {
    if (label < 0) continue;
    ++known;
    if (label >= static_cast<int64_t>(per_class.size())) per_class.resize(static_cast<size_t>(label) + 1);
    ++per_class[static_cast<size_t>(label)];
  }
  double chance = 0;
  for (const int64_t n : per_class)
    chance += static_cast<double>(n) / static_cast<double>(known) * static_cast<double>(std::max<int64_t>(0, n - 1)) /
              static_cast<double>(std::max<int64_t>(1, codes.count() - 1));
  report.text += fmt::format("of the {} nearest of each of {}, leaving out itself ({}):\n", o.k,
                             counted(known, "picture"), o.metric == "cosine" ? "cosine" : "L2");
  Table table({{""}, {"are of its class", true}, {"its class wins", true}});
  json["agreement"] = {{"k", o.k}, {"rows", known}, {"chance", chance}};
  for (const Space& space : spaces_of(codes, {}, o.metric)) {
    Neighbours neighbours;
    double recall = 1;
    if (o.approximate) {
      ApproximateNeighbours result = approximate_rows(context, space.set, o.k);
      neighbours = std::move(result.found);
      recall = result.recall;
    } else {
      neighbours = nearest_rows(context, space.set, o.k);
    }
    const Agreement a = class_agreement(neighbours, codes.labels);
    table.add({"by " + space.json, fmt::format("{:.2f} %", 100 * a.share), fmt::format("{:.2f} %", 100 * a.majority)});
    json["agreement"][space.json] = {{"share", a.share}, {"majority", a.majority}};
    if (!o.approximate) continue;
    json["agreement"][space.json]["recall"] = recall;
    report.text +=
        fmt::format("by {}: the graph found {:.1f} % of the true neighbours of a sample\n", space.json, 100 * recall);
  }
  table.add({"by chance", fmt::format("{:.2f} %", 100 * chance), ""});
  report.text += table.text();
}

void check_output(const NeighboursOptions& o) {
  if (o.output.empty()) return;
  std::string ending = fs::path(o.output).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  const std::vector<std::string> known = {".png", ".jpg", ".jpeg", ".ppm"};
  require(std::find(known.begin(), known.end(), ending) != known.end(), ErrorKind::usage,
          "{}: sheets are written as .png, .jpg or .ppm; try {}", o.output,
          fs::path(o.output).replace_extension(".png").string());
  require_writable_folder(fs::absolute(o.output).parent_path());
}

}  // namespace

Report run(const Context& context, const NeighboursOptions& o) {
  check_output(o);
  require(!o.images.empty() || o.agreement, ErrorKind::usage,
          "no picture was named: name files, folders, or rows of the file (#0), or ask for --agreement");
  require(!o.images.empty() || o.output.empty(), ErrorKind::usage,
          "a sheet (-o) needs pictures whose neighbours it shows");
  require_file(o.codes, "a file of codes");
  const Codes codes = read_codes(o.codes);
  require(
      o.output.empty() || codes.has_thumbnails(), ErrorKind::usage,
      "{}: keeps no thumbnails, so that no sheet can be drawn; make it again with `fovea features … --thumbnails 64`",
      o.codes);
  Report report;
  Json json = {{"codes", o.codes}, {"pictures", codes.count()}, {"metric", o.metric}, {"k", o.k}};
  if (!o.images.empty()) answer(context, codes, o, report, json);
  if (o.agreement) report_agreement(context, codes, o, report, json);
  report.set_json(json);
  return report;
}

Command neighbours_command() {
  return make_command<NeighboursOptions>(
      "neighbours", "the pictures that a network finds most alike, beside those whose pixels are",
      "Finds the nearest of a set of pictures to each picture, once by the codes of a layer and once by plain pixels, "
      "and draws both as a sheet. The search is exact: blocked matrix products find the candidates, distances in "
      "double precision decide. `neighbors` is accepted too.",
      {{"fovea neighbours codes.npz cat.jpg -o sheet.png", "the ten nearest pictures of the set, both ways"},
       {"fovea neighbours codes.npz '#0' '#17' -k 8 -o sheet.png", "of two pictures of the set itself"},
       {"fovea neighbours codes.npz --agreement", "how often the nearest are of the same class"}},
      run);
}

}  // namespace fovea
