// A set of pictures for tests; some of them may be broken.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "fovea/base/error.h"
#include "fovea/data/dataset.h"

namespace fovea {

class PicturesInMemory : public Dataset {
 public:
  explicit PicturesInMemory(std::vector<Image> pictures, std::set<int64_t> broken = {})
      : pictures_(std::move(pictures)), broken_(std::move(broken)) {}
  int64_t size() const override { return static_cast<int64_t>(pictures_.size()); }
  Sample get(int64_t index) const override {
    require(!broken_.contains(index), ErrorKind::format, "{}: not a picture", name(index));
    return {pictures_[static_cast<size_t>(index)], 0};
  }
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string name(int64_t index) const override { return "memory/" + std::to_string(index) + ".png"; }

 private:
  std::vector<Image> pictures_;
  std::set<int64_t> broken_;
  std::vector<std::string> classes_;
};

}  // namespace fovea
