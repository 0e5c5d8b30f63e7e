// Tensor: shape + dtype + shared buffer. A dumb value: contiguous, row-major, no strides, no device, no gradient.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/tensor/dtype.h"
#include "fovea/tensor/shape.h"

namespace fovea {

// Cheap to copy (the buffer is shared). Writing through data<T>() clones the buffer first when it is shared or
// read-only.
class Tensor {
 public:
  Tensor() : Tensor(DType::f32, Shape{0}) {}
  // Zeros. Throws Error{shape} when the shape is negative or too large.
  Tensor(DType dtype, Shape shape);
  // From values in row-major order; their number must equal the shape's count.
  template <class T>
  static Tensor of(Shape shape, const std::vector<T>& values);
  template <class T>
  static Tensor scalar(T value) {
    return of<T>({}, {value});
  }
  // A vector of i64, as shape-determining inputs are.
  static Tensor ints(const std::vector<int64_t>& values) {
    return of<int64_t>({static_cast<int64_t>(values.size())}, values);
  }
  static Tensor full(DType dtype, Shape shape, double value);
  // Over bytes owned by something else (a mapped file); read-only, cloned when written to. Throws Error{format} when
  // there are too few bytes. Bytes that are not aligned to the element size are copied.
  static Tensor over(const Bytes& bytes, DType dtype, Shape shape);
  // A writable window on memory the caller keeps alive: how steps see arena memory.
  static Tensor window(void* memory, DType dtype, Shape shape);

  DType dtype() const { return dtype_; }
  const Shape& shape() const { return shape_; }
  int64_t rank() const { return shape_.rank(); }
  int64_t size(int64_t axis) const { return shape_[static_cast<size_t>(axis < 0 ? axis + rank() : axis)]; }
  int64_t count() const { return shape_.count(); }
  size_t bytes() const { return static_cast<size_t>(count()) * size_of(dtype_); }

  const std::byte* raw() const { return data_; }
  std::byte* raw();
  // Element access; throws Error{type} when T is not the dtype.
  template <class T>
  std::span<const T> data() const {
    expect<T>();
    return {reinterpret_cast<const T*>(data_), static_cast<size_t>(count())};
  }
  template <class T>
  std::span<T> data() {
    expect<T>();
    return {reinterpret_cast<T*>(raw()), static_cast<size_t>(count())};
  }
  // One element as a double, whatever the dtype; slow, for tests and printing.
  double at(int64_t index) const;
  void set(int64_t index, double value);
  // The elements as i64 (integers and booleans) or double. Throws Error{type} for floats asked as integers.
  std::vector<int64_t> to_ints() const;
  std::vector<double> to_doubles() const;

  // Same buffer, other shape; counts must agree.
  Tensor reshaped(Shape shape) const;
  // Elements converted; float → integer truncates and saturates, → bool is "not zero".
  Tensor cast(DType dtype) const;
  bool same_bits(const Tensor& other) const;
  // When the tensor lies over a file mapping: lets the system drop the whole pages within these bytes from memory (they
  // come back when they are read).
  void release_pages(size_t offset, size_t size) const;

 private:
  template <class T>
  void expect() const {
    require(dtype_of<T>() == dtype_, ErrorKind::type, "tensor holds {}, asked for {}", to_string(dtype_),
            to_string(dtype_of<T>()));
  }
  DType dtype_;
  Shape shape_;
  std::shared_ptr<const void> owner_;
  std::byte* data_ = nullptr;
  bool writable_ = false;  // false: a read-only mapping, cloned before the first write
  bool window_ = false;    // true: writes go through, never cloned
  bool mapped_ = false;    // over a file mapping
};

template <class T>
Tensor Tensor::of(Shape shape, const std::vector<T>& values) {
  Tensor result(dtype_of<T>(), std::move(shape));
  require(static_cast<int64_t>(values.size()) == result.count(), ErrorKind::shape, "{} values for shape {}",
          values.size(), to_string(result.shape()));
  std::copy(values.begin(), values.end(), result.data<T>().begin());
  return result;
}

}  // namespace fovea
