#include "fovea/insight/features.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "fovea/graph/op.h"
#include "fovea/model/conventions.h"

namespace fovea {

std::vector<int> cut_points(const Graph& graph, Value input, Value scores) {
  const std::vector<bool> needed = reachable(graph, std::vector<Value>{scores});
  std::vector<bool> depends(static_cast<size_t>(graph.size()), false);
  std::vector<int> last_use(static_cast<size_t>(graph.size()), -1);
  depends[static_cast<size_t>(input.node)] = true;
  for (int i = 0; i < graph.size(); ++i) {
    if (!needed[static_cast<size_t>(i)]) continue;
    for (const Value v : graph.node(i).inputs) {
      if (!v || !depends[static_cast<size_t>(v.node)]) continue;
      depends[static_cast<size_t>(i)] = true;
      last_use[static_cast<size_t>(v.node)] = i;
    }
  }
  std::vector<int> result;
  int furthest = -1;  // the last use of anything before
  for (int i = input.node; i < graph.size(); ++i) {
    if (!depends[static_cast<size_t>(i)] || !needed[static_cast<size_t>(i)]) continue;
    if (i != input.node && furthest <= i) result.push_back(i);
    furthest = std::max(furthest, last_use[static_cast<size_t>(i)]);
  }
  return result;
}

namespace {

// From this node on nothing is weighed any more: maps with as many units as there are scores are one a class.
int behind_last_weights(const Graph& graph, Value scores) {
  const std::vector<bool> needed = reachable(graph, std::vector<Value>{scores});
  for (int i = scores.node; i >= 0; --i) {
    const std::string_view op = graph.node(i).op->name;
    if (needed[static_cast<size_t>(i)] && (op == "conv" || op == "gemm" || op == "matmul")) return i;
  }
  return graph.size();
}

}  // namespace

std::vector<Stage> find_stages(const Model& model, size_t most) {
  const Graph& graph = model.graph;
  const Value input = picture_input(model), scores = scores_output(model);
  const auto fields = receptive_fields(graph, input);
  const Shape& score_shape = graph.shape(scores);
  const int64_t largest = score_shape.rank() == 0 ? 1 : *std::max_element(score_shape.begin(), score_shape.end());
  // Maps are no scores of classes.
  const int64_t classes =
      score_shape.count() == largest || score_shape.count() == largest * score_shape[0] ? largest : 0;
  const int last = behind_last_weights(graph, scores);
  std::vector<Stage> stages;
  for (const int i : cut_points(graph, input, scores)) {
    const Node& node = graph.node(i);
    const Shape& s = node.outputs[0].shape;
    if (s.rank() != 4 || s[1] < 2 || s[2] * s[3] < 2) continue;
    Stage stage{i, node.name, s[1], s[2], s[3], fields[static_cast<size_t>(i)], s[1] == classes && i >= last};
    const bool same = !stages.empty() && stages.back().height == s[2] && stages.back().width == s[3] &&
                      stages.back().classes == stage.classes;
    if (same) stages.back() = stage;
    else stages.push_back(stage);
  }
  while (stages.size() > std::max<size_t>(most, 2))
    stages.erase(stages.begin() + static_cast<std::ptrdiff_t>(stages.size() / 2));
  return stages;
}

std::vector<FeatureMap> strongest_maps(const Stage& stage, const Tensor& value, int64_t count, int64_t input_height,
                                       int64_t input_width) {
  require(value.rank() == 4 && value.size(1) == stage.channels, ErrorKind::internal, "expected the value of stage {}",
          stage.name);
  const int64_t plane = stage.height * stage.width;
  const float* data = value.data<float>().data();
  std::vector<int64_t> units(static_cast<size_t>(stage.channels));
  std::vector<float> peaks(units.size());
  std::iota(units.begin(), units.end(), int64_t{0});
  for (const int64_t u : units) {
    float peak = -INFINITY;
    for (int64_t p = 0; p < plane; ++p) peak = std::max(peak, data[u * plane + p]);
    peaks[static_cast<size_t>(u)] = peak;
  }
  const auto n = static_cast<size_t>(std::min<int64_t>(count, stage.channels));
  std::partial_sort(units.begin(), units.begin() + static_cast<std::ptrdiff_t>(n), units.end(),
                    [&](int64_t a, int64_t b) {
                      const float pa = peaks[static_cast<size_t>(a)], pb = peaks[static_cast<size_t>(b)];
                      return pa != pb ? pa > pb : a < b;
                    });
  std::vector<FeatureMap> result;
  for (size_t k = 0; k < n; ++k) {
    FeatureMap map;
    map.unit = units[k];
    map.values.assign(data + map.unit * plane, data + (map.unit + 1) * plane);
    const auto best = std::max_element(map.values.begin(), map.values.end()) - map.values.begin();
    map.peak = map.values[static_cast<size_t>(best)];
    map.mean = std::accumulate(map.values.begin(), map.values.end(), 0.0f) / static_cast<float>(plane);
    map.peak_y = best / stage.width;
    map.peak_x = best % stage.width;
    map.seen_y =
        stage.field.size() == 2 ? seen_by(stage.field[0], map.peak_y, input_height) : Interval{0, input_height};
    map.seen_x = stage.field.size() == 2 ? seen_by(stage.field[1], map.peak_x, input_width) : Interval{0, input_width};
    result.push_back(std::move(map));
  }
  return result;
}

}  // namespace fovea
