// Element types. All of them are stored; arithmetic is done in f32 (the reference also in f64, and in integers where an
// operator is defined on them).
#pragma once

#include <bit>
#include <cstdint>
#include <cstring>
#include <string_view>
#include <type_traits>

#include "fovea/base/error.h"

namespace fovea {

enum class DType : uint8_t { boolean, i8, i16, i32, i64, u8, u16, u32, u64, f16, bf16, f32, f64 };

std::string_view to_string(DType dtype);
size_t size_of(DType dtype);  // bytes of an element
constexpr bool is_float(DType dtype) { return dtype >= DType::f16; }
constexpr bool is_integer(DType dtype) { return dtype != DType::boolean && dtype < DType::f16; }

// IEEE 754 binary16, storage only; converts with round to nearest even.
struct f16 {
  uint16_t bits = 0;
  f16() = default;
  explicit f16(float value);
  operator float() const;
};

// The upper half of an f32, storage only; converts with round to nearest even.
struct bf16 {
  uint16_t bits = 0;
  bf16() = default;
  explicit bf16(float value);
  operator float() const { return std::bit_cast<float>(uint32_t{bits} << 16); }
};

template <class T>
struct Tag {
  using type = T;
};

template <class T>
constexpr DType dtype_of() {
  if constexpr (std::is_same_v<T, bool>) return DType::boolean;
  else if constexpr (std::is_same_v<T, int8_t>) return DType::i8;
  else if constexpr (std::is_same_v<T, int16_t>) return DType::i16;
  else if constexpr (std::is_same_v<T, int32_t>) return DType::i32;
  else if constexpr (std::is_same_v<T, int64_t>) return DType::i64;
  else if constexpr (std::is_same_v<T, uint8_t>) return DType::u8;
  else if constexpr (std::is_same_v<T, uint16_t>) return DType::u16;
  else if constexpr (std::is_same_v<T, uint32_t>) return DType::u32;
  else if constexpr (std::is_same_v<T, uint64_t>) return DType::u64;
  else if constexpr (std::is_same_v<T, f16>) return DType::f16;
  else if constexpr (std::is_same_v<T, bf16>) return DType::bf16;
  else if constexpr (std::is_same_v<T, float>) return DType::f32;
  else {
    static_assert(std::is_same_v<T, double>);
    return DType::f64;
  }
}

// Calls f(Tag<T>{}) with the C++ type of a dtype.
template <class F>
decltype(auto) dispatch(DType dtype, F&& f) {
  switch (dtype) {
    case DType::boolean: return f(Tag<bool>{});
    case DType::i8: return f(Tag<int8_t>{});
    case DType::i16: return f(Tag<int16_t>{});
    case DType::i32: return f(Tag<int32_t>{});
    case DType::i64: return f(Tag<int64_t>{});
    case DType::u8: return f(Tag<uint8_t>{});
    case DType::u16: return f(Tag<uint16_t>{});
    case DType::u32: return f(Tag<uint32_t>{});
    case DType::u64: return f(Tag<uint64_t>{});
    case DType::f16: return f(Tag<f16>{});
    case DType::bf16: return f(Tag<bf16>{});
    case DType::f32: return f(Tag<float>{});
    case DType::f64: return f(Tag<double>{});
  }
  fail(ErrorKind::internal, "unknown dtype {}", static_cast<int>(dtype));
}

// Calls f(Tag<T>{}) for f32 and f64 only; throws Error{type} otherwise. What heavy reference kernels use.
template <class F>
decltype(auto) dispatch_float(DType dtype, F&& f) {
  if (dtype == DType::f32) return f(Tag<float>{});
  if (dtype == DType::f64) return f(Tag<double>{});
  fail(ErrorKind::type, "expected f32 or f64, got {}", to_string(dtype));
}

// The type in which arithmetic on T is done: float for f16 and bf16, T itself otherwise.
template <class T>
using Compute = std::conditional_t<std::is_same_v<T, f16> || std::is_same_v<T, bf16>, float, T>;

}  // namespace fovea
