// Four floats that KissFFT's class template takes for one number, so that four transforms are done at once. Internal to
// fovea/features/fft_repulsion.cpp.
#pragma once

#include <cmath>
#include <cstddef>

namespace fovea {

struct Four {
  // GCC's and Clang's vectors: one register of SSE or NEON.
  using Vector = float __attribute__((vector_size(16)));
  Vector v;

  Four() : v{0, 0, 0, 0} {}
  Four(Vector value) : v(value) {}                         // NOLINT
  Four(float value) : v{value, value, value, value} {}     // NOLINT: KissFFT writes scalar_t(0.5)
  Four(double value) : Four(static_cast<float>(value)) {}  // NOLINT
  Four(int value) : Four(static_cast<float>(value)) {}     // NOLINT
  // The first of them: KissFFT computes its angles from equal ones, by std::acos.
  operator double() const { return static_cast<double>(v[0]); }  // NOLINT

  Four& operator+=(Four o) { return v += o.v, *this; }
  Four& operator-=(Four o) { return v -= o.v, *this; }
  Four& operator*=(Four o) { return v *= o.v, *this; }
  friend Four operator+(Four a, Four b) { return a.v + b.v; }
  friend Four operator-(Four a, Four b) { return a.v - b.v; }
  friend Four operator*(Four a, Four b) { return a.v * b.v; }
  friend Four operator*(std::size_t a, Four b) { return Four(static_cast<double>(a)) * b; }
  friend Four operator-(Four a) { return -a.v; }
  friend bool operator>=(Four a, int b) { return a.v[0] >= static_cast<float>(b); }
  // Of equal numbers, for KissFFT's table of twiddle factors.
  friend Four exp(Four a) { return std::exp(static_cast<double>(a)); }
  friend Four cos(Four a) { return std::cos(static_cast<double>(a)); }
  friend Four sin(Four a) { return std::sin(static_cast<double>(a)); }
};

}  // namespace fovea
