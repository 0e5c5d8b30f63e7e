// One step of DeepDream as a graph.
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fovea/insight/objective.h"
#include "fovea/model/model.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

// What is drawn out of a picture.
struct DreamObjective {
  // Layers (their nodes in the model) whose answers are amplified, with weights. One layer: its answers themselves are
  // back-propagated, the gradient of ½ Σ a². Several: the gradient of Σ_l weight_l · ln ½ Σ a_l², so that each counts
  // alike, however strong its answers are. Weights below 0 take away.
  std::vector<std::pair<std::string, double>> layers;
  // Instead of layers: any objective.
  std::optional<PictureObjective> objective;
  // Levels [1,C,h,w] of a guide for the layers: what is back-propagated at each position is the guide's answer vector
  // that has the greatest dot product with the picture's there. Several layers' gradients add up.
  std::optional<Tensor> guide;
  std::string description() const;
};

struct DreamRule {
  double step = 1.5;  // mean change of a sample in a step, grey levels
  bool clip = true;   // to 0..255
  // How the gradient g becomes the change d:
  //   plain    d = g / mean|g|
  //   pyramid  g is parted into bands of one octave each (kPyramidBands and the rest), each divided by its root mean
  //            square, added up, and divided by mean|·|: coarse and fine shapes grow alike. Source: Mordvintsev,
  //            DeepDream tutorial of TensorFlow, 2016 ("Laplacian pyramid gradient normalization").
  std::string gradient = "plain";
};
inline constexpr int kPyramidBands = 4;
const std::vector<std::string>& dream_gradients();

inline constexpr const char* kDreamPicture = "picture";    // [1,C,H,W], the levels; carried where they are
inline constexpr const char* kDreamMask = "mask";          // [1,1,H,W], 0..1: how much of the change is made
inline constexpr const char* kDreamGradient = "gradient";  // [1,C,H,W]

// The gradient of the objective for pictures of one size.
struct DreamGradient {
  Graph graph;
  Value picture, gradient;
  Value
      value;  // a scalar that grows: ½ mean a² of one layer, the sum of several, the objective, or the mean dot product
};
// `guides`: the answers [1,C,h,w] of each layer to the guide, or none. Throws Error{usage} for a network that takes no
// picture or has other inputs, and where it does not take pictures of this size.
DreamGradient dream_gradient(const Model& model, const DreamObjective& objective, const std::vector<Tensor>& guides,
                             int64_t height, int64_t width);
// The same graph without the gradient: `value` and `picture` only; for an estimate of memory.
DreamGradient dream_forward(const Model& model, const DreamObjective& objective, int64_t height, int64_t width);
// The answers of the layers alone.
struct DreamAnswers {
  Graph graph;
  std::vector<Value> layers;
};
DreamAnswers dream_answers(const Model& model, const DreamObjective& objective, int64_t height, int64_t width);

// Appends x' = x + step · d (· mask), cut off at 0 and 255 of the picture whose centre is `centre` (one number a
// channel). `size` is mean|g| before: where it is 0 nothing changes. `mask` may be none.
struct DreamChange {
  Value next, size;
};
DreamChange dream_change(Graph& graph, Value picture, Value gradient, Value mask, const DreamRule& rule,
                         const std::vector<double>& centre);

}  // namespace fovea
