// Layer-wise relevance propagation, LRP-ε: m_p = Σ_c x_cp · r_cp, r what relevance_rules() bring down to the picture.
// Conservation: Σ_p m_p = S(x) minus what biases and ε keep. Source: Bach et al., PLoS ONE 2015, equations 2 and 58.
#include <algorithm>
#include <numeric>

#include "fovea/insight/attribution.h"
#include "fovea/insight/rules.h"

namespace fovea {

AttributionMap relevance_map(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context) {
  const double epsilon = network.options().epsilon;
  require(epsilon >= 0, ErrorKind::usage, "epsilon must not be negative, got {:g}", epsilon);
  BatchedProgram& program = network.relevance();
  std::map<std::string, Tensor> feeds = network.seed(program, label);
  feeds[kRelevanceEpsilon] = Tensor::scalar<float>(static_cast<float>(epsilon));
  AttributionMap map;
  map.method = "lrp";
  map.is_signed = true;
  map.height = input.size(2), map.width = input.size(3);
  std::vector<double> sums(static_cast<size_t>(map.height * map.width), 0.0);
  double score = 0;
  const auto x = input.data<float>();
  program.run(
      context, 1, [&](int64_t, std::span<float> picture) { std::ranges::copy(x, picture.begin()); },
      [&](int64_t, int64_t slot, const std::vector<Tensor>& wants) {
        score = double(row_of(wants[0], slot)[static_cast<size_t>(label)]);
        const std::span<const float> r = row_of(wants[1], slot);
        for (size_t k = 0; k < r.size(); ++k) sums[k % sums.size()] += double(r[k]) * double(x[k]);
      },
      feeds);
  map.values.assign(sums.begin(), sums.end());
  const double sum = std::accumulate(sums.begin(), sums.end(), 0.0);
  map.facts = {{"epsilon", epsilon}, {"sum", sum}, {"score", score}};
  if (score != 0) map.facts.emplace_back("conserved", sum / score);
  settle(map);
  return map;
}

}  // namespace fovea
