#include "fovea/insight/calibration.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/rng.h"

namespace fovea {
namespace {

SampleResult sample(double confidence, bool right) {
  SampleResult s;
  s.confidence = confidence;
  s.right = right;
  return s;
}

TEST(Calibration, OfAFewGuessesByHand) {
  // Bins of a quarter: 0.6 and 0.7 are one, 0.9 another.
  const std::vector<SampleResult> samples = {sample(0.6, true), sample(0.7, false), sample(0.9, true),
                                             sample(0.95, true)};
  const Calibration c = calibration(samples, 4);
  ASSERT_EQ(c.bins.size(), 4u);
  EXPECT_EQ(c.bins[2].count, 2);
  EXPECT_DOUBLE_EQ(c.bins[2].confidence, 0.65);
  EXPECT_DOUBLE_EQ(c.bins[2].accuracy, 0.5);
  EXPECT_EQ(c.bins[3].count, 2);
  EXPECT_NEAR(c.expected_error, 0.5 * 0.15 + 0.5 * 0.075, 1e-15);
  EXPECT_NEAR(c.greatest_error, 0.15, 1e-15);
  EXPECT_NEAR(c.confidence, 0.7875, 1e-15);
}

TEST(Calibration, BinsAreOpenBelowAndClosedAbove) {
  for (int bins = 1; bins <= 100; ++bins)
    for (int m = 1; m <= bins; ++m) {
      const double edge = static_cast<double>(m) / bins;
      const Calibration at = calibration(std::vector<SampleResult>{sample(edge, true)}, bins);
      EXPECT_EQ(at.bins[static_cast<size_t>(m - 1)].count, 1) << m << " of " << bins;
      if (m == bins) continue;
      const Calibration above = calibration(std::vector<SampleResult>{sample(std::nextafter(edge, 2), true)}, bins);
      EXPECT_EQ(above.bins[static_cast<size_t>(m)].count, 1) << m << " of " << bins;
    }
}

TEST(Calibration, OfGuessesThatAreAsSureAsTheyShouldBeIsSmall) {
  std::vector<SampleResult> fair, sure;
  for (uint64_t i = 0; i < 20000; ++i) {
    const double p = 0.1 + 0.9 * Rng(1).uniform(i);
    const bool right = Rng(2).uniform(i) < p;
    fair.push_back(sample(p, right));
    sure.push_back(sample(std::sqrt(p), right));
  }
  // A bin of n/15 guesses strays by about 0.5/sqrt(n/15) = 0.014.
  EXPECT_LT(calibration(fair).expected_error, 0.014);
  EXPECT_GT(calibration(sure).expected_error, 0.1);
}

TEST(Calibration, TakesWhatIsNoProbability) {
  const std::vector<SampleResult> samples = {sample(std::nan(""), false), sample(0, false), sample(1.0000001, true)};
  const Calibration c = calibration(samples);
  EXPECT_EQ(c.bins.front().count, 2);
  EXPECT_EQ(c.bins.back().count, 1);
  EXPECT_EQ(c.expected_error, 0);
  EXPECT_EQ(calibration({}).expected_error, 0);
  EXPECT_THROW(calibration(samples, 0), Error);
}

}  // namespace
}  // namespace fovea
