// Maps of a late layer A [K,h,w], weighed for a class and summed; what is below zero is cut off:
//   CAM         m_p = Σ_k w_ck A_kp                        w: the class's row of the linear layer behind the average
//   Grad-CAM    m_p = Σ_k α_k A_kp                         α_k = 1/P Σ_p g_kp,  g = ∂S/∂A
//   Grad-CAM++  m_p = Σ_k α_k A_kp                         α_k = Σ_p max(0, g_kp) · g²_kp / (2 g²_kp + g³_kp Σ_q A_kq)
//   Layer-CAM   m_p = Σ_k max(0, g_kp) A_kp
//   HiRes-CAM   m_p = Σ_k g_kp A_kp
// Sources: Zhou et al., "Learning deep features for discriminative localization", CVPR 2016, equation 2; Selvaraju et
// al., "Grad-CAM", ICCV 2017, equations 1 and 2; Chattopadhay et al., "Grad-CAM++", WACV 2018, equations 6 and 19 (the
// class score is exponentiated, so that higher derivatives are powers of the first); Jiang et al., "LayerCAM", IEEE TIP
// 2021, equations 5 and 6; Draelos & Carin, "Use HiResCAM instead of Grad-CAM for faithful explanations of
// convolutional neural networks", 2020, equation 3.
#include <algorithm>
#include <cmath>
#include <optional>

#include "fovea/insight/attribution.h"
#include "fovea/insight/class_scores.h"
#include "fovea/insight/filters.h"
#include "fovea/model/conventions.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/reduce.h"

namespace fovea {

namespace {

struct Layer {
  int64_t units = 0, height = 0, width = 0;
  std::vector<float> maps, gradient;  // [units][height][width]
};

Layer layer_at(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context) {
  BatchedProgram& program = network.layer_gradients();
  Layer layer;
  program.run(
      context, 1, [&](int64_t, std::span<float> picture) { std::ranges::copy(input.data<float>(), picture.begin()); },
      [&](int64_t, int64_t slot, const std::vector<Tensor>& wants) {
        layer.units = wants[1].size(1), layer.height = wants[1].size(2), layer.width = wants[1].size(3);
        const std::span<const float> maps = row_of(wants[1], slot), gradient = row_of(wants[2], slot);
        layer.maps.assign(maps.begin(), maps.end());
        layer.gradient.assign(gradient.begin(), gradient.end());
      },
      network.seed(program, label));
  return layer;
}

AttributionMap map_of(const Layer& layer, std::string method, const std::string& name) {
  AttributionMap map;
  map.method = std::move(method);
  map.layer = name;
  map.height = layer.height, map.width = layer.width;
  return map;
}

void rectify(AttributionMap& map, const std::vector<double>& sums) {
  for (const double v : sums) map.values.push_back(static_cast<float>(std::isnan(v) ? v : std::max(0.0, v)));
  settle(map);
}

double plus_plus_weight(std::span<const float> maps, std::span<const float> gradient) {
  double sum = 0, weight = 0;
  for (const float a : maps) sum += double(a);
  for (const float value : gradient) {
    const double g = double(value), square = g * g, below = 2 * square + sum * square * g;
    if (g > 0 && below != 0) weight += g * square / below;
  }
  return weight;
}

// What an operator between the maps and the average may be: it changes no value.
bool passes(const Node& node) {
  return node.op->name == "dropout" || node.op->name == "identity" || node.op->name == "flatten" ||
         node.op->name == "reshape" || node.op->name == "squeeze" || node.op->name == "cast";
}

// Back over operators that change no value.
Value behind(const Graph& graph, Value v) {
  while (v && passes(graph.node(v)) && !graph.node(v).inputs.empty()) v = graph.node(v).inputs[0];
  return v;
}

// Back over products with one positive number, such as a temperature, which scale all classes alike; `scale` gets them.
Value unscaled(const Model& model, Value v, double& scale) {
  const Graph& graph = model.graph;
  while (v && graph.node(v).op->name == "mul") {
    Value other;
    for (size_t i = 0; i < 2; ++i) {
      const std::optional<Tensor> number = weight_of(model, graph.node(v).inputs[i]);
      if (!number || number->count() != 1 || !(number->at(0) > 0)) continue;
      scale *= number->at(0);
      other = graph.node(v).inputs[1 - i];
      break;
    }
    if (!other) break;
    v = behind(graph, other);
  }
  return v;
}

// The maps that are averaged into `v` [1,K,1,1] as a whole, or nothing.
Value averaged(const Graph& graph, Value v) {
  const Node& node = graph.node(v);
  if (node.inputs.empty() || !node.inputs[0]) return {};
  const Shape& from = graph.shape(node.inputs[0]);
  const int64_t left = graph.shape(v).count();
  if (from.rank() != 4 || left != from[1]) return {};
  const bool mean = node.op->name == "reduce" && node.attributes.as<ReduceAttributes>().kind == "mean";
  const bool pool = node.op->name == "global_average_pool" || node.op->name == "average_pool" ||
                    node.op->name == "adaptive_average_pool";
  return mean || pool ? behind(graph, node.inputs[0]) : Value{};
}

// A classifier behind a global average: the maps, and the weights [classes][K] where one map is not one class already.
struct AveragedClassifier {
  Value maps;
  std::optional<Tensor> weights;  // [K,classes] or, transposed, [classes,K] f32
  bool transposed = false;
  double scale = 1;
};

constexpr std::string_view kNeeded =
    "CAM needs a global average of the last maps and one linear layer behind it (or one map a class that is averaged)";

AveragedClassifier averaged_classifier(const Model& model) {
  const Graph& graph = model.graph;
  AveragedClassifier result;
  Value v = unscaled(model, behind(graph, scores_before_softmax(graph, scores_output(model))), result.scale);
  if (const Value maps = averaged(graph, v)) {
    result.maps = maps;
    return result;
  }
  const Node* node = &graph.node(v);
  Value bias_added;
  if (node->op->name == "add")
    for (size_t i = 0; i < 2; ++i)
      if (weight_of(model, node->inputs[i])) bias_added = node->inputs[1 - i];
  if (bias_added) v = bias_added, node = &graph.node(v);
  const bool gemm = node->op == &ops::gemm, matmul = node->op->name == "matmul", conv = node->op == &ops::conv;
  require(gemm || matmul || conv, ErrorKind::unsupported, "{}; this network's scores come from {} \"{}\"", kNeeded,
          node->op->name, node->name);
  const std::optional<Tensor> weights = weight_of(model, node->inputs[1]);
  require(weights.has_value(), ErrorKind::unsupported, "{}; the weights of \"{}\" are computed", kNeeded, node->name);
  const Value pooled = behind(graph, node->inputs[0]);
  result.maps = averaged(graph, pooled);
  require(static_cast<bool>(result.maps), ErrorKind::unsupported,
          "{}; here {} \"{}\" {} stands before the linear layer \"{}\" and no global average. Grad-CAM needs neither",
          kNeeded, graph.node(pooled).op->name, graph.node(pooled).name, to_string(graph.shape(pooled)), node->name);
  result.weights = weights->cast(DType::f32);
  if (gemm) {
    const auto& a = node->attributes.as<GemmAttributes>();
    require(!a.trans_a, ErrorKind::unsupported, "{}; \"{}\" is transposed", kNeeded, node->name);
    result.transposed = a.trans_b, result.scale *= a.alpha;
  } else {
    result.transposed = conv;
  }
  return result;
}

}  // namespace

AttributionMap gradient_weighted_map(AttributionNetwork& network, CamWeights weights, const Tensor& input,
                                     int64_t label, const Context& context) {
  const Layer layer = layer_at(network, input, label, context);
  const auto plane = static_cast<size_t>(layer.height * layer.width);
  std::vector<double> sums(plane, 0.0);
  for (int64_t k = 0; k < layer.units; ++k) {
    const std::span<const float> maps = std::span(layer.maps).subspan(static_cast<size_t>(k) * plane, plane),
                                 gradient = std::span(layer.gradient).subspan(static_cast<size_t>(k) * plane, plane);
    double weight = 0;
    if (weights == CamWeights::grad_cam) {
      for (const float g : gradient) weight += double(g);
      weight /= static_cast<double>(plane);
    } else if (weights == CamWeights::grad_cam_plus_plus) {
      weight = plus_plus_weight(maps, gradient);
    }
    for (size_t p = 0; p < plane; ++p) {
      const double own = double(gradient[p]);
      sums[p] += double(maps[p]) * (weights == CamWeights::layer_cam   ? std::max(0.0, own)
                                    : weights == CamWeights::hires_cam ? own
                                                                       : weight);
    }
  }
  AttributionMap map = map_of(layer,
                              weights == CamWeights::grad_cam             ? "grad-cam"
                              : weights == CamWeights::grad_cam_plus_plus ? "grad-cam++"
                              : weights == CamWeights::hires_cam          ? "hires-cam"
                                                                          : "layer-cam",
                              network.layer_name());
  rectify(map, sums);
  return map;
}

AttributionMap class_activation_map(AttributionNetwork& network, const Tensor& input, int64_t label,
                                    const Context& context) {
  const AveragedClassifier classifier = averaged_classifier(network.model());
  const std::string& name = network.model().graph.node(classifier.maps).name;
  std::vector<float> maps;
  Shape shape;
  network.layer_values(name).run(
      context, 1, [&](int64_t, std::span<float> picture) { std::ranges::copy(input.data<float>(), picture.begin()); },
      [&](int64_t, int64_t slot, const std::vector<Tensor>& wants) {
        shape = wants[1].shape();
        const std::span<const float> row = row_of(wants[1], slot);
        maps.assign(row.begin(), row.end());
      });
  Layer layer{shape[1], shape[2], shape[3], {}, {}};
  const auto plane = static_cast<size_t>(layer.height * layer.width);
  std::vector<double> sums(plane, 0.0);
  for (int64_t k = 0; k < layer.units; ++k) {
    double weight = k == label ? classifier.scale : 0;
    if (classifier.weights) {
      const int64_t at = classifier.transposed ? label * layer.units + k : k * network.classes() + label;
      weight = classifier.scale * double(classifier.weights->data<float>()[static_cast<size_t>(at)]);
    }
    for (size_t p = 0; p < plane; ++p) sums[p] += weight * double(maps[static_cast<size_t>(k) * plane + p]);
  }
  AttributionMap map = map_of(layer, "cam", name);
  rectify(map, sums);
  return map;
}

}  // namespace fovea
