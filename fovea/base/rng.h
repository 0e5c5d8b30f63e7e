// Counter-based, keyed random numbers: the same key and index give the same number, in any order and on any thread.
// Generator: Philox 4x32-10. Source: Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace fovea {

class Rng {
 public:
  explicit Rng(uint64_t key = 0) : key_(key) {}

  uint64_t key() const { return key_; }
  // An independent generator for a named or numbered purpose.
  Rng fork(uint64_t id) const;
  Rng fork(std::string_view purpose) const;

  // The 32-bit word at a position of the stream.
  uint32_t bits(uint64_t index) const;
  // Uniform in [0, 1), 24 and 53 bits of resolution.
  float uniform(uint64_t index) const { return static_cast<float>(bits(index) >> 8) * 0x1p-24f; }
  double uniform_double(uint64_t index) const;
  // Uniform integer in [0, count), without bias worth measuring (64-bit multiply-shift). count > 0.
  uint64_t below(uint64_t index, uint64_t count) const;
  // Standard normal (Box-Muller).
  double normal(uint64_t index) const;

 private:
  std::array<uint32_t, 4> block(uint64_t counter) const;
  uint64_t key_;
};

}  // namespace fovea
