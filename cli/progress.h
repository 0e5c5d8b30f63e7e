// Progress of long work on standard error: a bar with rate and time left on a terminal, a line now and then elsewhere.
#pragma once

#include <chrono>
#include <string>

#include "fovea/base/context.h"

namespace fovea::cli {

class ProgressBar {
 public:
  explicit ProgressBar(bool quiet);
  ~ProgressBar() { clear(); }
  void show(const Progress& progress);
  // Takes the bar off the terminal, so that a message can be printed.
  void clear();

 private:
  using Clock = std::chrono::steady_clock;
  bool quiet_, terminal_;
  bool shown_ = false;
  std::string what_;
  Clock::time_point start_, last_;
  int64_t first_ = 0;  // what was done at the start: work that is resumed is not counted in the rate
};

}  // namespace fovea::cli
