#include "fovea/base/rng.h"

#include <cmath>
#include <numbers>

namespace fovea {

std::array<uint32_t, 4> Rng::block(uint64_t counter) const {
  std::array<uint32_t, 4> c = {static_cast<uint32_t>(counter), static_cast<uint32_t>(counter >> 32), 0, 0};
  uint32_t k0 = static_cast<uint32_t>(key_);
  uint32_t k1 = static_cast<uint32_t>(key_ >> 32);
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = uint64_t{0xD2511F53} * c[0];
    const uint64_t p1 = uint64_t{0xCD9E8D57} * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += 0x9E3779B9;
    k1 += 0xBB67AE85;
  }
  return c;
}

namespace {
uint64_t mix(uint64_t x) {  // the finaliser of SplitMix64
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9ull;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBull;
  return x ^ (x >> 31);
}
}  // namespace

Rng Rng::fork(uint64_t id) const { return Rng(mix(key_ + 0x9E3779B97F4A7C15ull * (id + 1))); }

Rng Rng::fork(std::string_view purpose) const {
  uint64_t hash = 0xCBF29CE484222325ull;  // FNV-1a
  for (const char c : purpose) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3ull;
  return fork(hash);
}

uint32_t Rng::bits(uint64_t index) const { return block(index / 4)[index % 4]; }

double Rng::uniform_double(uint64_t index) const {
  const auto words = block(index);
  return static_cast<double>(((uint64_t{words[0]} << 32) | words[1]) >> 11) * 0x1p-53;
}

uint64_t Rng::below(uint64_t index, uint64_t count) const {
  const auto words = block(index);
  const uint64_t word = (uint64_t{words[0]} << 32) | words[1];
  return static_cast<uint64_t>((static_cast<unsigned __int128>(word) * count) >> 64);
}

double Rng::normal(uint64_t index) const {
  const auto words = block(index);
  const double u = (static_cast<double>(words[0]) + 1.0) * 0x1p-32;  // in (0, 1]
  const double v = static_cast<double>(words[1]) * 0x1p-32;
  return std::sqrt(-2.0 * std::log(u)) * std::cos(2.0 * std::numbers::pi * v);
}

}  // namespace fovea
