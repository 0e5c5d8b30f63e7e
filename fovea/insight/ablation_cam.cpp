// m_p = max(0, Σ_k α_k A_kp),  α_k = (S − S_k) / |S|,  S_k: the score when map k of the layer is zero everywhere.
// Only what lies behind the layer is computed for each map, as many at once as the memory allows; maps that are zero
// take no part. Source: Desai & Ramaswamy, "Ablation-CAM: visual explanations for deep convolutional network via
// gradient-free localization", WACV 2020, equations 3 and 4 (they divide by S, whose sign would turn the map over).
#include <algorithm>
#include <cmath>

#include "fovea/insight/attribution.h"

namespace fovea {

AttributionMap ablation_cam(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context) {
  const auto at = static_cast<size_t>(label);
  AttributionMap map;
  map.method = "ablation-cam";
  map.layer = network.layer_name();
  std::vector<float> maps;
  double score = 0;
  int64_t units = 0;
  network.layer_values(map.layer).run(
      context, 1, [&](int64_t, std::span<float> picture) { std::ranges::copy(input.data<float>(), picture.begin()); },
      [&](int64_t, int64_t slot, const std::vector<Tensor>& wants) {
        score = double(row_of(wants[0], slot)[at]);
        units = wants[1].size(1), map.height = wants[1].size(2), map.width = wants[1].size(3);
        const std::span<const float> row = row_of(wants[1], slot);
        maps.assign(row.begin(), row.end());
      });
  const auto plane = static_cast<size_t>(map.height * map.width);
  const auto of = [&](int64_t k) { return std::span(maps).subspan(static_cast<size_t>(k) * plane, plane); };
  std::vector<int64_t> active;
  for (int64_t k = 0; k < units; ++k)
    if (std::ranges::any_of(of(k), [](float v) { return v != 0; })) active.push_back(k);
  AttributionNetwork::BehindLayer& behind = network.behind_layer();
  BatchedProgram::Feeds feeds;
  if (!behind.also.empty()) feeds[behind.also] = input;
  const auto count = static_cast<int64_t>(active.size());
  std::vector<double> sums(plane, 0.0);
  behind.program->run(
      context, count,
      [&](int64_t i, std::span<float> ablated) {
        context.report({"Ablation-CAM", i, count, ""});
        std::ranges::copy(maps, ablated.begin());
        std::ranges::fill(ablated.subspan(static_cast<size_t>(active[static_cast<size_t>(i)]) * plane, plane), 0.0f);
      },
      [&](int64_t i, int64_t slot, const std::vector<Tensor>& wants) {
        const double lost = score - double(row_of(wants[0], slot)[at]);
        const double weight = score != 0 ? lost / std::abs(score) : lost;
        const std::span<const float> values = of(active[static_cast<size_t>(i)]);
        for (size_t p = 0; p < plane; ++p) sums[p] += weight * double(values[p]);
      },
      feeds);
  for (const double v : sums) map.values.push_back(static_cast<float>(std::isnan(v) ? v : std::max(0.0, v)));
  map.facts = {{"maps", static_cast<double>(count)}, {"at_once", static_cast<double>(behind.program->batch(count))}};
  if (active.empty()) map.empty = fmt::format("every map of \"{}\" is zero on this picture", map.layer);
  settle(map);
  return map;
}

}  // namespace fovea
