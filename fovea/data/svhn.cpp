#include "fovea/data/svhn.h"

#include "fovea/base/error.h"

namespace fovea {

Svhn::Svhn(const Bytes& file, std::string description, size_t limit) : description_(std::move(description)) {
  const MatFile mat = read_mat(file, limit);
  const MatArray *x = mat.find("X"), *y = mat.find("y");
  std::vector<std::string> names;
  for (const MatArray& array : mat.arrays) names.push_back(array.name);
  require(x && y, ErrorKind::format, "{}: no SVHN file: it holds the variables [{}], expected X and y", file.label(),
          fmt::join(names, ", "));
  std::vector<int64_t> sizes = x->sizes;
  if (sizes.size() == 3) sizes.push_back(1);  // MATLAB drops a last size of 1
  require(x->dtype == DType::u8 && sizes.size() == 4 && sizes[2] == 3, ErrorKind::format,
          "{}: X is {} {}, expected u8 height x width x 3 x pictures", file.label(), to_string(x->dtype),
          fmt::join(x->sizes, "x"));
  require(
      sizes[0] > 0 && sizes[1] > 0 && static_cast<uint64_t>(sizes[0]) * static_cast<uint64_t>(sizes[1]) <= kMaxPixels,
      ErrorKind::format, "{}: pictures of {}x{} pixels", file.label(), sizes[1], sizes[0]);
  int64_t labels = 1;
  for (const int64_t size : y->sizes) labels *= size;
  require(labels == sizes[3], ErrorKind::format, "{}: {} labels for {} pictures", file.label(), labels, sizes[3]);
  side_y_ = static_cast<int>(sizes[0]), side_x_ = static_cast<int>(sizes[1]);
  pixels_ = x->values;
  const Tensor values = Tensor::over(y->values, y->dtype, Shape{labels});
  for (int64_t i = 0; i < labels; ++i) {
    const double value = values.at(i);
    require(value >= 0 && value <= 10 && value == static_cast<double>(static_cast<int>(value)), ErrorKind::format,
            "{}: sample {} has label {:g}, expected 1 to 10 (10 is the digit 0)", file.label(), i, value);
    labels_.push_back(static_cast<uint8_t>(value == 10 ? 0 : value));
  }
}

int64_t Svhn::label(int64_t index) const {
  require(index >= 0 && index < size(), ErrorKind::usage, "there is no picture {} of {}", index, size());
  return labels_[static_cast<size_t>(index)];
}

Sample Svhn::get(int64_t index) const {
  const int64_t of = label(index);
  const size_t height = static_cast<size_t>(side_y_), width = static_cast<size_t>(side_x_), plane = height * width;
  const auto* from = reinterpret_cast<const uint8_t*>(pixels_.data()) + static_cast<size_t>(index) * 3 * plane;
  std::vector<uint8_t> samples(3 * plane);
  for (size_t c = 0; c < 3; ++c)
    for (size_t column = 0; column < width; ++column)
      for (size_t row = 0; row < height; ++row)
        samples[(row * width + column) * 3 + c] = from[c * plane + column * height + row];
  return {Image::own(side_x_, side_y_, 3, std::move(samples)), of};
}

const std::vector<std::string>& Svhn::classes() const {
  static const std::vector<std::string> names = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
  return names;
}

}  // namespace fovea
