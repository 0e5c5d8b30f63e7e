// What tests of kernels are fed with.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fovea::kernels {

inline std::vector<float> random_floats(size_t count, uint32_t seed, float low = -1, float high = 1) {
  std::vector<float> x(count);
  uint32_t state = seed * 2654435761u + 12345u;
  for (float& v : x) {
    state = state * 1664525u + 1013904223u;
    v = low + (high - low) * static_cast<float>(state >> 8) / 16777216.0f;
  }
  return x;
}

inline size_t at(int64_t i) { return static_cast<size_t>(i); }

}  // namespace fovea::kernels
