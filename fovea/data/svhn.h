// Street View House Numbers: colour pictures of 32x32 with the digit in their middle.
#pragma once

#include "fovea/data/dataset.h"
#include "fovea/formats/mat_read.h"

namespace fovea {

// The pictures and labels of one of the set's .mat files (train_32x32.mat, test_32x32.mat, extra_32x32.mat): variables
// X [32,32,3,N] u8 and y [N,1], in which 10 stands for the digit 0. Source: Y. Netzer et al., "Reading digits in
// natural images with unsupervised feature learning" (2011), and the page of the set, "Format 2: cropped digits".
class Svhn : public Dataset {
 public:
  // Throws Error{format} naming the file, what is wrong with its variables, and the sample whose label is out of range.
  Svhn(const Bytes& file, std::string description, size_t limit = size_t{4} << 30);

  int64_t size() const override { return static_cast<int64_t>(labels_.size()); }
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  const std::vector<std::string>& classes() const override;
  std::string description() const override { return description_; }

 private:
  Bytes pixels_;  // the row fastest, then the column, the channel, the picture
  int side_x_ = 0, side_y_ = 0;
  std::vector<uint8_t> labels_;
  std::string description_;
};

}  // namespace fovea
