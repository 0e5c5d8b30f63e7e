#include "fovea/insight/layer_activity.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/model/conventions.h"

namespace fovea {

LayerActivity layer_activity(const Tensor& value) {
  require(value.rank() >= 2, ErrorKind::internal, "a layer's value is {}", to_string(value.shape()));
  LayerActivity a;
  const int64_t units = value.size(1), plane = value.shape().count(2, value.rank());
  const float* data = value.data<float>().data();
  double sum = 0, squares = 0;
  int64_t count = 0, positive = 0;
  a.least = INFINITY, a.greatest = -INFINITY;
  for (int64_t u = 0; u < units; ++u) {
    bool answers = false;
    for (int64_t p = 0; p < plane; ++p) {
      const double v = data[u * plane + p];
      if (!std::isfinite(v)) {
        ++a.not_finite;
        continue;
      }
      ++count, sum += v, squares += v * v;
      positive += v > 0;
      answers = answers || v > 0;
      a.least = std::min(a.least, v), a.greatest = std::max(a.greatest, v);
    }
    a.silent += !answers;
  }
  if (count == 0) {
    a.least = a.greatest = 0;
    return a;
  }
  const auto n = static_cast<double>(count);
  a.mean = sum / n;
  a.deviation = std::sqrt(std::max(0.0, squares / n - a.mean * a.mean));
  a.active = static_cast<double>(positive) / n;
  return a;
}

double share_active(const FeatureMap& map) {
  const auto positive = std::count_if(map.values.begin(), map.values.end(), [](float v) { return v > 0; });
  return map.values.empty() ? 0 : static_cast<double>(positive) / static_cast<double>(map.values.size());
}

Stage stage_of(const Model& model, Value layer) {
  const Node& node = model.graph.node(layer);
  const Shape& s = model.graph.shape(layer);
  require((s.rank() == 4 || s.rank() == 2) && model.graph.dtype(layer) == DType::f32, ErrorKind::usage,
          "layer \"{}\" is {}; expected a layer with units: [N,C,H,W] or [N,C]", node.name,
          to_string(model.graph.type(layer)));
  const bool maps = s.rank() == 4;
  const auto fields = receptive_fields(model.graph, picture_input(model));
  require(!fields[static_cast<size_t>(layer.node)].empty(), ErrorKind::usage,
          "layer \"{}\" does not depend on the picture", node.name);
  return {layer.node, node.name, s[1], maps ? s[2] : 1, maps ? s[3] : 1, fields[static_cast<size_t>(layer.node)],
          false};
}

Value last_output(const Model& model) {
  if (!model.meaning.scores.empty()) return scores_output(model);
  require(!model.graph.outputs.empty(), ErrorKind::usage, "the network has no output");
  return model.graph.outputs[0].value;
}

std::vector<Stage> stages_of(const Model& model, size_t most) {
  if (!model.meaning.scores.empty()) return find_stages(model, most);
  last_output(model);
  Model scored = model;
  scored.meaning.scores = model.graph.outputs[0].name;
  std::vector<Stage> stages = find_stages(scored, most);
  for (Stage& stage : stages) stage.classes = false;
  return stages;
}

}  // namespace fovea
