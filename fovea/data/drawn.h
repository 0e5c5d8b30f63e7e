// Shapes drawn by a formula: a set of pictures that needs no files, for the demo and for tests.
#pragma once

#include "fovea/base/rng.h"
#include "fovea/data/dataset.h"

namespace fovea {

// Discs, squares, triangles, crosses, rings and stars: one a picture, anywhere, of any size, angle and colour, on a
// background with a soft gradient and grain. Colours tell nothing about the shape. Pictures are size x size, RGB,
// anti-aliased.
class DrawnShapes : public Dataset {
 public:
  DrawnShapes(int64_t count, int size, uint64_t key) : count_(count), size_(size), key_(key) {}
  int64_t size() const override { return count_; }
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  std::string description() const override { return "drawn shapes"; }
  const std::vector<std::string>& classes() const override;

 private:
  int64_t count_;
  int size_;
  uint64_t key_;
};

// One picture of a shape, by its class number.
Image draw_shape(int64_t label, int size, const Rng& rng);

}  // namespace fovea
