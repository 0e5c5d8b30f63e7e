#include "fovea/tensor/shape.h"

#include <algorithm>
#include <string_view>

#include "fovea/base/error.h"

namespace fovea {

int64_t Shape::count() const { return count(0, rank()); }

int64_t Shape::count(int64_t first, int64_t last) const {
  int64_t product = 1;
  for (int64_t axis = first; axis < last; ++axis) product *= (*this)[static_cast<size_t>(axis)];
  return product;
}

std::vector<int64_t> Shape::strides() const {
  std::vector<int64_t> result(size(), 1);
  for (size_t axis = size(); axis-- > 1;) result[axis - 1] = result[axis] * (*this)[axis];
  return result;
}

std::string to_string(const Shape& shape) {
  return shape.empty() ? "scalar" : fmt::format("{}", fmt::join(shape, "x"));
}
std::string to_string(const Ints& values) { return fmt::format("{}", fmt::join(values, ",")); }

int64_t normal_axis(int64_t axis, int64_t rank, std::string_view where) {
  require(axis >= -rank && axis < rank, ErrorKind::shape, "{}: axis {} is outside of rank {}", where, axis, rank);
  return axis < 0 ? axis + rank : axis;
}

Shape broadcast(const Shape& a, const Shape& b) {
  Shape result(std::max(a.size(), b.size()));
  for (size_t i = 0; i < result.size(); ++i) {
    const int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    require(x == y || x == 1 || y == 1, ErrorKind::shape, "shapes {} and {} do not broadcast", to_string(a),
            to_string(b));
    result[result.size() - 1 - i] = x == 1 ? y : x;
  }
  return result;
}

bool is_sane(const Shape& shape, size_t element_size) {
  if (shape.size() > 32) return false;
  constexpr int64_t limit = int64_t{1} << 46;
  int64_t bytes = static_cast<int64_t>(element_size);
  bool has_zero = false;
  for (const int64_t size : shape) {
    if (size < 0) return false;
    if (size == 0) {
      has_zero = true;
      continue;
    }
    if (bytes > limit / size) return false;
    bytes *= size;
  }
  return has_zero || bytes <= limit;
}

}  // namespace fovea
