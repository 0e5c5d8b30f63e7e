// A tileable texture is the picture of a plane that repeats: the network sees it with as much of itself around it as
// its deepest layer reaches, and only positions inside count. Units inside never see the zeros beyond that frame, and a
// frame of whole strides keeps every layer's grid: so the loss is that of the endless plane, exactly.
#include "fovea/insight/texture.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "fovea/insight/feature_network.h"
#include "fovea/insight/parametrisation.h"
#include "fovea/insight/picture_levels.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/model/receptive_field.h"

namespace fovea {

struct TextureSynthesis::Parts {
  Model model;
  TextureSettings settings;
  Image source;
  SynthesisEngine engine;
  int64_t wrap = 0, stride = 1;

  const Preprocess& how() const { return *model.meaning.preprocess; }
  TilingSettings tiling() const {
    const int64_t count = level_channels(how()) * settings.height * settings.width;
    return {.memory = engine.memory, .held = settings.rule.bytes(count), .tile = engine.tile};
  }
  Tensor region(const std::string& layer) const;
  std::vector<LossTerm> terms(const std::vector<MapSums>& sums) const;
  std::vector<MapSums> source_sums(const Context& context) const;
  std::unique_ptr<PictureLoss> loss(const std::vector<MapSums>& sums) const {
    return std::make_unique<PictureLoss>(model, terms(sums), settings.height + 2 * wrap, settings.width + 2 * wrap,
                                         tiling());
  }
};

namespace {

constexpr std::array kPublished = {"relu1_1", "pool1", "pool2", "pool3", "pool4"};

// The reach of the layers beyond a position's own pixels, as whole strides of the deepest.
void measure_reach(const Model& model, const std::vector<std::string>& layers, int64_t& wrap, int64_t& stride) {
  const auto fields = receptive_fields(model.graph, picture_input(model));
  double reach = 0, step = 1;
  for (const std::string& name : layers)
    for (const ReceptiveField& f : fields[static_cast<size_t>(find_layer(model, name).node)]) {
      require(!f.whole, ErrorKind::unsupported,
              "layer {} sees the whole picture at every position: such a texture cannot be made tileable", name);
      reach = std::max({reach, -f.offset, f.offset + f.size - f.stride});
      step = std::max(step, f.stride);
    }
  stride = std::llround(step);
  wrap = (static_cast<int64_t>(std::ceil(reach)) + stride - 1) / stride * stride;
}

bool named(const Model& model, std::string_view name) {
  const auto& aliases = model.meaning.aliases;
  return std::any_of(aliases.begin(), aliases.end(), [&](const auto& a) { return a.first == name; }) ||
         std::any_of(model.graph.nodes().begin(), model.graph.nodes().end(),
                     [&](const Node& node) { return node.name == name; });
}

}  // namespace

bool has_published_texture_layers(const Model& model) {
  return std::all_of(kPublished.begin(), kPublished.end(), [&](const char* name) { return named(model, name); });
}

std::vector<std::string> texture_layers_of(const Model& model) {
  if (has_published_texture_layers(model)) return {kPublished.begin(), kPublished.end()};
  return style_layers_of(model).style;
}

Tensor TextureSynthesis::Parts::region(const std::string& layer) const {
  if (wrap == 0) return {};
  const LayerSize size = layer_size(model, layer, settings.height + 2 * wrap, settings.width + 2 * wrap);
  Tensor region(DType::f32, {1, 1, size.height, size.width});
  const int64_t pixels = (settings.height + 2 * wrap) / size.height, top = wrap / pixels;
  require(
      pixels * size.height == settings.height + 2 * wrap && pixels * size.width == settings.width + 2 * wrap &&
          top * pixels == wrap,
      ErrorKind::unsupported,
      "layer {} has {}x{} positions for {}x{} pixels, which are no whole pixels each: such a texture cannot be made "
      "tileable",
      layer, size.width, size.height, settings.width + 2 * wrap, settings.height + 2 * wrap);
  const auto out = region.data<float>();
  for (int64_t y = top; y < top + settings.height / pixels; ++y)
    for (int64_t x = top; x < top + settings.width / pixels; ++x) out[static_cast<size_t>(y * size.width + x)] = 1;
  return region;
}

std::vector<LossTerm> TextureSynthesis::Parts::terms(const std::vector<MapSums>& sums) const {
  std::vector<double> weights = settings.layer_weights;
  if (weights.empty()) weights.assign(settings.layers.size(), 1);
  require(weights.size() == settings.layers.size(), ErrorKind::usage,
          "{} weights for {} layers ({}): expected one each", weights.size(), settings.layers.size(),
          fmt::join(settings.layers, ", "));
  std::vector<LossTerm> terms;
  for (size_t l = 0; l < weights.size(); ++l) {
    double scale = 1;
    if (settings.relative) {
      const auto products = sums[l].products.data<double>();
      double square = 0;
      for (int64_t c = 0; c < sums[l].channels; ++c)
        square += products[static_cast<size_t>(c * (sums[l].channels + 1))];
      square /= static_cast<double>(sums[l].channels) * sums[l].positions;
      if (square > 0) scale = settings.form == "w2" ? square : square * square;
    }
    if (weights[l] != 0)
      terms.push_back(
          style_term(settings.layers[l], sums[l], settings.form, weights[l] / scale, region(settings.layers[l])));
  }
  require(!terms.empty(), ErrorKind::usage, "all weights are 0: there is nothing to optimise");
  return terms;
}

std::vector<MapSums> TextureSynthesis::Parts::source_sums(const Context& context) const {
  std::vector<CapturedLayer> layers;
  for (const std::string& name : settings.layers) layers.push_back({.layer = name});
  CompileOptions options;
  options.exact = engine.options.exact;
  options.bf16 = engine.options.bf16;
  options.level = engine.options.level;
  options.tune = false;
  std::vector<MapSums> sums;
  for (Captured& c : capture(context, model, picture_levels(source, how()), layers, *engine.backend, options, tiling()))
    sums.push_back(std::move(c.sums));
  return sums;
}

TextureSynthesis::TextureSynthesis(const Context& context, const Model& model, TextureSettings settings, Image source,
                                   SynthesisEngine engine)
    : parts_(std::make_unique<Parts>()) {
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input: say it with --preprocess");
  if (settings.layers.empty()) settings.layers = texture_layers_of(model);
  for (const std::string& name : settings.layers) {
    const Shape& shape = model.graph.shape(find_layer(model, name));
    require(shape.rank() == 4, ErrorKind::usage, "layer {} is {}, expected maps [N,C,H,W]", name, to_string(shape));
  }
  require(settings.width >= 1 && settings.height >= 1 &&
              static_cast<uint64_t>(settings.width) * static_cast<uint64_t>(settings.height) <= kMaxPixels,
          ErrorKind::usage, "a result of {}x{} pixels: pictures have at most {} pixels", settings.width,
          settings.height, kMaxPixels);
  Parts& p = *parts_;
  p.settings = std::move(settings);
  p.source = fitted(source, fitted_size(source, p.settings.source_size));
  p.engine = std::move(engine);
  p.model = model;
  if (p.settings.normalised_weights) {
    Context whole = context;  // a moment's work: a run that is stopped then has a picture to keep
    whole.cancel = nullptr;
    CompileOptions options;
    options.tune = false;
    options.exact = p.engine.options.exact;
    std::vector<Tensor> pictures = {picture_levels(p.source, p.how())};
    for (const Image& picture : varied_pictures()) pictures.push_back(picture_levels(picture, p.how()));
    p.model = with_normalised_weights(whole, with_folded_batch_norms(p.model, p.settings.layers), p.settings.layers,
                                      pictures, *p.engine.backend, options);
  }
  if (p.settings.pooling == "average") p.model = with_average_pooling(p.model);
  if (p.settings.tileable) {
    measure_reach(p.model, p.settings.layers, p.wrap, p.stride);
    const auto whole = [&](int64_t side) { return (side + p.stride - 1) / p.stride * p.stride; };
    p.settings.width = whole(p.settings.width);
    p.settings.height = whole(p.settings.height);
  }
}

TextureSynthesis::TextureSynthesis(TextureSynthesis&&) noexcept = default;
TextureSynthesis::~TextureSynthesis() = default;

const TextureSettings& TextureSynthesis::settings() const { return parts_->settings; }
int64_t TextureSynthesis::wrap() const { return parts_->wrap; }
const Image& TextureSynthesis::source() const { return parts_->source; }

LossEstimate TextureSynthesis::estimate() const {
  std::vector<MapSums> blank;
  for (const std::string& name : parts_->settings.layers) {
    const int64_t c = layer_size(parts_->model, name, parts_->settings.height, parts_->settings.width).channels;
    MapSums sums{c, 1, Tensor(DType::f64, {c, c}), Tensor(DType::f64, {c})};
    for (int64_t i = 0; i < c; ++i) sums.products.data<double>()[static_cast<size_t>(i * (c + 1))] = 1;
    blank.push_back(std::move(sums));
  }
  return parts_->loss(blank)->estimate();
}

PictureSynthesis TextureSynthesis::synthesis(const Context& context,
                                             std::function<void(size_t, const PictureLoss&)> begun) {
  const Parts& p = *parts_;
  PictureSynthesis::Plan plan;
  plan.stages = {{p.settings.height, p.settings.width, p.settings.steps}};
  plan.rule = p.settings.rule;
  plan.black = bound_levels(p.how(), 0);
  plan.white = bound_levels(p.how(), 255);
  plan.start = [&p, seed = context.seed] {
    return noise_levels(p.settings.height, p.settings.width, p.how(), p.settings.noise_uniform, 0, true,
                        Rng(seed).fork("start"));
  };
  plan.loss = [&p, &context, begun = std::move(begun)](size_t stage) {
    StageLoss loss;
    loss.loss = p.loss(p.source_sums(context));
    loss.wrap = p.wrap;
    loss.loss->prepare(*p.engine.backend, p.engine.options);
    if (begun) {
      loss.loss->measure();
      begun(stage, *loss.loss);
    }
    return loss;
  };
  return PictureSynthesis(std::move(plan));
}

Image TextureSynthesis::picture(const Tensor& levels, int depth) const {
  return levels_picture(levels, parts_->how(), 1, depth);
}

}  // namespace fovea
