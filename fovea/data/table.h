// Rows of numbers with a class each, held in memory: iris, spirals, a CSV file, an array of NumPy.
#pragma once

#include "fovea/data/dataset.h"

namespace fovea {

class TableSet : public Dataset {
 public:
  // values: f32 [N,F], or [N,C,H,W] where they are maps; labels: one a row, in [0, classes.size()). features: F names,
  // or none. Throws Error{shape} when the counts do not agree or the values are no f32, Error{usage} for a label
  // without a class.
  TableSet(Tensor values, std::vector<int64_t> labels, std::vector<std::string> features,
           std::vector<std::string> classes, std::string description);

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  std::vector<std::string> features() const override { return features_; }
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string name(int64_t index) const override { return "row " + std::to_string(index + 1); }
  std::string description() const override { return description_; }

 private:
  Tensor values_;
  Shape each_;  // of one row
  std::vector<int64_t> labels_;
  std::vector<std::string> features_, classes_;
  std::string description_;
};

}  // namespace fovea
