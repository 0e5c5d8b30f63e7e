// Whether a network is right as often as it says it is.
#pragma once

#include <span>
#include <vector>

#include "fovea/insight/evaluation.h"

namespace fovea {

// The pictures whose confidence lies in (low, high].
struct CalibrationBin {
  double low = 0, high = 0;
  int64_t count = 0;
  double confidence = 0;  // mean over them; 0 when there are none
  double accuracy = 0;    // share of them that was right
};

struct Calibration {
  std::vector<CalibrationBin> bins;
  double expected_error = 0;  // Σ count/n · |accuracy − confidence|, 0..1
  double greatest_error = 0;  // the greatest |accuracy − confidence| of a bin that is not empty
  double confidence = 0;      // mean over all
};

// The reliability of the guesses in bins of equal width. A confidence of 0 is put into the first bin, NaN counts as 0.
// Throws Error{usage} for fewer than one bin or more than 10000. Source: Guo, Pleiss, Sun & Weinberger, "On calibration
// of modern neural networks", ICML 2017, equations 3 and 5 (15 bins there).
Calibration calibration(std::span<const SampleResult> samples, int bins = 15);

}  // namespace fovea
