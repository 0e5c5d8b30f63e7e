// m_p = max(0, Σ_k α_k A_kp),  α = softmax_k of S(x ∘ H_k) − S(0),  H_k: map k scaled to the picture's size
// (bilinear) and to 0..1. The picture is masked as the network receives it, so that what is hidden has the value 0:
// the mean colour where preprocessing subtracts one. Maps that are the same everywhere take no part.
// Source: Wang et al., "Score-CAM: score-weighted visual explanations for convolutional neural networks", CVPR
// workshops 2020, algorithm 1, S before the softmax.
#include <algorithm>
#include <cmath>

#include "fovea/image/resize.h"
#include "fovea/insight/attribution.h"

namespace fovea {

namespace {

struct Maps {
  int64_t units = 0, height = 0, width = 0;
  std::vector<float> values;
  std::span<const float> of(int64_t unit) const {
    const auto plane = static_cast<size_t>(height * width);
    return std::span(values).subspan(static_cast<size_t>(unit) * plane, plane);
  }
};

Maps maps_at(AttributionNetwork& network, const Tensor& input, const Context& context) {
  Maps maps;
  network.layer_values(network.layer_name())
      .run(
          context, 1,
          [&](int64_t, std::span<float> picture) { std::ranges::copy(input.data<float>(), picture.begin()); },
          [&](int64_t, int64_t slot, const std::vector<Tensor>& wants) {
            maps.units = wants[1].size(1), maps.height = wants[1].size(2), maps.width = wants[1].size(3);
            const std::span<const float> row = row_of(wants[1], slot);
            maps.values.assign(row.begin(), row.end());
          });
  return maps;
}

std::vector<double> softmax_of(std::vector<double> values) {
  if (values.empty()) return values;
  const double highest = std::ranges::max(values);
  double sum = 0;
  for (double& v : values) sum += v = std::exp(v - highest);
  for (double& v : values) v /= sum;
  return values;
}

}  // namespace

AttributionMap score_cam(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context) {
  const Maps maps = maps_at(network, input, context);
  std::vector<int64_t> units;
  for (int64_t k = 0; k < maps.units; ++k) {
    const auto [low, high] = std::ranges::minmax_element(maps.of(k));
    if (*high > *low && std::isfinite(*high) && std::isfinite(*low)) units.push_back(k);
  }
  const auto at = static_cast<size_t>(label);
  const double nothing = network.scores_of(Tensor(DType::f32, input.shape()), context)[at];
  const int64_t height = input.size(2), width = input.size(3);
  const auto x = input.data<float>();
  std::vector<double> increase(units.size(), 0.0);
  const auto count = static_cast<int64_t>(units.size());
  network.scores().run(
      context, count,
      [&](int64_t i, std::span<float> picture) {
        context.report({"Score-CAM", i, count, ""});
        const std::vector<float> mask =
            resize_plane(maps.of(units[static_cast<size_t>(i)]), static_cast<int>(maps.width),
                         static_cast<int>(maps.height), static_cast<int>(width), static_cast<int>(height));
        const auto [low, high] = std::ranges::minmax_element(mask);
        const float range = *high > *low ? *high - *low : 1;
        for (size_t k = 0; k < x.size(); ++k) picture[k] = x[k] * (mask[k % mask.size()] - *low) / range;
      },
      [&](int64_t i, int64_t slot, const std::vector<Tensor>& wants) {
        increase[static_cast<size_t>(i)] = double(row_of(wants[0], slot)[at]) - nothing;
      });
  const std::vector<double> weights = softmax_of(increase);
  AttributionMap map;
  map.method = "score-cam";
  map.layer = network.layer_name();
  map.height = maps.height, map.width = maps.width;
  std::vector<double> sums(static_cast<size_t>(map.height * map.width), 0.0);
  for (size_t i = 0; i < units.size(); ++i) {
    const std::span<const float> values = maps.of(units[i]);
    for (size_t p = 0; p < sums.size(); ++p) sums[p] += weights[i] * double(values[p]);
  }
  for (const double v : sums) map.values.push_back(static_cast<float>(std::isnan(v) ? v : std::max(0.0, v)));
  map.facts = {{"maps", static_cast<double>(count)}};
  if (units.empty()) map.empty = fmt::format("every map of \"{}\" is the same everywhere on this picture", map.layer);
  settle(map);
  return map;
}

}  // namespace fovea
