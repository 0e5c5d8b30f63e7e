#include "fovea/tensor/tensor.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "fovea/base/memory.h"

namespace fovea {

namespace {

constexpr size_t kAlignment = 64;

// From here on memory comes straight from the system and goes straight back: weights are let go one by one while others
// are prepared, and malloc would keep the holes.
constexpr size_t kLarge = size_t{1} << 20;

std::shared_ptr<void> allocate(size_t bytes) {
  if (bytes >= kLarge) {
    auto block = std::make_shared<Block>(bytes);
    return {block, block->data()};
  }
  void* memory = ::operator new (std::max<size_t>(bytes, 1), std::align_val_t{kAlignment}, std::nothrow);
  require(memory != nullptr, ErrorKind::internal, "out of memory: {} bytes", bytes);
  return {memory, [](void* address) { ::operator delete (address, std::align_val_t{kAlignment}); }};
}

template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<To, bool>) {
    return static_cast<Compute<From>>(value) != Compute<From>(0);
  } else if constexpr (std::is_same_v<From, f16> || std::is_same_v<From, bf16>) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, f16> || std::is_same_v<To, bf16>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_floating_point_v<From> && std::is_integral_v<To>) {
    if (std::isnan(value)) return To(0);
    if (value <= static_cast<From>(std::numeric_limits<To>::min())) return std::numeric_limits<To>::min();
    if (value >= static_cast<From>(std::numeric_limits<To>::max())) return std::numeric_limits<To>::max();
    return static_cast<To>(value);
  } else {
    return static_cast<To>(value);
  }
}

}  // namespace

Tensor::Tensor(DType dtype, Shape shape) : dtype_(dtype), shape_(std::move(shape)) {
  require(is_sane(shape_, size_of(dtype_)), ErrorKind::shape, "cannot hold a {} tensor of shape {}", to_string(dtype_),
          to_string(shape_));
  auto memory = allocate(bytes());
  data_ = static_cast<std::byte*>(memory.get());
  if (bytes() < kLarge) std::memset(data_, 0, bytes());  // a block is zero already
  owner_ = std::move(memory);
  writable_ = true;
}

Tensor Tensor::full(DType dtype, Shape shape, double value) {
  Tensor result(dtype, std::move(shape));
  dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (T& element : result.data<T>()) element = convert<T>(value);
  });
  return result;
}

Tensor Tensor::over(const Bytes& bytes, DType dtype, Shape shape) {
  Tensor result;
  require(is_sane(shape, size_of(dtype)), ErrorKind::shape, "{}: cannot hold a {} tensor of shape {}", bytes.label(),
          to_string(dtype), to_string(shape));
  result.dtype_ = dtype;
  result.shape_ = std::move(shape);
  require(result.bytes() <= bytes.size(), ErrorKind::format, "{}: a {} tensor of shape {} needs {} bytes, {} are there",
          bytes.label(), to_string(dtype), to_string(result.shape_), result.bytes(), bytes.size());
  if (reinterpret_cast<uintptr_t>(bytes.data()) % size_of(dtype) != 0) {
    Tensor copy(dtype, result.shape_);
    // In pieces, so that a mapped file's pages and their copy are never in memory together.
    constexpr size_t piece = size_t{8} << 20;
    for (size_t done = 0; done < copy.bytes(); done += piece) {
      const size_t size = std::min(piece, copy.bytes() - done);
      std::memcpy(copy.raw() + done, bytes.data() + done, size);
      if (bytes.is_mapped()) release_mapped_pages(bytes.data() + done, size);
    }
    return copy;
  }
  result.owner_ = bytes.owner();
  result.data_ = const_cast<std::byte*>(bytes.data());
  result.writable_ = false;
  result.mapped_ = bytes.is_mapped();
  return result;
}

void Tensor::release_pages(size_t offset, size_t size) const {
  if (mapped_) release_mapped_pages(data_ + offset, size);
}

Tensor Tensor::window(void* memory, DType dtype, Shape shape) {
  Tensor result;
  result.dtype_ = dtype;
  result.shape_ = std::move(shape);
  result.owner_ = nullptr;
  result.data_ = static_cast<std::byte*>(memory);
  result.writable_ = true;
  result.window_ = true;
  return result;
}

std::byte* Tensor::raw() {
  if (!window_ && (!writable_ || owner_.use_count() > 1)) {
    auto memory = allocate(bytes());
    if (bytes() > 0) std::memcpy(memory.get(), data_, bytes());
    data_ = static_cast<std::byte*>(memory.get());
    owner_ = std::move(memory);
    writable_ = true;
    mapped_ = false;
  }
  return data_;
}

double Tensor::at(int64_t index) const {
  return dispatch(dtype_, [&](auto tag) {
    using T = typename decltype(tag)::type;
    return static_cast<double>(reinterpret_cast<const T*>(data_)[index]);
  });
}

void Tensor::set(int64_t index, double value) {
  dispatch(dtype_, [&](auto tag) {
    using T = typename decltype(tag)::type;
    reinterpret_cast<T*>(raw())[index] = convert<T>(value);
  });
}

std::vector<int64_t> Tensor::to_ints() const {
  require(!is_float(dtype_), ErrorKind::type, "expected integers, got {}", to_string(dtype_));
  const Tensor wide = cast(DType::i64);
  const auto values = wide.data<int64_t>();
  return {values.begin(), values.end()};
}

std::vector<double> Tensor::to_doubles() const {
  const Tensor wide = cast(DType::f64);
  const auto values = wide.data<double>();
  return {values.begin(), values.end()};
}

Tensor Tensor::reshaped(Shape shape) const {
  require(is_sane(shape, size_of(dtype_)) && shape.count() == count(), ErrorKind::shape, "cannot reshape {} to {}",
          to_string(shape_), to_string(shape));
  Tensor result = *this;
  result.shape_ = std::move(shape);
  return result;
}

Tensor Tensor::cast(DType dtype) const {
  if (dtype == dtype_) return *this;
  Tensor result(dtype, shape_);
  dispatch(dtype_, [&](auto from) {
    using From = typename decltype(from)::type;
    const From* source = reinterpret_cast<const From*>(data_);
    dispatch(dtype, [&](auto to) {
      using To = typename decltype(to)::type;
      To* target = reinterpret_cast<To*>(result.data_);
      const int64_t n = count();
      for (int64_t i = 0; i < n; ++i) target[i] = convert<To>(source[i]);
    });
  });
  return result;
}

bool Tensor::same_bits(const Tensor& other) const {
  return dtype_ == other.dtype_ && shape_ == other.shape_ &&
         (bytes() == 0 || std::memcmp(data_, other.data_, bytes()) == 0);
}

}  // namespace fovea
