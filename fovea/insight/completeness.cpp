// Completeness: Σ_p m_p = S(x) − S(x'). Source: Sundararajan, Taly & Yan, "Axiomatic attribution for deep networks",
// ICML 2017, proposition 1.
#include "fovea/insight/completeness.h"

#include <cmath>
#include <numeric>

namespace fovea {

AttributionMap complete_map(std::string method, const Tensor& input, std::span<const double> sums, double difference) {
  AttributionMap map;
  map.method = std::move(method);
  map.is_signed = true;
  map.height = input.size(2), map.width = input.size(3);
  map.values.assign(sums.begin(), sums.end());
  const double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  map.facts = {{"sum", sum}, {"score_difference", difference}, {"completeness_gap", sum - difference}};
  if (difference != 0) map.facts.emplace_back("relative_gap", std::abs(sum - difference) / std::abs(difference));
  settle(map);
  return map;
}

}  // namespace fovea
