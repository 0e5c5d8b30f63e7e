#include "fovea/data/table.h"

#include "fovea/base/error.h"

namespace fovea {

TableSet::TableSet(Tensor values, std::vector<int64_t> labels, std::vector<std::string> features,
                   std::vector<std::string> classes, std::string description)
    : values_(std::move(values)),
      labels_(std::move(labels)),
      features_(std::move(features)),
      classes_(std::move(classes)),
      description_(std::move(description)) {
  const Shape& shape = values_.shape();
  require(values_.dtype() == DType::f32 && (shape.rank() == 2 || shape.rank() == 4), ErrorKind::shape,
          "a table of {} {}, expected f32 rows [N,F] or maps [N,C,H,W]", to_string(values_.dtype()), to_string(shape));
  require(shape[0] == size(), ErrorKind::shape, "{} labels for the {} rows of a table", size(), shape[0]);
  each_ = Shape(std::vector<int64_t>(shape.begin() + 1, shape.end()));
  require(size() == 0 || each_.count() > 0, ErrorKind::shape, "the rows of a table have no values: {}",
          to_string(shape));
  require(features_.empty() || static_cast<int64_t>(features_.size()) == each_.count(), ErrorKind::shape,
          "{} names for the {} columns of a table", features_.size(), each_.count());
  for (size_t i = 0; i < labels_.size(); ++i)
    require(labels_[i] >= 0 && labels_[i] < static_cast<int64_t>(classes_.size()), ErrorKind::usage,
            "{}: has label {}, expected 0 to {}", name(static_cast<int64_t>(i)), labels_[i],
            static_cast<int64_t>(classes_.size()) - 1);
}

int64_t TableSet::label(int64_t index) const {
  require(index >= 0 && index < size(), ErrorKind::usage, "there is no row {} of {}", index, size());
  return labels_[static_cast<size_t>(index)];
}

Sample TableSet::get(int64_t index) const {
  Sample sample;
  sample.label = label(index);
  sample.values = Tensor(DType::f32, each_);
  const size_t bytes = sample.values.bytes();
  std::memcpy(sample.values.raw(), values_.raw() + static_cast<size_t>(index) * bytes, bytes);
  return sample;
}

}  // namespace fovea
