#include "fovea/data/arrays.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <map>
#include <optional>
#include <utility>

#include "fovea/base/error.h"
#include "fovea/data/table.h"
#include "fovea/formats/npy_read.h"

namespace fovea {

namespace {

constexpr int64_t kMostClasses = 65536, kMostValues = int64_t{1} << 31;

// Pictures of one size in an array of bytes.
class PictureArray : public Dataset {
 public:
  struct Layout {
    int64_t channels = 1, height = 0, width = 0;
    bool planes = false;  // [N,C,H,W], else [N,H,W,C]
  };
  PictureArray(Tensor pixels, Layout layout, std::vector<int64_t> labels, std::vector<std::string> classes,
               std::string description)
      : pixels_(std::move(pixels)),
        layout_(layout),
        labels_(std::move(labels)),
        classes_(std::move(classes)),
        description_(std::move(description)) {}
  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  int64_t label(int64_t index) const override {
    require(index >= 0 && index < size(), ErrorKind::usage, "there is no picture {} of {}", index, size());
    return labels_[static_cast<size_t>(index)];
  }
  Sample get(int64_t index) const override {
    const int64_t of = label(index), plane = layout_.height * layout_.width, each = plane * layout_.channels;
    const uint8_t* from = pixels_.data<uint8_t>().data() + index * each;
    std::vector<uint8_t> samples(from, from + each);
    if (layout_.planes && layout_.channels > 1)
      for (int64_t i = 0; i < plane; ++i)
        for (int64_t c = 0; c < layout_.channels; ++c)
          samples[static_cast<size_t>(i * layout_.channels + c)] = from[c * plane + i];
    return {Image::own(static_cast<int>(layout_.width), static_cast<int>(layout_.height),
                       static_cast<int>(layout_.channels), std::move(samples)),
            of};
  }
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string description() const override { return description_; }

 private:
  const Tensor pixels_;
  Layout layout_;
  std::vector<int64_t> labels_;
  std::vector<std::string> classes_;
  std::string description_;
};

std::optional<PictureArray::Layout> picture_layout(const Shape& s) {
  const auto channels = [](int64_t n) { return n == 1 || n == 3; };
  if (s.rank() == 3) return PictureArray::Layout{1, s[1], s[2], false};
  if (s.rank() == 4 && channels(s[3])) return PictureArray::Layout{s[3], s[1], s[2], false};
  if (s.rank() == 4 && channels(s[1])) return PictureArray::Layout{s[1], s[2], s[3], true};
  return std::nullopt;
}

std::vector<int64_t> labels_in(const Tensor& labels, int64_t count, const std::string& where) {
  const Shape& s = labels.shape();
  require(s.rank() == 1 || (s.rank() == 2 && s[1] == 1), ErrorKind::format, "{}: labels of {}, expected [N] or [N,1]",
          where, to_string(s));
  require(s[0] == count, ErrorKind::format, "{}: {} labels for {} samples", where, s[0], count);
  std::vector<int64_t> result;
  for (int64_t i = 0; i < count; ++i) {
    const double value = labels.at(i);
    require(value >= 0 && value < kMostClasses && value == std::floor(value), ErrorKind::format,
            "{}: sample {} has label {:g}, expected a whole number from 0 to {}", where, i, value, kMostClasses - 1);
    result.push_back(static_cast<int64_t>(value));
  }
  return result;
}

// [N,H,W,C] → [N,C,H,W].
Tensor channels_first(const Tensor& values) {
  const Shape& s = values.shape();
  Tensor result(DType::f32, Shape{s[0], s[3], s[1], s[2]});
  const auto from = values.data<float>();
  const auto to = result.data<float>();
  const int64_t plane = s[1] * s[2], channels = s[3];
  for (int64_t n = 0; n < s[0]; ++n)
    for (int64_t i = 0; i < plane; ++i)
      for (int64_t c = 0; c < channels; ++c)
        to[static_cast<size_t>((n * channels + c) * plane + i)] =
            from[static_cast<size_t>((n * plane + i) * channels + c)];
  return result;
}

Tensor rows_of(const Tensor& array, const std::string& where) {
  const Shape& s = array.shape();
  require(s.rank() >= 2 && s.rank() <= 4 && s.count() / std::max<int64_t>(1, s[0]) > 0, ErrorKind::format,
          "{}: samples {}, expected [N,F], [N,H,W], [N,H,W,C] or [N,C,H,W]", where, to_string(s));
  require(s.count() <= kMostValues, ErrorKind::format, "{}: {} values, at most {} are taken", where, s.count(),
          kMostValues);
  Tensor values = array.cast(DType::f32);
  const auto data = std::as_const(values).data<float>();
  for (size_t i = 0; i < data.size(); ++i)
    require(std::isfinite(data[i]), ErrorKind::format, "{}: sample {} holds {}, expected finite numbers", where,
            static_cast<int64_t>(i) / (s.count() / s[0]), data[i]);
  if (s.rank() == 3) return values.reshaped(Shape{s[0], 1, s[1], s[2]});
  constexpr int64_t kMostLast = 4;
  if (s.rank() == 4 && s[3] <= kMostLast && s[1] > kMostLast) return channels_first(values);
  return values;
}

struct Pair {
  std::string values, labels;
};

// The first of the pairs that is there.
std::optional<Pair> pair_in(const Weights& arrays, const std::vector<Pair>& known) {
  for (const Pair& pair : known)
    if (arrays.contains(pair.values) && arrays.contains(pair.labels)) return pair;
  return std::nullopt;
}

std::optional<Pair> pair_of_split(const Weights& arrays, const std::string& split) {
  return pair_in(arrays, {{"x_" + split, "y_" + split},
                          {"X_" + split, "y_" + split},
                          {"X_" + split, "Y_" + split},
                          {split + "_images", split + "_labels"},
                          {split + "_data", split + "_labels"}});
}

int64_t class_count(const Weights& arrays, const std::string& where) {
  int64_t classes = 0;
  for (const char* split : {"train", "val", "test"})
    if (const auto pair = pair_of_split(arrays, split))
      for (const int64_t label : labels_in(arrays.at(pair->labels), arrays.at(pair->labels).shape()[0], where))
        classes = std::max(classes, label + 1);
  return classes;
}

}  // namespace

std::unique_ptr<Dataset> array_set(const Tensor& values, const Tensor& labels, const std::string& where,
                                   const std::string& description, int64_t classes) {
  const Shape& s = values.shape();
  require(s.rank() >= 2 && s[0] > 0, ErrorKind::format,
          "{}: samples {}, expected [N,F], [N,H,W], [N,H,W,C] or [N,C,H,W]", where, to_string(s));
  std::vector<int64_t> numbers = labels_in(labels, s[0], where);
  for (const int64_t label : numbers) classes = std::max(classes, label + 1);
  std::vector<std::string> names;
  for (int64_t c = 0; c < classes; ++c) names.push_back(std::to_string(c));
  const auto layout = values.dtype() == DType::u8 ? picture_layout(s) : std::nullopt;
  if (!layout)
    return std::make_unique<TableSet>(rows_of(values, where), std::move(numbers), std::vector<std::string>{},
                                      std::move(names), description);
  require(layout->height > 0 && layout->width > 0 && layout->height <= 16384 && layout->width <= 16384,
          ErrorKind::format, "{}: pictures of {}x{} pixels", where, layout->width, layout->height);
  return std::make_unique<PictureArray>(values, *layout, std::move(numbers), std::move(names), description);
}

std::unique_ptr<Dataset> open_npz(const Bytes& file, const std::string& split) {
  const WeightsFile arrays = read_npz(file);
  const std::string& where = file.label();
  std::vector<std::string> order = {split};
  if (split != "train") order.emplace_back(split == "test" ? "val" : "test");
  for (const std::string& name : order)
    if (const auto pair = pair_of_split(arrays.weights, name))
      return array_set(arrays.weights.at(pair->values), arrays.weights.at(pair->labels), where, "arrays, " + name,
                       class_count(arrays.weights, where));
  for (const char* other : {"train", "val", "test"})
    require(!pair_of_split(arrays.weights, other), ErrorKind::io, "{}: has no {} split, only {}", where, split, other);
  const auto pair = pair_in(arrays.weights, {{"x", "y"},
                                             {"X", "y"},
                                             {"X", "Y"},
                                             {"data", "labels"},
                                             {"data", "target"},
                                             {"images", "labels"},
                                             {"images", "targets"},
                                             {"features", "labels"}});
  require(pair.has_value(), ErrorKind::format,
          "{}: no data set: its arrays are called {}; expected x and y, images and labels, or x_train, y_train and so "
          "on",
          where, fmt::join(arrays.order, ", "));
  return array_set(arrays.weights.at(pair->values), arrays.weights.at(pair->labels), where, "arrays");
}

std::vector<std::string> label_array_names(const std::string& name) {
  static constexpr std::array<std::array<std::string_view, 2>, 5> kReplaced = {
      {{"images", "labels"}, {"x_", "y_"}, {"X_", "y_"}, {"_x", "_y"}, {"data", "labels"}}};
  std::vector<std::string> names;
  for (const auto& pair : kReplaced)
    if (const size_t at = name.find(pair[0]); at != name.npos)
      names.push_back(std::string(name).replace(at, pair[0].size(), pair[1]));
  names.emplace_back("labels.npy");
  names.emplace_back("y.npy");
  std::erase(names, name);
  return names;
}

}  // namespace fovea
