// Numbers that the golden scripts and the tests compute alike, so that no weights and pictures are kept: u(i) is the
// FNV-1a hash of a name, mixed with the index by splitmix64, its upper 24 bits as a fraction in [0, 1).
#pragma once

#include <cstdint>
#include <string_view>

namespace fovea {

class Formula {
 public:
  explicit Formula(std::string_view name) {
    for (const char c : name) hash_ = (hash_ ^ static_cast<unsigned char>(c)) * 0x100000001B3;
  }
  double operator()(int64_t index) const {
    uint64_t z = hash_ + static_cast<uint64_t>(index + 1) * 0x9E3779B97F4A7C15;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
    z ^= z >> 31;
    return static_cast<double>(z >> 40) * 0x1p-24;
  }

 private:
  uint64_t hash_ = 0xCBF29CE484222325;
};

}  // namespace fovea
