#include "fovea/insight/dead_units.h"

#include <algorithm>
#include <iterator>

#include "fovea/base/rng.h"
#include "fovea/insight/layer_activity.h"
#include "fovea/model/conventions.h"

namespace fovea {

namespace {

bool rectifies(const Node& node) {
  static constexpr std::string_view kNames[] = {"relu", "clip", "thresholded_relu"};
  return std::find(std::begin(kNames), std::end(kNames), node.op->name) != std::end(kNames);
}

std::vector<bool> answers(const Tensor& value, double* active) {
  const int64_t units = value.size(1), plane = value.shape().count(2, value.rank());
  const float* data = value.data<float>().data();
  std::vector<bool> result(static_cast<size_t>(units), false);
  int64_t positive = 0;
  for (int64_t u = 0; u < units; ++u)
    for (int64_t p = 0; p < plane; ++p)
      if (data[u * plane + p] > 0) result[static_cast<size_t>(u)] = true, ++positive;
  if (active) *active = static_cast<double>(positive) / static_cast<double>(std::max<int64_t>(1, units * plane));
  return result;
}

}  // namespace

std::vector<Tensor> probes(const Tensor& input, uint64_t seed) {
  Tensor mirror(DType::f32, input.shape()), negative(DType::f32, input.shape()), noise(DType::f32, input.shape());
  const auto x = input.data<float>();
  const auto [low, high] = std::minmax_element(x.begin(), x.end());
  const Rng rng = Rng(seed).fork("probes");
  const auto width = static_cast<size_t>(input.size(3));
  auto m = mirror.data<float>(), n = negative.data<float>(), r = noise.data<float>();
  for (size_t i = 0; i < x.size(); ++i) {
    m[i] = x[i - i % width + (width - 1 - i % width)];
    n[i] = *low + *high - x[i];
    r[i] = *low + (*high - *low) * rng.uniform(i);
  }
  return {input, mirror, negative, noise};
}

std::vector<UnitActivity> unit_activity(const Model& model, const std::vector<Tensor>& inputs, Backend& backend,
                                        const CompileOptions& options) {
  const Graph& graph = model.graph;
  const std::vector<bool> needed = reachable(graph, std::vector<Value>{last_output(model)});
  std::vector<Value> wants;
  std::vector<UnitActivity> result;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    const Shape& s = node.outputs[0].shape;
    if (!needed[static_cast<size_t>(i)] || !rectifies(node) || s.rank() < 2 || s[0] != 1 ||
        node.outputs[0].dtype != DType::f32)
      continue;
    wants.push_back({i, 0});
    result.push_back({i, node.name, s[1], {}, {}, 0});
  }
  if (wants.empty()) return result;
  Program program = compile(graph, wants, model.weights, backend, options);
  std::vector<std::vector<bool>> ever(wants.size());
  for (size_t k = 0; k < inputs.size(); ++k) {
    const std::vector<Tensor> values = program.run({{model.meaning.input, inputs[k]}});
    for (size_t l = 0; l < wants.size(); ++l) {
      const std::vector<bool> now = answers(values[l], k == 0 ? &result[l].active : nullptr);
      if (k == 0) ever[l].assign(now.size(), false);
      for (size_t u = 0; u < now.size(); ++u) {
        if (k == 0 && !now[u]) result[l].silent.push_back(static_cast<int64_t>(u));
        if (now[u]) ever[l][u] = true;
      }
    }
  }
  for (size_t l = 0; l < wants.size(); ++l)
    for (size_t u = 0; u < ever[l].size(); ++u)
      if (!ever[l][u]) result[l].dead.push_back(static_cast<int64_t>(u));
  return result;
}

}  // namespace fovea
