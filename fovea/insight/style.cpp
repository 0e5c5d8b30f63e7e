#include "fovea/insight/style.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "fovea/base/nearest.h"
#include "fovea/image/resize.h"
#include "fovea/insight/feature_network.h"
#include "fovea/insight/parametrisation.h"
#include "fovea/insight/picture_levels.h"
#include "fovea/insight/unit_layers.h"
#include "fovea/model/layers.h"

namespace fovea {

struct StyleTransfer::Parts {
  Model model;
  StyleSettings settings;
  Image content;
  std::vector<StyleInput> styles;
  SynthesisEngine engine;
  std::vector<double> layer_weights;
  std::vector<SynthesisStage> stages;

  const Preprocess& how() const { return *model.meaning.preprocess; }
  bool masked() const { return !styles[0].mask.empty(); }
  TilingSettings tiling(const SynthesisStage& stage) const;
  CompileOptions capture_options() const;
  bool scaled = false;  // see StyleSettings::as_vgg
  double style_scale(size_t layer, const MapSums& target) const;
  double content_scale(const Tensor& target) const;
  double variation() const { return settings.variation_weight * settings.variation_factor; }
  Tensor region(const StyleInput& style, const std::string& layer, const SynthesisStage& stage) const;
  std::vector<std::vector<MapSums>> style_sums(const Context& context, const SynthesisStage& stage) const;
  std::vector<LossTerm> content_terms(const Context& context, const SynthesisStage& stage) const;
  std::vector<LossTerm> style_terms(const std::vector<std::vector<MapSums>>& sums, const SynthesisStage& stage) const;
  void finish(std::vector<LossTerm>& terms) const;
  StageLoss loss(const Context& context, const SynthesisStage& stage) const;
};

namespace {

// find_layer, which says what else there is.
Value named_layer(const Model& model, const std::string& name) {
  try {
    return find_layer(model, name);
  } catch (const Error& e) {
    std::vector<std::string> names;
    for (const Value layer : unit_layers(model))
      if (model.graph.shape(layer).rank() == 4) names.push_back(model.graph.node(layer).name);
    if (names.empty()) throw;
    constexpr size_t kMost = 5;  // spread over the depth
    std::vector<std::string> some;
    for (size_t k = 0; k < std::min(kMost, names.size()); ++k)
      some.push_back(names[k * (names.size() - 1) / std::max<size_t>(1, std::min(kMost, names.size()) - 1)]);
    fail(e.kind(), "{}; it has {}{}", e.message(), fmt::join(some, ", "), names.size() > kMost ? " and others" : "");
  }
}

void check_layers(const Model& model, const std::vector<std::string>& layers, const char* what) {
  require(!layers.empty(), ErrorKind::usage, "no layers for {}", what);
  for (const std::string& name : layers) {
    const Shape& shape = model.graph.shape(named_layer(model, name));
    require(shape.rank() == 4, ErrorKind::usage, "layer {} is {}, expected maps [N,C,H,W] for {}", name,
            to_string(shape), what);
  }
}

std::vector<double> layer_weights(const StyleSettings& s) {
  std::vector<double> weights = s.style_layer_weights;
  if (weights.empty()) weights.assign(s.style_layers.size(), 1);
  // Presets have one for each of five layers; of fewer layers the deepest weights are left out.
  if (weights.size() > s.style_layers.size() && s.style_layer_weights == style_preset(s.preset).style_layer_weights)
    weights.resize(s.style_layers.size());
  require(weights.size() == s.style_layers.size(), ErrorKind::usage,
          "{} weights for {} style layers ({}): expected one each", weights.size(), s.style_layers.size(),
          fmt::join(s.style_layers, ", "));
  const double sum = std::accumulate(weights.begin(), weights.end(), 0.0);
  require(sum > 0 && std::all_of(weights.begin(), weights.end(), [](double w) { return w >= 0; }), ErrorKind::usage,
          "the weights of the style layers are {}, expected numbers from 0 on, not all 0", fmt::join(weights, ", "));
  if (s.share_weights)
    for (double& w : weights) w /= sum;
  return weights;
}

void check_styles(const std::vector<StyleInput>& styles) {
  require(!styles.empty(), ErrorKind::usage, "no style picture was given");
  const auto masks = std::count_if(styles.begin(), styles.end(), [](const StyleInput& s) { return !s.mask.empty(); });
  require(masks == 0 || masks == static_cast<int64_t>(styles.size()), ErrorKind::usage,
          "{} masks for {} style pictures: expected one each, or none", masks, styles.size());
  for (const StyleInput& s : styles)
    require(s.share > 0 && std::isfinite(s.share), ErrorKind::usage, "{}: the style's weight is {}, expected above 0",
            s.name, s.share);
}

// Sizes growing by √2 up to the last one.
std::vector<SynthesisStage> stages_of(const StyleSettings& s, const Image& content) {
  std::vector<int64_t> sizes = {s.size};
  for (int k = 1; s.first_size > 0; ++k) {
    const int64_t size = std::llround(static_cast<double>(s.size) / std::pow(2.0, k / 2.0));
    if (size < s.first_size || size < 2) break;
    sizes.insert(sizes.begin(), size);
  }
  std::vector<SynthesisStage> stages;
  for (const int64_t size : sizes) {
    const PictureSize fit = fitted_size(content, size);
    const bool first = stages.empty() && s.first_size > 0 && s.first_steps > 0;
    stages.push_back({fit.height, fit.width, first ? s.first_steps : s.steps});
  }
  return stages;
}

double mean_square(const MapSums& sums) {
  double trace = 0;
  const auto products = sums.products.data<double>();
  for (int64_t c = 0; c < sums.channels; ++c) trace += products[static_cast<size_t>(c * (sums.channels + 1))];
  return trace / (static_cast<double>(sums.channels) * sums.positions);
}

double mean_square(const Tensor& maps) {
  double sum = 0;
  for (const float v : maps.data<float>()) sum += static_cast<double>(v) * static_cast<double>(v);
  return sum / static_cast<double>(maps.count());
}

bool has_vgg_layers(const Model& model) {
  try {
    for (const char* name : {"relu1_1", "relu5_1"}) find_layer(model, name);
    return true;
  } catch (const Error&) { return false; }
}

// Mean squares of what VGG-19 (its published weights) answers to photographs and paintings of 256 pixels, and channels,
// at relu1_1, relu2_1 … relu5_1; and the mean square at relu4_2. Rounded: pictures differ by a factor of two.
constexpr std::array<double, 5> kVggSquares = {2e3, 5e4, 9e4, 9e5, 1.6e4}, kVggChannels = {64, 128, 256, 512, 512};
constexpr double kVggContent = 5.5e5;

}  // namespace

double StyleTransfer::Parts::style_scale(size_t layer, const MapSums& target) const {
  const double square = settings.relative || scaled ? mean_square(target) : 0;
  if (!(square > 0)) return 1;
  // The distances of w2 grow as square, those of Gram matrices as its square; johnson divides these by N² besides.
  const bool johnson = settings.style_form == "johnson";
  const auto channels = static_cast<double>(target.channels);
  if (settings.relative)
    return settings.style_form == "w2" ? 1 / square : (johnson ? channels * channels : 1) / (square * square);
  const size_t k = std::min(layer, kVggSquares.size() - 1);
  const double ratio = kVggSquares[k] / square, width = johnson ? channels / kVggChannels[k] : 1;
  return settings.style_form == "w2" ? ratio : ratio * ratio * width * width;
}

double StyleTransfer::Parts::content_scale(const Tensor& target) const {
  const double square = settings.relative || scaled ? mean_square(target) : 0;
  if (!(square > 0)) return 1;
  return (settings.relative ? 1 : kVggContent) / square;
}

TilingSettings StyleTransfer::Parts::tiling(const SynthesisStage& stage) const {
  const int64_t count = level_channels(how()) * stage.height * stage.width;
  return {.memory = engine.memory, .held = settings.rule.bytes(count), .tile = engine.tile};
}

// Targets are computed once each, so nothing is measured for them: the same choices in every run.
CompileOptions StyleTransfer::Parts::capture_options() const {
  CompileOptions options;
  options.exact = engine.options.exact;
  options.bf16 = engine.options.bf16;
  options.level = engine.options.level;
  options.tune = false;
  return options;
}

// A style's mask at a layer's positions: T with T² the share of the mask that lies over each position.
Tensor StyleTransfer::Parts::region(const StyleInput& style, const std::string& layer,
                                    const SynthesisStage& stage) const {
  if (style.mask.empty()) return {};
  const LayerSize size = layer_size(model, layer, stage.height, stage.width);
  const Image grey = style.mask.to_grey();
  std::vector<float> plane;
  for (int y = 0; y < grey.height(); ++y)
    for (int x = 0; x < grey.width(); ++x)
      plane.push_back(static_cast<float>(grey.at(x, y, 0)) / (grey.depth() == 16 ? 65535.0f : 255.0f));
  plane = resize_plane(plane, grey.width(), grey.height(), static_cast<int>(size.width), static_cast<int>(size.height),
                       Filter::box);
  Tensor region(DType::f32, {1, 1, size.height, size.width});
  const auto out = region.data<float>();
  float most = 0;
  for (size_t i = 0; i < plane.size(); ++i) {
    out[i] = std::sqrt(std::clamp(plane[i], 0.0f, 1.0f));
    most = std::max(most, out[i]);
  }
  require(most > 0, ErrorKind::usage, "the mask of {} is black everywhere at layer {} ({}x{} positions)", style.name,
          layer, size.width, size.height);
  return region;
}

// For each style and each layer.
std::vector<std::vector<MapSums>> StyleTransfer::Parts::style_sums(const Context& context,
                                                                   const SynthesisStage& stage) const {
  const int64_t longest = std::max(stage.height, stage.width);
  std::vector<CapturedLayer> layers;
  for (const std::string& name : settings.style_layers) layers.push_back({.layer = name});
  std::vector<std::vector<MapSums>> result;
  for (const StyleInput& style : styles) {
    int64_t size = std::llround(std::ceil(static_cast<double>(longest) * settings.style_scale - 1e-9));
    if (!settings.enlarge_style)
      size = std::min<int64_t>(size, std::max(style.picture.width(), style.picture.height()));
    const Image picture = fitted(style.picture, fitted_size(style.picture, std::max<int64_t>(size, 1)));
    std::vector<MapSums> sums;
    try {
      for (Captured& c : capture(context, model, picture_levels(picture, how(), settings.factor), layers,
                                 *engine.backend, capture_options(), tiling(stage)))
        sums.push_back(std::move(c.sums));
    } catch (const Error& e) {
      fail(e.kind(), "{} at {}x{} pixels: {}{}", style.name, picture.width(), picture.height(), e.message(),
           e.kind() == ErrorKind::usage && !context.cancelled() ? "; a larger style picture, or fewer and shallower "
                                                                  "layers for the style, would do"
                                                                : "");
    }
    result.push_back(std::move(sums));
  }
  return result;
}

std::vector<LossTerm> StyleTransfer::Parts::content_terms(const Context& context, const SynthesisStage& stage) const {
  std::vector<LossTerm> terms;
  if (settings.content_weight == 0) return terms;
  std::vector<CapturedLayer> layers;
  for (const std::string& name : settings.content_layers)
    layers.push_back({.layer = name, .maps = true, .sums = false});
  const Tensor levels = picture_levels(fitted(content, {stage.width, stage.height}), how(), settings.factor);
  const std::vector<Captured> targets =
      capture(context, model, levels, layers, *engine.backend, capture_options(), tiling(stage));
  const double each = settings.content_weight / static_cast<double>(settings.share_weights ? layers.size() : 1);
  for (size_t k = 0; k < layers.size(); ++k)
    terms.push_back(
        content_term(layers[k].layer, targets[k].maps, settings.content_form, each * content_scale(targets[k].maps)));
  return terms;
}

std::vector<LossTerm> StyleTransfer::Parts::style_terms(const std::vector<std::vector<MapSums>>& sums,
                                                        const SynthesisStage& stage) const {
  std::vector<double> shares;
  double share_sum = 0;
  for (const StyleInput& s : styles) shares.push_back(s.share), share_sum += s.share;
  std::vector<LossTerm> terms;
  const auto add = [&](size_t layer, const MapSums& target, double share, const Tensor& region,
                       const std::string& suffix) {
    const double weight = settings.style_weight * layer_weights[layer] * share * style_scale(layer, target);
    if (weight == 0) return;
    terms.push_back(style_term(settings.style_layers[layer], target, settings.style_form, weight, region));
    terms.back().name += suffix;
  };
  for (size_t l = 0; l < settings.style_layers.size(); ++l) {
    if (!masked()) {
      std::vector<MapSums> of_layer;
      for (const auto& one : sums) of_layer.push_back(one[l]);
      add(l, blended(of_layer, shares), 1, {}, "");
      continue;
    }
    for (size_t k = 0; k < styles.size(); ++k)
      add(l, sums[k][l], shares[k] / share_sum * static_cast<double>(styles.size()),
          region(styles[k], settings.style_layers[l], stage), fmt::format(" ({})", k + 1));
  }
  return terms;
}

// What all terms share, and those of the picture itself.
void StyleTransfer::Parts::finish(std::vector<LossTerm>& terms) const {
  for (LossTerm& term : terms) term.normalise_gradient = settings.normalised_gradients;
  if (variation() > 0) terms.push_back(total_variation_term({.form = settings.variation_form}, variation()));
  require(!terms.empty(), ErrorKind::usage, "all weights are 0: there is nothing to optimise");
}

StageLoss StyleTransfer::Parts::loss(const Context& context, const SynthesisStage& stage) const {
  std::vector<LossTerm> terms = content_terms(context, stage);
  if (settings.style_weight > 0)
    for (LossTerm& term : style_terms(style_sums(context, stage), stage)) terms.push_back(std::move(term));
  finish(terms);
  StageLoss result;
  result.loss = std::make_unique<PictureLoss>(model, std::move(terms), stage.height, stage.width, tiling(stage));
  result.loss->prepare(*engine.backend, engine.options);
  return result;
}

StyleTransfer::StyleTransfer(const Context& context, const Model& model, StyleSettings settings, Image content,
                             std::vector<StyleInput> styles, SynthesisEngine engine)
    : parts_(std::make_unique<Parts>()) {
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input: say it with --preprocess");
  check_styles(styles);
  const StyleLayers layers = style_layers_of(model, settings);
  settings.style_layers = layers.style;
  settings.content_layers = layers.content;
  check_layers(model, settings.style_layers, "style");
  check_layers(model, settings.content_layers, "content");
  require(settings.size >= 1 && settings.style_scale > 0, ErrorKind::usage,
          "a picture of {} pixels, styles {} times that", settings.size, settings.style_scale);
  require(settings.start == "content" || settings.start == "noise" || settings.start == "grey", ErrorKind::usage,
          "\"{}\" is none of content, noise, grey", settings.start);
  Parts& p = *parts_;
  p.layer_weights = layer_weights(settings);
  p.stages = stages_of(settings, content);
  const SynthesisStage& last = p.stages.back();
  require(static_cast<uint64_t>(last.height) * static_cast<uint64_t>(last.width) <= kMaxPixels, ErrorKind::usage,
          "a result of {}x{} pixels: pictures have at most {} pixels", last.width, last.height, kMaxPixels);
  p.model = model;
  p.settings = std::move(settings);
  p.content = std::move(content);
  p.styles = std::move(styles);
  p.engine = std::move(engine);
  p.scaled = p.settings.as_vgg && !has_vgg_layers(model);
  if (p.scaled)
    context.note(
        fmt::format("preset {}: its weights are for the answers of VGG-19; those of this network are scaled to them",
                    p.settings.preset));
  if (p.settings.normalised_weights) {
    Context whole = context;  // a moment's work: a run that is stopped then has a picture to keep
    whole.cancel = nullptr;
    std::vector<Tensor> pictures = {picture_levels(fitted(p.content, fitted_size(p.content, 256)), p.how())};
    for (const StyleInput& s : p.styles)
      pictures.push_back(picture_levels(fitted(s.picture, fitted_size(s.picture, 256)), p.how()));
    for (const Image& picture : varied_pictures()) pictures.push_back(picture_levels(picture, p.how()));
    std::vector<std::string> looked_at = p.settings.style_layers;
    looked_at.insert(looked_at.end(), p.settings.content_layers.begin(), p.settings.content_layers.end());
    p.model = with_normalised_weights(whole, with_folded_batch_norms(p.model, looked_at), looked_at, pictures,
                                      *p.engine.backend, p.capture_options());
  }
  if (p.settings.pooling == "average") p.model = with_average_pooling(p.model);
  if (p.settings.replicated_edges) p.model = with_replicated_edges(p.model);
}

StyleTransfer::StyleTransfer(StyleTransfer&&) noexcept = default;
StyleTransfer::~StyleTransfer() = default;

StageLoss StyleTransfer::loss(const Context& context, size_t stage) const {
  return parts_->loss(context, parts_->stages.at(stage));
}

const StyleSettings& StyleTransfer::settings() const { return parts_->settings; }
const std::vector<SynthesisStage>& StyleTransfer::stages() const { return parts_->stages; }

// With empty targets of the right sizes.
LossEstimate StyleTransfer::estimate() const {
  const Parts& p = *parts_;
  const SynthesisStage& stage = p.stages.back();
  std::vector<LossTerm> terms;
  if (p.settings.content_weight > 0)
    for (const std::string& name : p.settings.content_layers) {
      const LayerSize size = layer_size(p.model, name, stage.height, stage.width);
      terms.push_back(content_term(name, Tensor(DType::f32, {1, size.channels, size.height, size.width}),
                                   p.settings.content_form, p.settings.content_weight));
    }
  std::vector<MapSums> blank;
  for (const std::string& name : p.settings.style_layers) {
    const int64_t c = layer_size(p.model, name, stage.height, stage.width).channels;
    MapSums sums{c, 1, Tensor(DType::f64, {c, c}), Tensor(DType::f64, {c})};
    for (int64_t i = 0; i < c; ++i) sums.products.data<double>()[static_cast<size_t>(i * (c + 1))] = 1;
    blank.push_back(std::move(sums));
  }
  if (p.settings.style_weight > 0)
    for (LossTerm& term : p.style_terms(std::vector(p.styles.size(), blank), stage)) terms.push_back(std::move(term));
  p.finish(terms);
  return PictureLoss(p.model, std::move(terms), stage.height, stage.width, p.tiling(stage)).estimate();
}

PictureSynthesis StyleTransfer::synthesis(const Context& context, const std::optional<Image>& start,
                                          std::function<void(size_t, const PictureLoss&)> begun) {
  const Parts& p = *parts_;
  PictureSynthesis::Plan plan;
  plan.stages = p.stages;
  plan.rule = p.settings.rule;
  plan.black = bound_levels(p.how(), 0, p.settings.factor);
  plan.white = bound_levels(p.how(), 255, p.settings.factor);
  plan.start = [&p, start, seed = context.seed] {
    const SynthesisStage& first = p.stages[0];
    const StyleSettings& s = p.settings;
    if (start || s.start == "content")
      return picture_levels(fitted(start ? *start : p.content, {first.width, first.height}), p.how(), s.factor);
    const double uniform = s.start == "grey" ? 0.5 : s.noise_uniform > 0.5 ? s.noise_uniform : 0;
    const double wide = s.start == "noise" && uniform == 0 && s.noise_normal == 0 ? 128 : uniform;
    return noise_levels(first.height, first.width, p.how(), wide, s.start == "grey" ? 0 : s.noise_normal,
                        s.start == "grey" || s.noise_around_grey, Rng(seed).fork("start"));
  };
  plan.loss = [&p, &context, begun = std::move(begun)](size_t stage) {
    StageLoss loss = p.loss(context, p.stages[stage]);
    if (begun) {
      loss.loss->measure();
      begun(stage, *loss.loss);
    }
    return loss;
  };
  return PictureSynthesis(std::move(plan));
}

Image StyleTransfer::picture(const Tensor& levels, int depth) const {
  return levels_picture(levels, parts_->how(), parts_->settings.factor, depth);
}

}  // namespace fovea
