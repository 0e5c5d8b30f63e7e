#include "fovea/commands/filters.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>
#include <numeric>

#include "fovea/base/counted.h"
#include "fovea/commands/picture_file.h"
#include "fovea/commands/unit_list.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/image/codec.h"
#include "fovea/insight/dead_units.h"
#include "fovea/insight/filter_bank.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/model/preprocess.h"
#include "fovea/report/caption.h"
#include "fovea/report/filter_plate.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

constexpr int64_t kShownUnits = 64, kShownChannels = 64;  // of a sheet in rows, where nothing is said
constexpr size_t kShownPairs = 10, kShownFilters = 5;

// What is known of the units' answers.
struct Activity {
  bool known = false;
  std::string why_not, probes;
  UnitActivity units;
};

// The pictures that the units are probed with, and what they are.
std::vector<Tensor> probe_inputs(const Context& context, const Model& model, const FiltersOptions& options,
                                 std::string& what) {
  const Preprocess& how = *model.meaning.preprocess;
  if (!options.image.empty()) {
    what = options.image;
    return probes(preprocess(read_image(options.image), how), context.seed);
  }
  what = "a drawn scene";
  const int side = static_cast<int>(std::clamp<int64_t>(std::max(how.crop_height, how.crop_width), 16, 2048));
  const Image scene = draw_scene(drawn_scenes().front(), side, Rng(context.seed).fork("probe"));
  return probes(preprocess(scene, how), context.seed);
}

// Runs the network up to the filters' rectifier on a picture, its mirror image, its negative and noise.
Activity activity_of(const Context& context, const Model& model, const FilterBank& bank,
                     const FiltersOptions& options) {
  Activity result;
  if (bank.rectifier < 0) {
    result.why_not = "no rectifier follows the filters, so their units are never off";
    return result;
  }
  if (!model.meaning.preprocess || model.meaning.input.empty()) {
    result.why_not = "it is not known how pictures become this network's input";
    return result;
  }
  Model cut = model;
  cut.meaning.scores = "probed";
  cut.graph.outputs = {{cut.meaning.scores, {bank.rectifier, 0}}};
  const Engine engine(options.engine);
  const std::vector<Tensor> inputs = probe_inputs(context, model, options, result.probes);
  for (UnitActivity& layer : unit_activity(cut, inputs, *engine.backend, engine.compile_options))
    if (layer.node == bank.rectifier) result.units = std::move(layer), result.known = true;
  if (!result.known) result.why_not = "its rectifier's units are not those of the filters";
  return result;
}

struct Found {
  FilterBank bank;
  std::vector<FilterStatistics> statistics;
  std::vector<FilterPair> pairs;
  Activity activity;
  std::vector<int64_t> order;  // all filters, as sorted
  int64_t count() const { return bank.weight.size(0); }
};

std::vector<int64_t> sorted(const Found& found, const Tensor& cosines, const std::string& by) {
  std::vector<int64_t> order(static_cast<size_t>(found.count()));
  std::iota(order.begin(), order.end(), int64_t{0});
  const auto norm = [&](int64_t u) { return found.statistics[static_cast<size_t>(u)].norm; };
  const auto stronger = [&](int64_t a, int64_t b) { return norm(a) > norm(b); };
  if (by == "norm") std::stable_sort(order.begin(), order.end(), stronger);
  if (by == "similarity") order = similarity_order(cosines, *std::min_element(order.begin(), order.end(), stronger));
  return order;
}

Found look(const Context& context, const Model& model, const FiltersOptions& options) {
  Found found;
  found.bank = options.layer.empty() ? first_filter_bank(model) : filter_bank(model, find_layer(model, options.layer));
  found.statistics = filter_statistics(found.bank);
  const Engine engine(options.engine);
  const Tensor cosines = filter_cosines(found.bank, *engine.backend);
  found.pairs = near_duplicates(cosines, options.alike);
  found.order = sorted(found, cosines, options.sort);
  found.activity = activity_of(context, model, found.bank, options);
  return found;
}

std::string shape_text(const FilterBank& bank) {
  const Tensor& w = bank.weight;
  std::string text = fmt::format("{} of {} x {} on {}", counted(w.size(0), "filter"), w.size(2), w.size(3),
                                 counted(w.size(1), "channel"));
  if (bank.groups > 1) text += fmt::format(" each, in {} groups", bank.groups);
  return text;
}

struct Sheet {
  Image image;
  std::string caption;
};

// The sheet, and what is on it of what there is.
Sheet sheet_of(const Model& model, const Found& found, const FiltersOptions& options) {
  const Tensor& w = found.bank.weight;
  FilterPlateOptions how;
  how.rows = !found.bank.colour() && w.size(1) > 1;
  how.bgr = model.meaning.preprocess && model.meaning.preprocess->colour == "bgr";
  how.scale = filter_scale(!options.scale.empty() ? options.scale : how.rows ? "zero" : "own");
  how.map = !options.colours.empty()         ? colour_map(options.colours)
            : how.scale == FilterScale::zero ? ColourMap::diverging
                                             : ColourMap::grey;
  how.columns = static_cast<int>(options.columns);
  how.zoom = static_cast<int>(options.zoom);
  how.gap = static_cast<int>(options.gap);
  how.numbers = options.numbers;
  const int64_t most = how.rows ? kShownUnits : found.count();
  const bool chosen = !options.units.empty();
  if (chosen) {
    const auto wanted = unit_list(options.units, found.count(), "filters of layer " + found.bank.name);
    for (const int64_t u : options.sort == "number" ? wanted : found.order)
      if (std::find(wanted.begin(), wanted.end(), u) != wanted.end()) how.units.push_back(u);
  } else {
    how.units.assign(found.order.begin(),
                     found.order.begin() + static_cast<std::ptrdiff_t>(std::min(most, found.count())));
  }
  if (how.rows)
    how.channels = options.channels.empty()
                       ? first_units(w.size(1), kShownChannels)
                       : unit_list(options.channels, w.size(1), "input channels of layer " + found.bank.name);
  const FilterPlate plate = filter_plate(found.bank, how);
  std::string text =
      fmt::format("{}, {}: {}", printable(model.meaning.name), printable(found.bank.name), shape_text(found.bank));
  const auto shown = static_cast<int64_t>(how.units.size()), channels = static_cast<int64_t>(how.channels.size());
  if (how.rows) text += "; a row a filter, a cell an input channel";
  if (shown < found.count()) text += fmt::format("; {} of {} filters are shown", shown, found.count());
  if (how.rows && channels < w.size(1)) text += fmt::format("; {} of {} channels are shown", channels, w.size(1));
  if (options.sort == "norm") text += "; the greatest norm first";
  if (options.sort == "similarity") text += "; neighbours are alike";
  text += "; " + plate.scale + ".";
  return {options.plain ? plate.image : with_caption(plate.image, text), text};
}

std::string listed(const std::vector<int64_t>& units, bool all) {
  if (units.empty()) return "none";
  const size_t shown = all ? units.size() : std::min<size_t>(20, units.size());
  std::string text =
      fmt::format("{}", fmt::join(units.begin(), units.begin() + static_cast<std::ptrdiff_t>(shown), ", "));
  return shown < units.size() ? fmt::format("{} and {} more (--all)", text, units.size() - shown) : text;
}

std::vector<int64_t> negligible(const Found& found) {
  std::vector<int64_t> units;
  for (int64_t u = 0; u < found.count(); ++u)
    if (found.statistics[static_cast<size_t>(u)].negligible) units.push_back(u);
  return units;
}

std::string norms_text(const Found& found, bool all) {
  std::vector<int64_t> order(static_cast<size_t>(found.count()));
  std::iota(order.begin(), order.end(), int64_t{0});
  std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
    return found.statistics[static_cast<size_t>(a)].norm > found.statistics[static_cast<size_t>(b)].norm;
  });
  Table table({{"filter", true}, {"norm", true}, {"mean", true}, {"least", true}, {"greatest", true}, {""}});
  const double most = found.statistics[static_cast<size_t>(order[0])].norm;
  const bool cut = !all && order.size() > 2 * kShownFilters + 1;
  for (size_t i = 0; i < order.size(); ++i) {
    if (cut && i >= kShownFilters && i + kShownFilters < order.size()) {
      if (i == kShownFilters) table.add({"...", fmt::format("{} more", order.size() - 2 * kShownFilters)});
      continue;
    }
    const FilterStatistics& s = found.statistics[static_cast<size_t>(order[i])];
    table.add({fmt::format("{}", order[i]), fmt::format("{:.4g}", s.norm), fmt::format("{:.3g}", s.mean),
               fmt::format("{:.3g}", s.least), fmt::format("{:.3g}", s.greatest),
               coloured(bar(most > 0 ? s.norm / most : 0, 20), Ink::blue)});
  }
  return table.text();
}

std::string pairs_text(const Found& found, const FiltersOptions& options) {
  if (found.pairs.empty())
    return fmt::format("near duplicates (cosine of {:g} or more, up to sign): none\n", options.alike);
  std::string text = fmt::format("near duplicates (cosine of {:g} or more, up to sign): {}\n", options.alike,
                                 counted(found.pairs.size(), "pair"));
  const size_t shown = options.all ? found.pairs.size() : std::min(kShownPairs, found.pairs.size());
  for (size_t i = 0; i < shown; ++i)
    text += fmt::format("  {} and {}  {:+.4f}\n", found.pairs[i].a, found.pairs[i].b, found.pairs[i].cosine);
  if (shown < found.pairs.size()) text += fmt::format("  and {} more (--all)\n", found.pairs.size() - shown);
  return text;
}

std::string result_text(const Model& model, const Found& found, const FiltersOptions& options) {
  const Activity& a = found.activity;
  std::string text = fmt::format("{}, {}: {}\n\n", coloured(printable(model.meaning.name), Ink::bold),
                                 coloured(printable(found.bank.name), Ink::bold), shape_text(found.bank));
  text += norms_text(found, options.all) + "\n";
  text += fmt::format("next to no weight (a norm of at most 1/10000 of the median): {}\n",
                      listed(negligible(found), options.all));
  int64_t not_finite = 0;
  for (const FilterStatistics& s : found.statistics) not_finite += s.not_finite;
  if (not_finite > 0)
    text += coloured(fmt::format("NaN or infinite: {}, drawn in magenta and left out of all numbers\n",
                                 counted(not_finite, "weight")),
                     Ink::yellow);
  if (a.known)
    text += fmt::format("dead on {}, its mirror image, its negative and noise: {}\n", printable(a.probes),
                        listed(a.units.dead, options.all));
  else text += fmt::format("dead units: {}\n", a.why_not);
  return text + pairs_text(found, options);
}

Json result_json(const Model& model, const Found& found, const FiltersOptions& options) {
  const FilterBank& bank = found.bank;
  Json filters = Json::array(), pairs = Json::array();
  for (const int64_t u : found.order) {
    const FilterStatistics& s = found.statistics[static_cast<size_t>(u)];
    filters.push_back({{"unit", u},
                       {"norm", s.norm},
                       {"mean", s.mean},
                       {"least", s.least},
                       {"greatest", s.greatest},
                       {"negligible", s.negligible},
                       {"not_finite", s.not_finite}});
  }
  for (const FilterPair& p : found.pairs) pairs.push_back({{"a", p.a}, {"b", p.b}, {"cosine", p.cosine}});
  Json json = {{"model", printable(model.meaning.name)},
               {"layer", printable(bank.name)},
               {"operator", bank.kind},
               {"shape", std::vector<int64_t>(bank.weight.shape())},
               {"groups", bank.groups},
               {"reads_picture", bank.reads_picture},
               {"sort", options.sort},
               {"filters", filters},
               {"alike", options.alike},
               {"near_duplicates", pairs}};
  if (found.activity.known) {
    json["probe"] = printable(found.activity.probes);
    json["dead"] = found.activity.units.dead;
    json["silent"] = found.activity.units.silent;
  } else {
    json["dead"] = nullptr;
    json["dead_unknown"] = found.activity.why_not;
  }
  return json;
}

}  // namespace

OptionList describe(FiltersOptions& o) {
  const OptionList model = describe(o.model);
  return OptionList{
             model[0],
             {"--layer", "NAME", "the layer whose filters are shown; the first one unless given", &o.layer},
             {"-o,--output", "FILE.png", "write the sheet of filters", &o.output},
             {"--units", "LIST", "filters on the sheet, such as 0-63,70 or all", &o.units},
             {"--channels", "LIST", "input channels on the sheet of a deeper layer, such as 0-63 or all", &o.channels},
             {"--sort",
              "HOW",
              "the order on the sheet: by number, the greatest norm first, or so that neighbours are alike",
              &o.sort,
              false,
              {"number", "norm", "similarity"}},
             {"--scale",
              "HOW",
              "which weights are darkest and brightest: each filter's own least and greatest, one common range, "
              "or as far on both sides of zero; own for patches, zero for deeper layers unless given",
              &o.scale,
              false,
              {"own", "common", "zero"}},
             {"--colours,--colors",
              "MAP",
              "colours of filters that do not read three colours",
              &o.colours,
              false,
              {"grey", "viridis", "magma", "inferno", "diverging"}},
             {"--columns", "N", "patches in a row; 0: as suits", &o.columns, false, {}, 0, 1000},
             {"--zoom", "N", "pixels a weight; 0: as suits", &o.zoom, false, {}, 0, 200},
             {"--gap", "N", "pixels between patches; -1: as suits", &o.gap, false, {}, -1, 100},
             {"--numbers", "", "write each filter's number below it", &o.numbers},
             {"--plain", "", "the sheet without its text: for a paper", &o.plain},
             {"--alike",
              "COSINE",
              "from which cosine on, up to sign, two filters are near duplicates",
              &o.alike,
              false,
              {},
              0.001,
              1},
             {"--image", "PICTURE", "probe the units with this picture, to find dead ones; else with a drawn one",
              &o.image},
             {"--all", "", "list every filter and pair, not only the first ones", &o.all}} +
         OptionList{model.begin() + 1, model.end()} + describe(o.engine);
}

Report run(const Context& context, const FiltersOptions& options) {
  require_picture_output(options.output);
  if (!options.image.empty()) require_file(options.image, "a picture");
  const Model model = open(context, options.model);
  const Found found = look(context, model, options);
  // Said also where no sheet is drawn, on which these numbers would be.
  if (!options.units.empty()) unit_list(options.units, found.count(), "filters of layer " + found.bank.name);
  if (!options.channels.empty())
    unit_list(options.channels, found.bank.weight.size(1), "input channels of layer " + found.bank.name);
  Report report;
  report.text = result_text(model, found, options);
  Json json = result_json(model, found, options);
  if (!options.output.empty()) {
    const Sheet sheet = sheet_of(model, found, options);
    json["caption"] = sheet.caption;
    write_picture(report, json, options.output, sheet.image, sheet.caption);
  }
  report.set_json(json);
  return report;
}

Command filters_command() {
  return make_command<FiltersOptions>(
      "filters", "the weights of a layer as pictures, with their norms, dead units and near duplicates",
      "Draws the filters of the first layer as patches of colour, or those of a deeper layer in rows, a cell an input "
      "channel, each weight a square of pixels. Prints which filters are strongest, next to nothing, dead on a "
      "picture, its mirror image, its negative and noise, or nearly the same as another.",
      {{"fovea filters alexnet.pth -o filters.png", "the well-known plate of the first layer"},
       {"fovea filters resnet18.pth -o filters.png --sort similarity --numbers", "similar ones beside each other"},
       {"fovea filters builtin:cifar10 --layer conv3 -o conv3.png --units 0-31", "a deeper layer, a row a filter"},
       {"fovea filters model.onnx --layer conv2 --json", "norms, dead units and near duplicates for a program"}},
      run);
}

}  // namespace fovea
