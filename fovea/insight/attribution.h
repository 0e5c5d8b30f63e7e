// Which places of a picture speak for a class: the methods of attribution, one file each, and what they share.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/compile/program.h"
#include "fovea/insight/batched_program.h"
#include "fovea/model/model.h"

namespace fovea {

// What the methods can be told. Sizes of 0 mean the default that stands beside them.
struct AttributionOptions {
  std::string layer;                 // whose maps the class activation methods weigh; empty: default_layer()
  int64_t samples = 16;              // SmoothGrad: noisy copies
  double noise = 0.15;               // SmoothGrad: standard deviation of the noise, as a share of the input's range
  int64_t steps = 50;                // integrated gradients: points on the path
  std::string quadrature = "gauss";  // integrated gradients: gauss (Gauss-Legendre), trapezoid
  Tensor baseline;                   // input [1,C,H,W] that stands for "nothing is there"; without elements: zeros
  int64_t window = 0, stride = 0;    // occlusion, pixels: a seventh of the shorter side; half of the window
  double epsilon = 0.25;             // relevance: ε as a share of the root mean square of a layer's values
  BatchLimits limits;
};

// A map over a picture.
struct AttributionMap {
  std::string method;             // as in attribution_methods()
  int64_t height = 0, width = 0;  // of the map: the input's, or those of the layer
  std::vector<float> values;      // [height][width]; always finite
  bool is_signed = false;         // values below zero speak against the class; otherwise none is below zero
  std::string layer;              // node whose maps were weighed; empty: the picture itself
  std::string empty;              // why the map is the same everywhere, where it is; such a map says nothing
  std::vector<std::pair<std::string, double>> facts;  // measures of this map by name, as for JSON
  Tensor signal;  // guided back-propagation: what reached the picture [1,C,H,W]; else no elements
};

// One network, prepared for questions about its class scores. Programs are compiled when a method first asks for them
// and kept: methods share them.
class AttributionNetwork {
 public:
  // The model and the backend outlive this object. Throws Error{usage} when it takes no picture, scores no classes, or
  // has no layer of the name in the options.
  AttributionNetwork(const Model& model, Backend& backend, const CompileOptions& compile_options = {},
                     const AttributionOptions& options = {});

  const Model& model() const { return model_; }
  const AttributionOptions& options() const { return options_; }
  int64_t classes() const { return classes_; }
  // [1,C,H,W] of the input.
  const Shape& input_shape() const { return input_shape_; }
  Tensor baseline() const;

  // Wants: the scores before a softmax [B,classes].
  BatchedProgram& scores();
  // The scores of one picture [1,C,H,W], before a softmax.
  std::vector<double> scores_of(const Tensor& input, const Context& context);

  // Wants: the scores, and the gradient of Σ kScoreSeed · scores w.r.t. the pictures under a rule of gradient_rules().
  BatchedProgram& gradients(const std::string& rule = "gradient");
  // The seed for a class: the feed of such a program.
  std::map<std::string, Tensor> seed(const BatchedProgram& program, int64_t label) const;

  // Wants for one picture: the scores, the layer's maps A [1,K,h,w], the gradient of the seeded score w.r.t. A.
  BatchedProgram& layer_gradients();
  // Wants for one picture: the scores, the maps of a node [1,K,h,w].
  BatchedProgram& layer_values(const std::string& node);
  // Wants for one picture: the scores, relevance divided by the picture [1,C,H,W]; see relevance_rules().
  BatchedProgram& relevance();
  // From maps [B,K,h,w] that stand for the layer's. Wants: the scores. Reads the picture as well where the scores do
  // not depend on it through the layer alone, see `also`.
  struct BehindLayer {
    Model model;
    std::string also;  // name of the picture's input, empty where it is not read
    std::unique_ptr<BatchedProgram> program;
  };
  BehindLayer& behind_layer();
  // For a picture and its baseline, the rows of input(). Wants: the scores [2,classes], the multipliers [2,C,H,W]; see
  // rescale_rules(). Throws Error{unsupported} when the network does not take two pictures at once.
  struct Pair {
    Program program;
    std::string input;
  };
  Pair& pair();

  // The node whose maps are weighed: the option's, else the default. Throws Error{usage} when it has no maps, or when
  // the scores do not depend on it.
  int layer();
  const std::string& layer_name();

 private:
  const Model& model_;
  Backend& backend_;
  CompileOptions compile_options_;
  AttributionOptions options_;
  int64_t classes_ = 0;
  Shape input_shape_;
  int layer_ = -1;
  std::string layer_name_;
  std::map<std::string, std::unique_ptr<BatchedProgram>> programs_;
  std::unique_ptr<BehindLayer> behind_layer_;
  std::unique_ptr<Pair> pair_;
};

inline constexpr const char* kScoreSeed = "attribution_seed";

// The last maps before the class scores: behind the last convolution with more than one position that is not the
// classifier itself (one map a class), the last value of its resolution through which everything passes, so that
// rectifier, residual sum and concatenated branches are in. The convolution itself where there is no such value.
// Throws Error{usage} when the network has no convolution with more than one position.
struct DefaultLayer {
  int node = -1;         // whose maps are taken
  int convolution = -1;  // the last convolution
};
DefaultLayer default_layer(const Model& model);

// What there is, in the order of a sheet.
struct AttributionMethod {
  std::string name;   // "grad-cam"
  std::string title;  // "Grad-CAM"
  std::string says;   // one sentence: what a high value means
  bool weighs_layer = false;
};
const std::vector<AttributionMethod>& attribution_methods();
// By name, in any spelling ("GradCAM", "grad_cam++"). Throws Error{usage} with the nearest name.
const AttributionMethod& attribution_method(std::string_view name);

// Runs a method by its name for one picture [1,C,H,W] and one class. Throws Error{usage} for a class that is not there,
// and Error{unsupported} when the method does not fit the network, naming what is missing.
AttributionMap attribute(AttributionNetwork& network, std::string_view method, const Tensor& input, int64_t label,
                         const Context& context);

// The methods.
AttributionMap integrated_gradients(AttributionNetwork& network, const Tensor& input, int64_t label,
                                    const Context& context);
AttributionMap occlusion(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context);
AttributionMap relevance_map(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context);
AttributionMap class_activation_map(AttributionNetwork& network, const Tensor& input, int64_t label,
                                    const Context& context);
enum class CamWeights { grad_cam, grad_cam_plus_plus, layer_cam, hires_cam };
AttributionMap gradient_weighted_map(AttributionNetwork& network, CamWeights weights, const Tensor& input,
                                     int64_t label, const Context& context);
AttributionMap score_cam(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context);
AttributionMap ablation_cam(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context);
AttributionMap deep_lift(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context);

// Nodes and weights of a Gauss-Legendre rule with n points on [0, 1]: exact for polynomials up to degree 2n - 1.
std::vector<std::pair<double, double>> gauss_legendre(int64_t n);

// A map's values as they may be shown: values that are not finite become 0, and a map that is the same everywhere gets
// a reason in `empty`.
void settle(AttributionMap& map);

}  // namespace fovea
