// What elementwise operators share: inference and reference loops for one operand, and for two with broadcasting.
#pragma once

#include "fovea/graph/op.h"

namespace fovea {

// Output type = type of input 0.
Inferred infer_same(const Inference& in);
// As infer_same, but refuses element types that are not floating point.
Inferred infer_same_float(const Inference& in);
// Two operands of one type, broadcast ("numpy" rules).
Inferred infer_broadcast(const Inference& in);
// The same with a boolean result.
Inferred infer_comparison(const Inference& in);

// Applies f to every element: float and double as themselves, f16 and bf16 through float.
template <class F>
void map_float(const Call& call, F f) {
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (is_float(dtype_of<T>())) {
      const auto x = call.inputs[0].data<T>();
      const auto y = call.outputs[0].data<T>();
      for (size_t i = 0; i < x.size(); ++i) y[i] = T(f(static_cast<Compute<T>>(x[i])));
    } else {
      fail(ErrorKind::type, "expected floating point, got {}", to_string(call.inputs[0].dtype()));
    }
  });
}

// Applies f to every element of any numeric type (booleans are refused).
template <class F>
void map_number(const Call& call, F f) {
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, bool>) {
      const auto x = call.inputs[0].data<T>();
      const auto y = call.outputs[0].data<T>();
      for (size_t i = 0; i < x.size(); ++i) y[i] = T(f(static_cast<Compute<T>>(x[i])));
    } else {
      fail(ErrorKind::type, "expected numbers, got bool");
    }
  });
}

// Calls f(output index, index into a, index into b) for every element of the broadcast of two shapes, in row-major
// order.
template <class F>
void for_broadcast(const Shape& out, const Shape& a, const Shape& b, F f) {
  const size_t rank = out.size();
  std::vector<int64_t> step_a(rank, 0), step_b(rank, 0), position(rank, 0);
  auto fill = [&](const Shape& s, std::vector<int64_t>& step) {
    const auto strides = s.strides();
    for (size_t k = 0; k < s.size(); ++k)
      if (s[k] != 1) step[rank - s.size() + k] = strides[k];
  };
  fill(a, step_a);
  fill(b, step_b);
  const int64_t count = out.count();
  int64_t ia = 0, ib = 0;
  for (int64_t i = 0; i < count; ++i) {
    f(i, ia, ib);
    for (size_t k = rank; k-- > 0;) {
      ia += step_a[k];
      ib += step_b[k];
      if (++position[k] < out[k]) break;
      ia -= step_a[k] * out[k];
      ib -= step_b[k] * out[k];
      position[k] = 0;
    }
  }
}

// output[i] = f(a, b) with broadcasting, for every numeric type of the inputs; the output may be of another type
// (comparisons).
template <class F>
void map_pair(const Call& call, F f) {
  const Tensor& a = call.inputs[0];
  const Tensor& b = call.inputs[1];
  dispatch(a.dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    using C = Compute<T>;
    using R = decltype(f(C{}, C{}));
    const T* x = a.data<T>().data();
    const T* y = b.data<T>().data();
    if constexpr (std::is_same_v<R, bool> && !std::is_same_v<T, bool>) {
      bool* z = call.outputs[0].data<bool>().data();
      for_broadcast(call.outputs[0].shape(), a.shape(), b.shape(),
                    [&](int64_t i, int64_t ia, int64_t ib) { z[i] = f(static_cast<C>(x[ia]), static_cast<C>(y[ib])); });
    } else {
      T* z = call.outputs[0].data<T>().data();
      for_broadcast(call.outputs[0].shape(), a.shape(), b.shape(), [&](int64_t i, int64_t ia, int64_t ib) {
        z[i] = T(f(static_cast<C>(x[ia]), static_cast<C>(y[ib])));
      });
    }
  });
}

// One random f32 input of an odd shape, kept away from a kink: the usual case of a unary operator.
std::vector<Case> unary_cases(double low = -3, double high = 3, double kink = 1e30);
// Same shape, row, column, channel, scalar and two-way broadcasts.
std::vector<Case> binary_cases(double low = -3, double high = 3);

}  // namespace fovea
