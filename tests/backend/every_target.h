// Each instruction set of this machine that our own kernels were compiled for.
#pragma once

#include <gtest/gtest.h>

#include <cstdint>
#include <functional>

// As the kernels have it: those are the targets that exist.
#define HWY_DISABLED_TARGETS (HWY_SSSE3)
#include <hwy/targets.h>

namespace fovea {

// Runs the test on one after the other; afterwards the best one is chosen again.
inline void on_every_target(const std::function<void()>& test) {
  for (const int64_t target : hwy::SupportedAndGeneratedTargets()) {
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(target);
    SCOPED_TRACE(hwy::TargetName(target));
    test();
  }
  hwy::SetSupportedTargetsForTest(0);
  hwy::GetChosenTarget().DeInit();
}

}  // namespace fovea
