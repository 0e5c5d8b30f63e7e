// gradient:      m_p = max_c |∂S/∂x_cp|
// smoothed:      m_p = 1/n Σ_k max_c |∂S/∂x_cp (x + N(0, σ²))|
// times input:   m_p = Σ_c x_cp ∂S/∂x_cp
// guided:        as the gradient, with the guided rule at rectifiers
// Sources: see saliency.h.
#include "fovea/insight/saliency.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/rng.h"

namespace fovea {

namespace {

// Adds share · max_c |d_c| to a map.
void add_magnitude(std::span<const float> d, std::vector<float>& map, float share) {
  const size_t plane = map.size();
  for (size_t p = 0; p < plane; ++p) {
    float most = 0;
    for (size_t at = p; at < d.size(); at += plane) {
      const float size = std::abs(d[at]);
      most = std::isnan(size) ? size : std::max(most, size);
    }
    map[p] += most * share;
  }
}

AttributionMap blank_map(const AttributionNetwork& network, std::string method) {
  AttributionMap map;
  map.method = std::move(method);
  map.height = network.input_shape()[2], map.width = network.input_shape()[3];
  map.values.assign(static_cast<size_t>(map.height * map.width), 0.0f);
  return map;
}

// The gradient at one input under a rule.
Tensor gradient_at(AttributionNetwork& network, const std::string& rule, const Tensor& input, int64_t label,
                   const Context& context) {
  BatchedProgram& program = network.gradients(rule);
  Tensor result(DType::f32, input.shape());
  program.run(
      context, 1, [&](int64_t, std::span<float> picture) { std::ranges::copy(input.data<float>(), picture.begin()); },
      [&](int64_t, int64_t slot, const std::vector<Tensor>& wants) {
        std::ranges::copy(row_of(wants[1], slot), result.data<float>().begin());
      },
      network.seed(program, label));
  return result;
}

AttributionMap magnitude_map(AttributionNetwork& network, std::string method, const std::string& rule,
                             const Tensor& input, int64_t label, const Context& context) {
  AttributionMap map = blank_map(network, std::move(method));
  map.signal = gradient_at(network, rule, input, label, context);
  add_magnitude(std::as_const(map.signal).data<float>(), map.values, 1);
  return map;
}

}  // namespace

AttributionMap gradient_map(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context) {
  AttributionMap map = magnitude_map(network, "gradient", "gradient", input, label, context);
  map.signal = Tensor();
  settle(map);
  return map;
}

AttributionMap guided_map(AttributionNetwork& network, const Tensor& input, int64_t label, const Context& context) {
  AttributionMap map = magnitude_map(network, "guided", "guided", input, label, context);
  settle(map);
  return map;
}

AttributionMap gradient_times_input(AttributionNetwork& network, const Tensor& input, int64_t label,
                                    const Context& context) {
  AttributionMap map = blank_map(network, "gradient-input");
  map.is_signed = true;
  const Tensor gradient = gradient_at(network, "gradient", input, label, context);
  const auto d = gradient.data<float>(), x = input.data<float>();
  for (size_t i = 0; i < d.size(); ++i) map.values[i % map.values.size()] += d[i] * x[i];
  settle(map);
  return map;
}

AttributionMap smooth_gradient(AttributionNetwork& network, const Tensor& input, int64_t label,
                               const Context& context) {
  const AttributionOptions& options = network.options();
  require(options.samples >= 1 && options.noise >= 0, ErrorKind::usage,
          "SmoothGrad takes at least one sample and noise of 0 or more, got {} and {}", options.samples, options.noise);
  AttributionMap map = blank_map(network, "smoothgrad");
  BatchedProgram& program = network.gradients();
  const auto x = input.data<float>();
  const auto [low, high] = std::ranges::minmax_element(x);
  const double sigma = options.noise * static_cast<double>(*high - *low);
  const Rng rng = Rng(context.seed).fork("saliency");
  program.run(
      context, options.samples,
      [&](int64_t i, std::span<float> picture) {
        const Rng own = rng.fork(static_cast<uint64_t>(i));
        for (size_t k = 0; k < x.size(); ++k) picture[k] = x[k] + static_cast<float>(sigma * own.normal(k));
      },
      [&](int64_t, int64_t slot, const std::vector<Tensor>& wants) {
        add_magnitude(row_of(wants[1], slot), map.values, 1.0f / static_cast<float>(options.samples));
      },
      network.seed(program, label));
  map.facts = {{"samples", static_cast<double>(options.samples)}, {"noise", options.noise}};
  settle(map);
  return map;
}

}  // namespace fovea
