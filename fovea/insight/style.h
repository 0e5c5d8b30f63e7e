// Neural style transfer: the content of one picture in the style of others.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/insight/picture_synthesis.h"
#include "fovea/model/model.h"

namespace fovea {

struct StyleSettings {
  std::string preset = "modern";
  // Any names of the network's layers; empty: see style_layers_of.
  std::vector<std::string> content_layers, style_layers;
  std::vector<double> style_layer_weights;  // one a layer; divided by their sum where `share_weights`
  bool share_weights = true;
  double content_weight = 1, style_weight = 1, variation_weight = 0;
  std::string variation_form = "mean";
  double variation_factor = 1;  // multiplies the weight of the total variation of levels: what the preset counts in
  std::string style_form = "gatys", content_form = "gatys";  // see insight/loss_term.h
  // Each layer's terms are divided by the mean square of what it answers to the style (to the content, for content), so
  // that weights mean the same for every network.
  bool relative = false;
  // The weights are for the answers of VGG-19, whatever the network: where it has not VGG-19's layers, each term is
  // scaled to the size that it has there on ordinary pictures, so that the total variation, which no network scales,
  // keeps its place.
  bool as_vgg = false;
  std::string pooling = "max";  // average: see with_average_pooling
  bool normalised_weights = false, replicated_edges = false;
  bool normalised_gradients = false;  // see LossTerm::normalise_gradient
  double factor = 1;                  // of pixels 0..255 before the network's centre colour is subtracted
  PictureRule rule;
  int64_t size = 512;                          // of the result's longer side
  int64_t first_size = 0;                      // 0: one stage; else growing by √2 from about that size
  int64_t steps = 500;                         // of each stage
  int64_t first_steps = 0;                     // of the first of several; 0: the same
  double style_scale = 1;                      // of the style pictures' longer side, in results
  bool enlarge_style = true;                   // also where a style picture is smaller than that
  std::string start = "content";               // content, noise or grey; see also StyleTransfer::synthesis
  double noise_uniform = 0, noise_normal = 0;  // of starts with noise, in levels
  bool noise_around_grey = true;               // else around the network's centre colour
};

// gatys    Gatys, Ecker & Bethge, "Image style transfer using convolutional neural networks", CVPR 2016: content
//          relu4_2 (½ Σ (F − P)²), style relu1_1 … relu5_1 (1/5 each), α/β = 1e-3, from white noise, L-BFGS
// johnson  jcjohnson/neural-style as it comes: mean squared errors, weights 5 and 100, total variation 1e-3 whose
//          gradient only is used, pixels × 256, L-BFGS of 100 pairs without a line search, 1000 steps, from noise
// modern   after crowsonkb/style-transfer-pytorch: sizes growing by √2 from 128, Wasserstein-2 distance of mean and
//          covariance, weights 256:64:16:4:1, content 0.015, total variation 2, Adam of rate 0.02 whose moments grow
//          with the picture, mean of the iterates, edges replicated. With `relative`, because the published weights
//          are for another network's answers.
// Throws Error{usage} for another name.
StyleSettings style_preset(const std::string& name);
const std::vector<std::string>& style_presets();

// The layers that carry style and content: relu1_1 … relu5_1 and relu4_2 where the network has layers of these names,
// style1, style2 … and content where it has those,
// else the first rectified maps of each size, five at most, and the second of the fourth size (or the last there is).
struct StyleLayers {
  std::vector<std::string> style, content;
};
StyleLayers style_layers_of(const Model& model);
// The settings' own layers, and for those not given style_layers_of(model)'s.
StyleLayers style_layers_of(const Model& model, const StyleSettings& settings);

struct StyleInput {
  Image picture;
  double share = 1;  // of the blend, and where there are masks, of its place
  Image mask;        // grey; where this style counts, in the result's geometry; empty: everywhere
  std::string name;  // for messages
};

// What computes and how much memory it may take.
struct SynthesisEngine {
  Backend* backend = nullptr;
  CompileOptions options;
  size_t memory = 0;  // bytes, 0: no limit
  int64_t tile = 0;   // see TilingSettings
};

class StyleTransfer {
 public:
  // Prepares the network. `how` of the model must be known. Throws Error{usage} for settings that do not fit: unknown
  // layers, forms, sizes; masks for some styles only; shares that are not positive.
  StyleTransfer(const Context& context, const Model& model, StyleSettings settings, Image content,
                std::vector<StyleInput> styles, SynthesisEngine engine);
  StyleTransfer(StyleTransfer&&) noexcept;
  ~StyleTransfer();

  const StyleSettings& settings() const;
  const std::vector<SynthesisStage>& stages() const;
  // Of the last and largest stage, before anything is compiled. Throws as PictureLoss.
  LossEstimate estimate() const;

  // The descent, from `start` (scaled to the first stage) where it is given, else as the settings say. It refers to
  // this object and the context. `begun` hears of each stage once it is compiled and its time measured.
  PictureSynthesis synthesis(const Context& context, const std::optional<Image>& start,
                             std::function<void(size_t stage, const PictureLoss&)> begun = {});

  // The loss of a stage, compiled. It refers to this object.
  StageLoss loss(const Context& context, size_t stage) const;

  // Levels as a picture, see levels_picture.
  Image picture(const Tensor& levels, int depth = 8) const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace fovea
