// What operators that only move elements share: a copy in which each axis of the result has its own table of source
// positions.
#pragma once

#include <span>
#include <vector>

#include "fovea/graph/op.h"

namespace fovea {

// Table entry of a position that has no source: it is filled.
inline constexpr int64_t kOutside = INT64_MIN;

// Source offsets, in elements, of the positions of one axis of the result.
using AxisTable = std::vector<int64_t>;

// count entries start · stride, (start + step) · stride, ….
AxisTable stepped(int64_t count, int64_t start, int64_t step, int64_t stride);

// to[p0, p1, …] = from[Σ_k tables[k][p_k]], or `fill` (one element; null: zero bytes) where any entry is kOutside. The
// product of the tables' lengths is the number of elements of `to`; its shape may be another view of them. Any element
// type, both the same.
void move_elements(const Tensor& from, Tensor& to, std::span<const AxisTable> tables, const std::byte* fill = nullptr);

// The cost of operators that compute nothing.
Cost no_flops(const Node& node, std::span<const Type> inputs);

// A build-time vector of i64 as a case's input.
Case::Input known_ints(const std::vector<int64_t>& values);

}  // namespace fovea
