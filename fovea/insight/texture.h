// Texture synthesis: new pictures with the statistics of a texture.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fovea/insight/style.h"

namespace fovea {

// After Gatys, Ecker & Bethge, "Texture synthesis using convolutional neural networks", NIPS 2015: from white noise,
// E_l = 1/(4 N² M²) Σ (G − Ĝ)² at conv1_1, pool1 … pool4 with equal weights, L-BFGS.
struct TextureSettings {
  std::vector<std::string> layers;    // empty: see texture_layers_of
  std::vector<double> layer_weights;  // one a layer; empty: equal
  std::string form = "gatys";         // see style_forms()
  std::string pooling = "average";    // or max
  bool normalised_weights = true;     // see with_normalised_weights
  bool relative = false;              // each layer's term divided by the mean square of its answers, squared
  PictureRule rule;
  int64_t width = 256, height = 256;  // of the result
  int64_t source_size = 256;          // of the source's longer side
  int64_t steps = 300;
  bool tileable = false;  // continues at its opposite edges
  double noise_uniform = 128;
};

// Whether the network has the paper's layers: relu1_1, pool1, pool2, pool3, pool4 of VGG.
bool has_published_texture_layers(const Model& model);
// These where it has them, else style_layers_of.
std::vector<std::string> texture_layers_of(const Model& model);

class TextureSynthesis {
 public:
  // Prepares the network. Throws as StyleTransfer.
  TextureSynthesis(const Context& context, const Model& model, TextureSettings settings, Image source,
                   SynthesisEngine engine);
  TextureSynthesis(TextureSynthesis&&) noexcept;
  ~TextureSynthesis();

  const TextureSettings& settings() const;
  // The pixels around the picture that a tileable one is seen with: the reach of the deepest layer, rounded up to its
  // stride. A tileable picture's sides must be multiples of that stride: they are rounded up.
  int64_t wrap() const;
  LossEstimate estimate() const;
  PictureSynthesis synthesis(const Context& context, std::function<void(size_t stage, const PictureLoss&)> begun = {});
  Image picture(const Tensor& levels, int depth = 8) const;
  // The source as the network sees it.
  const Image& source() const;

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace fovea
