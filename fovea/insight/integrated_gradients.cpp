// m_p = Σ_c (x_cp − x'_cp) · ∫_0^1 ∂S/∂x_cp (x' + α (x − x')) dα, by Gauss-Legendre or the trapezoid rule.
// Completeness: Σ_p m_p = S(x) − S(x'). Source: Sundararajan, Taly & Yan, "Axiomatic attribution for deep networks",
// ICML 2017, equation 1 and proposition 1.
#include <algorithm>
#include <cmath>
#include <numbers>

#include "fovea/insight/completeness.h"

namespace fovea {

std::vector<std::pair<double, double>> gauss_legendre(int64_t n) {
  require(n >= 1, ErrorKind::usage, "a quadrature takes at least one point, got {}", n);
  std::vector<std::pair<double, double>> result(static_cast<size_t>(n));
  const auto count = static_cast<double>(n);
  for (int64_t i = 0; i < n; ++i) {
    // A root of the Legendre polynomial by Newton's method, from Tricomi's guess.
    double x = -std::cos(std::numbers::pi * (static_cast<double>(i) + 0.75) / (count + 0.5)), slope = 1;
    for (int step = 0; step < 100; ++step) {
      double before = 1, now = x;
      for (int64_t k = 2; k <= n; ++k) {
        const auto d = static_cast<double>(k);
        before = std::exchange(now, ((2 * d - 1) * x * now - (d - 1) * before) / d);
      }
      slope = count * (x * now - before) / (x * x - 1);
      const double move = now / slope;
      x -= move;
      if (std::abs(move) < 1e-15) break;
    }
    result[static_cast<size_t>(i)] = {(x + 1) / 2, 1 / ((1 - x * x) * slope * slope)};
  }
  return result;
}

namespace {

std::vector<std::pair<double, double>> path_points(const AttributionOptions& options) {
  if (options.quadrature == "gauss") return gauss_legendre(options.steps);
  require(options.quadrature == "trapezoid", ErrorKind::usage, "unknown quadrature \"{}\"; known: gauss, trapezoid",
          options.quadrature);
  require(options.steps >= 2, ErrorKind::usage, "the trapezoid rule takes at least two points, got {}", options.steps);
  std::vector<std::pair<double, double>> result;
  const auto intervals = static_cast<double>(options.steps - 1);
  for (int64_t i = 0; i < options.steps; ++i)
    result.emplace_back(static_cast<double>(i) / intervals, (i == 0 || i == options.steps - 1 ? 0.5 : 1.0) / intervals);
  return result;
}

}  // namespace

AttributionMap integrated_gradients(AttributionNetwork& network, const Tensor& input, int64_t label,
                                    const Context& context) {
  const std::vector<std::pair<double, double>> points = path_points(network.options());
  const Tensor baseline = network.baseline();
  const auto x = input.data<float>(), from = baseline.data<float>();
  BatchedProgram& program = network.gradients();
  std::vector<double> mean(x.size(), 0.0);
  program.run(
      context, static_cast<int64_t>(points.size()),
      [&](int64_t i, std::span<float> picture) {
        const double alpha = points[static_cast<size_t>(i)].first;
        for (size_t k = 0; k < x.size(); ++k)
          picture[k] = static_cast<float>(double(from[k]) + alpha * (double(x[k]) - double(from[k])));
      },
      [&](int64_t i, int64_t slot, const std::vector<Tensor>& wants) {
        const std::span<const float> d = row_of(wants[1], slot);
        const double weight = points[static_cast<size_t>(i)].second;
        for (size_t k = 0; k < d.size(); ++k) mean[k] += weight * double(d[k]);
      },
      network.seed(program, label));
  const auto plane = static_cast<size_t>(input.size(2) * input.size(3));
  std::vector<double> sums(plane, 0.0);
  for (size_t k = 0; k < x.size(); ++k) sums[k % plane] += mean[k] * (double(x[k]) - double(from[k]));
  const auto at = static_cast<size_t>(label);
  return complete_map("integrated-gradients", input, sums,
                      network.scores_of(input, context)[at] - network.scores_of(baseline, context)[at]);
}

}  // namespace fovea
