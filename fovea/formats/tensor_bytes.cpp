#include "fovea/formats/tensor_bytes.h"

#include <algorithm>

namespace fovea {

Bytes swapped(const Bytes& bytes, size_t element) {
  std::vector<std::byte> data(bytes.span().begin(), bytes.span().end());
  for (size_t i = 0; i + element <= data.size(); i += element)
    std::reverse(data.begin() + static_cast<ptrdiff_t>(i), data.begin() + static_cast<ptrdiff_t>(i + element));
  return Bytes::own(std::move(data), bytes.label());
}

Tensor tensor_over(const Bytes& bytes, DType dtype, const Shape& shape) {
  require(is_sane(shape, size_of(dtype)), ErrorKind::format, "a {} tensor of shape {} cannot be", to_string(dtype),
          to_string(shape));
  const size_t needed = static_cast<size_t>(shape.count()) * size_of(dtype);
  require(bytes.size() == needed, ErrorKind::format, "a {} tensor of shape {} needs {} bytes, {} are there",
          to_string(dtype), to_string(shape), needed, bytes.size());
  const bool odd = dtype == DType::boolean &&
                   std::ranges::any_of(bytes.span(), [](std::byte b) { return static_cast<unsigned>(b) > 1; });
  if (!odd) return Tensor::over(bytes, dtype, shape);
  std::vector<std::byte> data(bytes.size());
  std::ranges::transform(bytes.span(), data.begin(), [](std::byte b) { return std::byte{b != std::byte{0}}; });
  return Tensor::over(Bytes::own(std::move(data), bytes.label()), dtype, shape);
}

std::string shown(std::string_view name) {
  constexpr size_t kMost = 200;
  std::string result(name.substr(0, kMost));
  for (char& c : result)
    if (static_cast<unsigned char>(c) < 32 || c == 127) c = '?';
  return name.size() > kMost ? result + "…" : result;
}

}  // namespace fovea
