// Inversion: the pictures that a layer cannot tell from a given one.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/insight/preimage.h"

namespace fovea {

struct InversionSettings {
  //   mahendran2015  deep-goggle: momentum, penalties growing with depth
  //   mahendran2016  nnpreimage: adaptive steps, jitter, bounds
  //   lbfgs          the penalties of 2016, pixels bounded by a sigmoid, no jitter; L-BFGS with a line search: the loss
  //                  never rises
  std::string preset = "lbfgs";
  int64_t steps = 0;     // 0: the preset's (400, 350, 200); others are shared out among its stages alike
  double strength = 0;   // of the code against the penalties; 0: the preset's, by depth
  double variation = 1;  // multiplies λ of the total variation
  double norm = 1;       // and of the α-norm
  double alpha = 6, beta = 2;
  double bound = 0;    // mahendran2016: levels; 0: the tool's 160
  int64_t starts = 1;  // pictures from different random starts
};
const std::vector<std::string>& inversion_presets();

// What is inverted: the answers of a node, or the logarithms of the classes' probabilities.
struct CodeLayer {
  std::string node;
  std::string name;  // as it is shown
  bool log_probabilities = false;
};
inline constexpr const char* kLogProbabilities = "log-probabilities";

// A layer by any of its names, or "log-probabilities". Throws Error{usage} as find_layer, and for a layer that is no
// stack of maps or vector, or does not depend on the picture.
CodeLayer code_layer(const Model& model, std::string_view name);
// The layers that everything passes through, from the first to the log-probabilities: a convolution with what
// normalises and rectifies it counts once.
std::vector<CodeLayer> ladder_layers(const Model& model);

// −‖Φ(x) − Φ₀‖² / ‖Φ₀‖² with Φ₀ fed under kCode, [N,…] like the layer.
PictureObjective reconstruction(const CodeLayer& layer);
inline constexpr const char* kCode = "code";

// The numbers of a preset for one layer, worked out.
struct InversionPlan {
  PreimageSettings descent;
  double strength = 1;             // C
  double variation = 0, norm = 0;  // λ_V and λ_α of the penalties below, for levels divided by 255
  TotalVariation variation_form;
  AlphaNorm norm_form;
};
// mahendran2015 minimises  ‖Φ − Φ₀‖²/‖Φ₀‖² + (λ_V/2 · V_β + λ_α/2 · Σ|x|^α) / σ²,  λ_V = 1, 10 and 100 for layers that
// see up to a quarter, up to 0.6 and more of the picture's side (deep-goggle: AlexNet's layers 1-6, 7-12, 13-20), λ_α =
// 8e-10, σ the Euclidean norm of a natural picture.
// mahendran2016 minimises  C ‖Φ − Φ₀‖²/‖Φ₀‖² + λ_α R_α + λ_V V_β  with means over pixels, λ_α = 1/80^α, λ_V = 1/v^β
// with v of neighbour_difference(), and C = 300, 100 and 20 for layers that see up to a quarter, up to 0.6 and more of
// the picture's side (the tool is run with 1, 20, 100 and 300 for every layer, and the paper shows the best). No colour
// may lie further than `bound` = 160 levels from the mean, and λ_α is 1/(bound/2)^α: white, 240 levels away, comes back
// as a light grey; a bound of 250 and more leaves it white. lbfgs
// minimises the same with λ_α = 1/160^α and pixels bounded by a sigmoid: white comes back white. Throws Error{usage}
// for an unknown preset and numbers out of range.
InversionPlan inversion_plan(const Model& model, const CodeLayer& layer, const InversionSettings& settings);

struct Inverted {
  Image image;
  double error = 0;         // ‖Φ(x) − Φ₀‖ / ‖Φ₀‖ of the picture as it is written
  double psnr = 0;          // against the original, in dB
  std::vector<float> loss;  // before each step
};

class Inversion {
 public:
  // Throws what Preimage and the plan throw.
  Inversion(const Model& model, const CodeLayer& layer, const InversionSettings& settings);
  ~Inversion();
  size_t memory_estimate() const;
  // Inverts the layer's answer to the fitted picture (see fit_picture): one result a start.
  std::vector<Inverted> operator()(const Context& context, const Image& fitted, Backend& backend,
                                   const CompileOptions& options);
  const InversionPlan& plan() const { return plan_; }
  // The compiled step, after a run.
  Program& program() { return preimage_->program(); }
  // Median time of a step, or of an evaluation by L-BFGS, of the last run.
  double step_seconds() const { return step_seconds_; }

 private:
  const Model& model_;
  CodeLayer layer_;
  InversionSettings settings_;
  InversionPlan plan_;
  int64_t batch_;
  double step_seconds_ = 0;
  std::unique_ptr<Preimage> preimage_;
};

// 10 log₁₀(255² / mean squared difference) of two pictures of one size; infinite for equal ones.
double psnr(const Image& a, const Image& b);

}  // namespace fovea
