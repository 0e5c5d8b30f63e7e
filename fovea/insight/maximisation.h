// Activation maximisation: the picture that a unit, a class or any objective answers to most.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/insight/preimage.h"

namespace fovea {

struct MaximisationSettings {
  //   fourier   waves in decorrelated colours, random jitter, scale and rotation, Adam: the look of Lucid
  //   natural   pixels, α-norm and total variation, jitter, adaptive steps: Mahendran & Vedaldi's natural pre-images
  //   stimulus  pixels of a fixed norm and nothing else: max Φ(x), ‖x‖ = const
  std::string preset = "fourier";
  int64_t steps = 0;                                    // 0: the preset's
  double rate = 0;                                      // 0: the preset's
  double jitter = -1, scale = -1, degrees = -1;         // below 0: the preset's
  int64_t side = 0;                                     // of the pictures; 0: the network's input
  bool decorrelate = true;                              // fourier
  double strength = 1;                                  // natural: of the objective against the penalties
  double peak = 0;                                      // natural: what counts as a strong answer
  TotalVariation variation{.beta = 2, .form = "mean"};  // natural
  AlphaNorm norm{.alpha = 6, .form = "pixel"};          // natural
};
const std::vector<std::string>& maximisation_presets();

// The rule, the parametrisation and the views of a preset, for objectives that look at `nodes`. Throws Error{usage} for
// an unknown preset.
PreimageSettings preimage_settings(const Model& model, const std::vector<std::string>& nodes,
                                   const MaximisationSettings& settings);

// The objective with the preset's penalties: natural subtracts them from strength · objective / peak · (100/field)²,
// where `field` is the receptive field's side cut off at the picture's, as nnpreimage weighs it.
PictureObjective with_penalties(const Model& model, const PictureObjective& objective,
                                const MaximisationSettings& settings);

// One picture that is wanted.
struct PictureWish {
  std::string label;
  uint64_t key = 0;              // of its random start: equal keys start alike
  std::vector<float> selection;  // what is fed for it under kSelection; empty where the objective does not read it
};

struct MadePicture {
  Image image;
  double answer = 0;         // the objective of the picture as it is written, without penalties and views
  std::vector<float> curve;  // of the loss's objective, before each step
};

// How strong answers to `objective` are: three times the greatest one to 32 pictures of 1/f noise, since what a unit is
// made for excites it more than noise does (nnpreimage takes the greatest answer to ImageNet instead). At least 1e-3.
double estimated_peak(const Model& model, const PictureObjective& objective, const std::vector<PictureWish>& wishes,
                      int64_t side, uint64_t seed, Backend& backend, const CompileOptions& options);

// Makes pictures for one objective, a batch at a time with one compiled program; the last batch is filled up. Pictures
// of a batch know each other only through objectives such as diversity().
class Maximisation {
 public:
  // Throws as Preimage does. The preset natural needs settings.peak.
  Maximisation(const Model& model, const PictureObjective& objective, const MaximisationSettings& settings,
               int64_t batch);
  ~Maximisation();
  // Bytes, before anything is compiled.
  size_t memory_estimate() const { return preimage_.memory_estimate(); }
  void prepare(Backend& backend, const CompileOptions& options);
  std::vector<MadePicture> operator()(const Context& context, const std::vector<PictureWish>& wishes);
  // The compiled step.
  Program& program() { return preimage_.program(); }
  const PreimageSettings& settings() const { return preimage_.settings(); }
  // Median time of a step of the last batch.
  double step_seconds() const { return step_seconds_; }

 private:
  const Model& model_;
  int64_t batch_;
  Preimage preimage_;
  double step_seconds_ = 0;
  Preimage plain_;  // the objective of given levels, without penalties and views
  std::unique_ptr<Program> plain_program_;
};

}  // namespace fovea
