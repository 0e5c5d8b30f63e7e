// Scalar arithmetic shared by the elementwise operators' references: integers wrap around and never trap.
#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

#include "fovea/graph/op.h"
#include "fovea/ops/elementwise.h"

namespace fovea {

// As infer_broadcast, but refuses booleans.
inline Inferred infer_arithmetic(const Inference& in) {
  require(in.dtype(0) != DType::boolean, ErrorKind::type, "expected numbers, got bool");
  return infer_broadcast(in);
}

// As infer_same, but refuses booleans.
inline Inferred infer_number(const Inference& in) {
  require(in.dtype(0) != DType::boolean, ErrorKind::type, "expected numbers, got bool");
  return infer_same(in);
}

template <class T>
T subtract(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) - static_cast<uint64_t>(b));
  else return a - b;
}

template <class T>
T multiply(T a, T b) {
  if constexpr (std::is_integral_v<T>) return static_cast<T>(static_cast<uint64_t>(a) * static_cast<uint64_t>(b));
  else return a * b;
}

// Integers truncate towards zero; an integer divided by 0 gives 0, the smallest divided by -1 wraps to itself.
template <class T>
T divide(T a, T b) {
  if constexpr (std::is_same_v<T, bool>) {
    return b ? a : false;
  } else if constexpr (std::is_integral_v<T>) {
    if (b == T(0)) return T(0);
    if constexpr (std::is_signed_v<T>)
      if (b == T(-1)) return subtract(T(0), a);
    return static_cast<T>(a / b);
  } else {
    return a / b;
  }
}

}  // namespace fovea
