// Shapes and small integer lists. Letters used in comments everywhere: N batch, C channels, H W height and width, O I
// output and input channels of a weight, K kernel, G groups, P spatial positions, D depth.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <vector>

namespace fovea {

// A list of integers that a single number converts to: attributes such as .stride = 2 or .stride = {2, 1}.
class Ints : public std::vector<int64_t> {
 public:
  Ints() = default;
  Ints(int64_t value) : std::vector<int64_t>{value} {}  // NOLINT: the conversion is the point
  Ints(int value) : std::vector<int64_t>{value} {}      // NOLINT
  Ints(std::initializer_list<int64_t> values) : std::vector<int64_t>(values) {}
  Ints(std::vector<int64_t> values) : std::vector<int64_t>(std::move(values)) {}  // NOLINT
  template <class It>
  Ints(It first, It last) : std::vector<int64_t>(first, last) {}
};

// The sizes of a tensor, outermost first; row-major. A scalar has rank 0.
class Shape : public std::vector<int64_t> {
 public:
  using std::vector<int64_t>::vector;
  Shape(std::vector<int64_t> sizes) : std::vector<int64_t>(std::move(sizes)) {}   // NOLINT
  Shape(const Ints& sizes) : std::vector<int64_t>(sizes.begin(), sizes.end()) {}  // NOLINT

  int64_t rank() const { return static_cast<int64_t>(size()); }
  // Number of elements; 1 for a scalar.
  int64_t count() const;
  // Product of sizes [first, last).
  int64_t count(int64_t first, int64_t last) const;
  // Row-major strides, in elements.
  std::vector<int64_t> strides() const;
};

// "1x3x224x224"; "scalar" for rank 0.
std::string to_string(const Shape& shape);
std::string to_string(const Ints& values);

// axis in [-rank, rank) → [0, rank). Throws Error{shape} naming `where`.
int64_t normal_axis(int64_t axis, int64_t rank, std::string_view where);

// Two-way ("numpy") broadcasting of shapes. Throws Error{shape} naming both.
Shape broadcast(const Shape& a, const Shape& b);

// True when the number of bytes of such a tensor fits comfortably (below 2^46) and no size is negative.
bool is_sane(const Shape& shape, size_t element_size);

}  // namespace fovea
