// Bin m of M holds the pictures B_m with confidence p in ((m−1)/M, m/M].
// acc(B) = share of B that is right, conf(B) = mean of p; ECE = Σ |B_m|/n · |acc(B_m) − conf(B_m)|, MCE = max of these.
// Source: Guo et al., "On calibration of modern neural networks", ICML 2017, section 2.
#include "fovea/insight/calibration.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"

namespace fovea {

Calibration calibration(std::span<const SampleResult> samples, int bins) {
  require(bins >= 1 && bins <= 10000, ErrorKind::usage, "calibration in {} bins; expected 1 to 10000", bins);
  Calibration result;
  for (int m = 0; m < bins; ++m)
    result.bins.push_back({static_cast<double>(m) / bins, static_cast<double>(m + 1) / bins, 0, 0, 0});
  for (const SampleResult& s : samples) {
    const double p = std::isnan(s.confidence) ? 0 : std::clamp(s.confidence, 0.0, 1.0);
    // The rounded product may lie one bin off, so the edges decide.
    int m = std::clamp(static_cast<int>(std::ceil(p * bins)) - 1, 0, bins - 1);
    while (m > 0 && p <= result.bins[static_cast<size_t>(m)].low) --m;
    while (m < bins - 1 && p > result.bins[static_cast<size_t>(m)].high) ++m;
    CalibrationBin& bin = result.bins[static_cast<size_t>(m)];
    ++bin.count;
    bin.confidence += p;
    bin.accuracy += s.right;
    result.confidence += p;
  }
  const auto total = static_cast<double>(std::max<size_t>(1, samples.size()));
  result.confidence /= total;
  for (CalibrationBin& bin : result.bins) {
    if (bin.count == 0) continue;
    const auto count = static_cast<double>(bin.count);
    bin.confidence /= count;
    bin.accuracy /= count;
    const double gap = std::abs(bin.accuracy - bin.confidence);
    result.expected_error += count / total * gap;
    result.greatest_error = std::max(result.greatest_error, gap);
  }
  return result;
}

}  // namespace fovea
