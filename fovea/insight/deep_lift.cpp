// DeepLIFT: m_p = Σ_c (x_cp − x'_cp) · m_cp, m the multipliers that rescale_rules() bring down for the picture x and
// its baseline x'. Completeness ("summation to delta"): Σ_p m_p = S(x) − S(x'). Source: Shrikumar, Greenside & Kundaje,
// "Learning important features through propagating activation differences", ICML 2017, section 3.
#include <algorithm>

#include "fovea/insight/completeness.h"

namespace fovea {

AttributionMap deep_lift(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context) {
  if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
  AttributionNetwork::Pair& pair = network.pair();
  const Tensor baseline = network.baseline();
  const auto x = input.data<float>(), from = baseline.data<float>();
  Shape shape = input.shape();
  shape[0] = 2;
  Tensor pictures(DType::f32, shape);
  std::ranges::copy(x, pictures.data<float>().begin());
  std::ranges::copy(from, pictures.data<float>().begin() + static_cast<std::ptrdiff_t>(x.size()));
  const Tensor place = pair.program.input(kScoreSeed);
  Tensor seed(place.dtype(), place.shape());
  seed.set(label, 1), seed.set(network.classes() + label, 1);
  const std::vector<Tensor> wants = pair.program.run({{pair.input, pictures}, {kScoreSeed, seed}});
  std::vector<double> sums(static_cast<size_t>(input.size(2) * input.size(3)), 0.0);
  const std::span<const float> multipliers = row_of(wants[1], 0);
  for (size_t k = 0; k < x.size(); ++k)
    sums[k % sums.size()] += double(multipliers[k]) * (double(x[k]) - double(from[k]));
  const auto at = static_cast<size_t>(label);
  return complete_map("deep-lift", input, sums, double(row_of(wants[0], 0)[at]) - double(row_of(wants[0], 1)[at]));
}

}  // namespace fovea
