#include "fovea/commands/atlas_layer.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fovea/image/codec.h"
#include "fovea/image/draw.h"
#include "fovea/image/geometry.h"
#include "fovea/image/resize.h"
#include "fovea/insight/filters.h"
#include "fovea/insight/maximisation.h"
#include "fovea/insight/projection.h"
#include "fovea/insight/unit_inputs.h"
#include "fovea/model/conventions.h"
#include "fovea/model/labels.h"
#include "fovea/model/preprocess.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

constexpr int kLargestTile = 96, kLosslessTile = 40;  // pixels; larger tiles are JPEGs
constexpr size_t kInputs = 8, kClasses = 5;
constexpr int64_t kMaximaAtOnce = 32;
// The preset's steps and their size, and the largest that keeps colours from burning out.
constexpr double kSteps = 512, kRate = 0.05, kLargestRate = 0.1;
constexpr Rgb kAround{0x80, 0x80, 0x80};  // where a picture ends before the unit's field does

// "pictures/conv1/7-patches.png"; makes the folder.
std::string picture_name(const AtlasSource& source, const AtlasLayer& layer, int64_t unit, const char* what,
                         bool lossless) {
  writing([&] { make_folder(source.folder / "pictures" / layer.slug); });
  return fmt::format("pictures/{}/{}-{}.{}", layer.slug, unit, what, lossless ? "png" : "jpg");
}

// A patch or a projection on a square of the plate, made smaller where it has to be.
void draw_tile(Image& plate, Image image, int side, double scale, int column, int row) {
  if (scale < 1)
    image = resize(image, std::max(1, static_cast<int>(std::lround(image.width() * scale))),
                   std::max(1, static_cast<int>(std::lround(image.height() * scale))), Filter::bilinear);
  draw_image(plate, image, column * side + (side - image.width()) / 2, row * side + (side - image.height()) / 2);
}

// The plates of a layer's units, picture after picture: a projection needs its picture prepared once.
class Plates {
 public:
  Plates(const AtlasSource& source, size_t index, const TopPatches& found, AtlasLayer& layer)
      : source_(source), found_(found), layer_(layer) {
    const int64_t field = std::max(found.field_height, found.field_width);
    side_ = static_cast<int>(std::clamp<int64_t>(field, 1, kLargestTile));
    scale_ = std::min(1.0, static_cast<double>(side_) / static_cast<double>(std::max<int64_t>(field, 1)));
    try {
      projector_.emplace(source.model, source.model.graph.node(source.values[index]).name, "deconvnet",
                         BatchLimits{source.options.patches, static_cast<size_t>(source.options.memory) << 20},
                         *source.engine.backend, source.engine.compile_options);
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::unsupported) throw;
      why_not_ = e.message();
    }
  }

  const std::string& why_not() const { return why_not_; }

  void write(const Context& context, int64_t done, int64_t total) {
    for (const UnitPatches& unit : found_.units) {
      if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
      context.report({"patches of " + layer_.name, done + unit.unit, total, ""});
      AtlasUnit& to = layer_.units[static_cast<size_t>(unit.unit)];
      if (unit.patches.empty()) continue;
      to.projected = projector_.has_value();
      to.plate = picture_name(source_, layer_, unit.unit, "patches", side_ <= kLosslessTile);
      const Image made = plate(context, unit);
      writing([&] { write_image(source_.folder / to.plate, made); });
    }
  }

 private:
  Image plate(const Context& context, const UnitPatches& unit) {
    const Preprocess& how = *source_.model.meaning.preprocess;
    const int count = static_cast<int>(unit.patches.size());
    Image plate = blank(side_ * count, side_ * (projector_ ? 2 : 1), kAround);
    std::vector<UnitAt> places;
    std::vector<Tensor> inputs;  // the unit's pictures are projected together
    for (int k = 0; k < count; ++k) {
      const TopPatch& patch = unit.patches[static_cast<size_t>(k)];
      const Image fitted = fit_picture(source_.pictures->get(patch.sample).image, how);
      if (patch.rows.begin < patch.rows.end && patch.columns.begin < patch.columns.end)
        draw_tile(plate,
                  crop(fitted, static_cast<int>(patch.columns.begin), static_cast<int>(patch.rows.begin),
                       static_cast<int>(patch.columns.end - patch.columns.begin),
                       static_cast<int>(patch.rows.end - patch.rows.begin)),
                  side_, scale_, k, 0);
      places.push_back({unit.unit, patch.y, patch.x, patch.score, patch.rows, patch.columns});
      if (projector_) inputs.push_back(normalise(fitted, how));
    }
    if (!projector_) return plate;
    const std::vector<Tensor> projections = projector_->project(context, inputs, places);
    for (int k = 0; k < count; ++k) {
      const UnitAt& at = places[static_cast<size_t>(k)];
      if (at.rows.begin >= at.rows.end || at.columns.begin >= at.columns.end) continue;
      draw_tile(plate, projection_image(projections[static_cast<size_t>(k)], how, at.rows, at.columns), side_, scale_,
                k, 1);
    }
    return plate;
  }

  const AtlasSource& source_;
  const TopPatches& found_;
  AtlasLayer& layer_;
  int side_ = 1;
  double scale_ = 1;
  std::optional<Projector> projector_;
  std::string why_not_;
};

void add_filters(const AtlasSource& source, AtlasLayer& layer) {
  const auto first = first_layer(source.model);
  if (!first) return;
  const std::string& name = source.model.graph.node(first->node).name;
  if (layer.name != name && std::find(layer.also.begin(), layer.also.end(), name) == layer.also.end()) return;
  const std::vector<Image> images = filter_images(*first, source.model.meaning.preprocess->colour);
  for (size_t u = 0; u < std::min(images.size(), layer.units.size()); ++u) {
    layer.units[u].filter = picture_name(source, layer, static_cast<int64_t>(u), "filter", true);
    writing([&] { write_image(source.folder / layer.units[u].filter, images[u]); });
  }
}

// The greatest few above 0, or the least few below.
std::vector<AtlasClass> few(const std::vector<ClassShare>& shares, bool above, const std::vector<std::string>& names) {
  std::vector<AtlasClass> result;
  const auto take = [&](const ClassShare& s) {
    if (result.size() < kClasses && std::isfinite(s.share) && (above ? s.share > 0 : s.share < 0))
      result.push_back({class_name(names, s.label), s.share});
  };
  if (above) std::for_each(shares.begin(), shares.end(), take);
  else std::for_each(shares.rbegin(), shares.rend(), take);
  return result;
}

std::vector<float> one_hot(int64_t units, int64_t unit) {
  std::vector<float> selection(static_cast<size_t>(units), 0.0f);
  selection[static_cast<size_t>(unit)] = 1;
  return selection;
}

}  // namespace

void write_atlas_layer(const AtlasSource& source, const AtlasLayer& layer) {
  const fs::path folder = source.folder / "layers";
  writing([&] {
    make_folder(folder);
    write_file(folder / (layer.slug + ".json"), std::string_view(json_text(atlas_json(layer))));
  });
}

void add_answers(const Context& context, const AtlasSource& source, size_t index, const TopPatches* found,
                 const ClassUse* use, AtlasLayer& layer) {
  const std::vector<std::string>& names = source.model.meaning.classes;
  const auto inputs = unit_inputs(source.model, source.values, index, kInputs);
  const int64_t units = source.model.graph.shape(source.values[index])[1];
  std::vector<AtlasUnit> before = std::move(layer.units);
  layer.units.assign(static_cast<size_t>(units), {});
  layer.pictures = found ? found->samples : 0;
  for (int64_t u = 0; u < units; ++u) {
    AtlasUnit& unit = layer.units[static_cast<size_t>(u)];
    unit.unit = u;
    if (layer.class_scores && u < static_cast<int64_t>(names.size())) unit.name = class_name(names, u);
    if (static_cast<size_t>(u) < before.size()) {  // pictures made for it do not depend on those it was shown
      unit.maximum = before[static_cast<size_t>(u)].maximum;
      unit.maximum_value = before[static_cast<size_t>(u)].maximum_value;
    }
    for (const UnitInput& i : inputs[static_cast<size_t>(u)])
      unit.inputs.push_back({source.layers[i.layer].slug, i.unit, i.weight, i.norm});
    if (use && !layer.class_scores) {
      const std::vector<ClassShare> shares = use->shares(index, u);
      unit.classes_for = few(shares, true, names);
      unit.against = few(shares, false, names);
    }
  }
  add_filters(source, layer);
  if (!found) return;
  for (const UnitPatches& p : found->units) {
    AtlasUnit& unit = layer.units[static_cast<size_t>(p.unit)];
    unit.mean = p.mean_peak;
    unit.active = static_cast<double>(p.active) / static_cast<double>(std::max<int64_t>(1, found->samples));
    for (const TopPatch& patch : p.patches) {
      const Sample sample = source.pictures->get(patch.sample);
      const std::vector<std::string>& labels = source.pictures->classes();
      const bool known = !labels.empty() && sample.label >= 0 && sample.label < static_cast<int64_t>(labels.size());
      unit.patches.push_back({fs::path(source.pictures->name(patch.sample)).filename().string(),
                              known ? class_name(labels, sample.label) : "", static_cast<double>(patch.score)});
    }
  }
  Plates plates(source, index, *found, layer);
  if (!plates.why_not().empty()) context.note(layer.name + ": no projections: " + plates.why_not());
  plates.write(context, 0, units);
}

void add_maxima(const Context& context, const AtlasSource& source, size_t index, AtlasLayer& layer) {
  std::vector<PictureWish> wishes;
  std::vector<size_t> whose;
  const auto units = static_cast<int64_t>(layer.units.size());
  for (size_t u = 0; u < layer.units.size(); ++u) {
    std::error_code error;
    AtlasUnit& unit = layer.units[u];
    if (!unit.maximum.empty() && fs::exists(source.folder / unit.maximum, error)) continue;
    wishes.push_back({std::to_string(u), u, one_hot(units, unit.unit)});
    whose.push_back(u);
  }
  if (wishes.empty()) return;
  const UnitLayer of = unit_layer(source.model, source.model.graph.node(source.values[index]).name);
  MaximisationSettings settings;
  settings.steps = source.options.steps;
  if (settings.steps > 0)
    settings.rate = std::clamp(kRate * std::sqrt(kSteps / static_cast<double>(settings.steps)), kRate, kLargestRate);
  const auto wanted = static_cast<int64_t>(wishes.size()), rounds = (wanted + kMaximaAtOnce - 1) / kMaximaAtOnce;
  const int64_t at_once = (wanted + rounds - 1) / rounds;  // no round is much emptier than the others
  std::unique_ptr<Maximisation> maker;
  for (int64_t batch = at_once;; batch = (batch + 1) / 2) {
    maker = std::make_unique<Maximisation>(source.model, selected_units(of), settings, batch);
    if (batch == 1 || maker->memory_estimate() <= static_cast<size_t>(source.options.memory) << 20) break;
  }
  maker->prepare(*source.engine.backend, source.engine.compile_options);
  for (size_t first = 0; first < wishes.size();) {
    const size_t count = std::min(wishes.size() - first, static_cast<size_t>(at_once));
    Context quiet = context;
    quiet.progress = {};
    context.report({"pictures for " + layer.name, units - static_cast<int64_t>(wishes.size() - first), units, ""});
    const std::vector<PictureWish> some(wishes.begin() + static_cast<std::ptrdiff_t>(first),
                                        wishes.begin() + static_cast<std::ptrdiff_t>(first + count));
    const std::vector<MadePicture> made = (*maker)(quiet, some);
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    for (size_t k = 0; k < made.size(); ++k) {
      AtlasUnit& unit = layer.units[whose[first + k]];
      unit.maximum = picture_name(source, layer, unit.unit, "maximum", made[k].image.width() <= kLosslessTile);
      unit.maximum_value = made[k].answer;
      writing([&] { write_image(source.folder / unit.maximum, made[k].image); });
    }
    write_atlas_layer(source, layer);
    first += count;
  }
}

}  // namespace fovea
