#include "fovea/commands/data.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/commands/data_sheet.h"
#include "fovea/commands/skipped_pictures.h"
#include "fovea/data/open_data.h"
#include "fovea/data/statistics.h"
#include "fovea/image/codec.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kShownClasses = 20, kShownFeatures = 12;

struct ClassCount {
  int64_t index = 0, count = 0;
  std::string name;
};

// Every class that has a name or a sample.
std::vector<ClassCount> class_counts(const Dataset& set) {
  std::map<int64_t, int64_t> counts;
  for (size_t c = 0; c < set.classes().size(); ++c) counts[static_cast<int64_t>(c)] = 0;
  for (int64_t i = 0; i < set.size(); ++i) ++counts[set.label(i)];
  std::vector<ClassCount> result;
  for (const auto& entry : counts) {
    const bool named = entry.first >= 0 && entry.first < static_cast<int64_t>(set.classes().size());
    result.push_back(
        {entry.first, entry.second,
         printable(named ? set.classes()[static_cast<size_t>(entry.first)] : fmt::format("class {}", entry.first))});
  }
  return result;
}

std::string range_text(int least, int greatest) {
  return least == greatest ? fmt::format("{}", least) : fmt::format("{} to {}", least, greatest);
}

std::vector<std::string> value_names(const Dataset& set, const SetStatistics& s) {
  if (s.pictures) return s.grey ? std::vector<std::string>{"grey"} : std::vector<std::string>{"red", "green", "blue"};
  std::vector<std::string> names = set.features();
  for (std::string& name : names) name = printable(name);
  const char* kind = s.shape.size() == 1 ? "feature" : "channel";
  for (size_t i = names.size(); i < s.mean.size(); ++i) names.push_back(fmt::format("{} {}", kind, i + 1));
  return names;
}

std::string shape_text(const SetStatistics& s) {
  if (s.pictures)
    return fmt::format("{} pictures of {} x {} pixels", s.grey ? "grey" : "colour", range_text(s.width[0], s.width[1]),
                       range_text(s.height[0], s.height[1]));
  if (s.shape.size() == 1) return fmt::format("rows of {} numbers", s.shape[0]);
  return fmt::format("maps of {}", fmt::join(s.shape, "x"));
}

std::string class_text(const std::vector<ClassCount>& classes, int64_t total, bool all) {
  Table table({{"class"}, {"samples", true}, {"share", true}, {""}});
  const size_t shown = all ? classes.size() : std::min(kShownClasses, classes.size());
  int64_t most = 1, empty = 0;
  for (const ClassCount& c : classes) most = std::max(most, c.count), empty += c.count == 0;
  for (size_t i = 0; i < shown; ++i) {
    const double share = static_cast<double>(classes[i].count) / static_cast<double>(std::max<int64_t>(1, total));
    table.add({classes[i].name, fmt::format("{}", classes[i].count), fmt::format("{:.1f} %", 100 * share),
               coloured(bar(static_cast<double>(classes[i].count) / static_cast<double>(most), 20), Ink::blue)});
  }
  std::string text = table.text();
  if (shown < classes.size())
    text += coloured(fmt::format("not shown: {} more (--all)\n", classes.size() - shown), Ink::dim);
  if (empty > 0)
    text += coloured(fmt::format("without samples in this split: {}\n", counted(empty, "class")), Ink::yellow);
  return text;
}

std::string value_text(const SetStatistics& s, const std::vector<std::string>& names, bool all) {
  Table table(
      {{s.pictures ? "channel" : "feature"}, {"mean", true}, {"deviation", true}, {"least", true}, {"greatest", true}});
  const size_t shown = all ? names.size() : std::min(kShownFeatures, names.size());
  const auto number = [&](double v) { return s.pictures ? fmt::format("{:.4f}", v) : fmt::format("{:.5g}", v); };
  for (size_t i = 0; i < shown; ++i)
    table.add({names[i], number(s.mean[i]), number(s.deviation[i]), number(s.least[i]), number(s.greatest[i])});
  std::string text = table.text();
  if (shown < names.size())
    text += coloured(fmt::format("{} more features are not shown (--all)\n", names.size() - shown), Ink::dim);
  if (!s.pictures || s.grey) return text;
  const ColourCovariance& v = s.covariance;
  return text + fmt::format(
                    "\ncovariance of the colours (values 0..1):\n  {:.5f} {:.5f} {:.5f}\n  {:.5f} {:.5f} {:.5f}\n"
                    "  {:.5f} {:.5f} {:.5f}\n",
                    v[0], v[1], v[2], v[1], v[3], v[4], v[2], v[4], v[5]);
}

Json result_json(const DataOptions& o, const Dataset& set, const SetStatistics& s,
                 const std::vector<ClassCount>& classes) {
  Json json = {{"data", printable(o.data)}, {"description", printable(set.description())},
               {"split", o.split},          {"kind", s.pictures ? "pictures" : "rows"},
               {"count", set.size()},       {"measured", s.count}};
  if (s.pictures) {
    json["channels"] = s.grey ? 1 : 3;
    json["width"] = {s.width[0], s.width[1]};
    json["height"] = {s.height[0], s.height[1]};
  } else {
    json["shape"] = s.shape;
    json["features"] = value_names(set, s);
  }
  json["mean"] = s.mean;
  json["deviation"] = s.deviation;
  json["least"] = s.least;
  json["greatest"] = s.greatest;
  if (s.pictures && !s.grey) json["covariance"] = s.covariance;
  Json list = Json::array(), skipped = Json::array();
  for (const ClassCount& c : classes) list.push_back({{"index", c.index}, {"name", c.name}, {"count", c.count}});
  for (const std::string& message : s.skipped) skipped.push_back(printable(message));
  json["classes"] = list;
  json["skipped"] = skipped;
  return json;
}

}  // namespace

OptionList describe(DataOptions& o) {
  return {
      {"DATA", "",
       "a set as `fovea evaluate` takes it: a file, a folder, a fetched name, builtin:iris, "
       "\"drawn:spirals?noise=0.1\"",
       &o.data, true},
      {"--split", "NAME", "which part of the data", &o.split, false, {"train", "test", "val"}},
      {"-o,--output", "FILE", "draw samples of each class, or the points of a table, into this PNG", &o.output},
      {"--augment", "TEXT",
       "draw each sample several times as a recipe changes it: flip,crop:4, or affine:turn=10,elastic, or noise:0.1",
       &o.augment},
      {"--columns", "N", "samples in a row of the picture", &o.columns, false, {}, 1, 100},
      {"--rows", "N", "rows of the picture, at most; 0: one a class, at most 20", &o.rows, false, {}, 0, 1000},
      {"--tile", "N", "pixels a sample; 0: as suits the pictures", &o.tile, false, {}, 0, 1024},
      {"--limit", "N", "measure only N samples, spread over the set; 0: all", &o.limit, false, {}, 0, 1e15},
      {"--all", "", "show every class and feature", &o.all},
      {"--skip-broken", "", "leave out pictures that are missing or cannot be read, and say how many", &o.skip_broken}};
}

Report run(const Context& context, const DataOptions& options) {
  std::vector<Augmentation> steps = parse_augmentations(options.augment);
  require(steps.empty() || !options.output.empty(), ErrorKind::usage,
          "--augment changes what is drawn; it needs -o FILE");
  const std::unique_ptr<Dataset> set = open_data(options.data, {options.split, options.skip_broken});
  const SetStatistics statistics = set_statistics(*set, options.limit, options.skip_broken);
  const std::vector<ClassCount> classes = class_counts(*set);
  Report report;
  report.text = fmt::format("{} ({}): {} {}, {} classes\n\n", coloured(printable(options.data), Ink::bold),
                            printable(set->description()), set->size(), shape_text(statistics), classes.size());
  report.text += class_text(classes, set->size(), options.all) + "\n";
  report.text += value_text(statistics, value_names(*set, statistics), options.all);
  if (!statistics.skipped.empty()) report.text += "\n" + skipped_text(statistics.skipped, options.all);
  Json json = result_json(options, *set, statistics, classes);
  if (!options.output.empty()) {
    if (statistics.pictures) fit_colours(steps, *set);
    SheetOptions how;
    how.columns = static_cast<int>(options.columns);
    how.rows = static_cast<int>(options.rows);
    how.tile = static_cast<int>(options.tile);
    how.augmentations = steps;
    how.seed = context.seed;
    how.skip_broken = options.skip_broken;
    const Image sheet =
        statistics.pictures ? picture_sheet(*set, statistics, how) : scatter_sheet(*set, statistics, how);
    writing([&] { write_image(options.output, sheet); });
    report.files.emplace_back(options.output);
    report.text += fmt::format("\ndrawn in {}\n", options.output);
    json["output"] = options.output;
  }
  report.set_json(json);
  return report;
}

Command data_command() {
  return make_command<DataOptions>(
      "data", "what a set of pictures or a table holds",
      "Counts the samples of each class, and measures sizes, means, deviations and the covariance of the colours. With "
      "-o it draws samples of each class side by side, or the points of a table in the colours of their classes; with "
      "--augment every sample as a training run changes it, epoch after epoch.",
      {{"fovea data mnist/ -o digits.png", "the digits of the training set, a row a class"},
       {"fovea data cifar10/ --augment flip,crop:4,cutout:8 -o changed.png", "what a recipe does to pictures"},
       {"fovea data \"drawn:spirals?noise=0.1\" -o spirals.png", "two spirals as points"},
       {"fovea data \"table.csv#label=Species\" --json", "a table whose classes stand in a column, for a program"}},
      run);
}

}  // namespace fovea
