// Pictures and labels in the IDX files of MNIST (also Fashion-MNIST, EMNIST, KMNIST).
#pragma once

#include "fovea/base/bytes.h"
#include "fovea/data/dataset.h"

namespace fovea {

// An array of bytes with its sizes, the slowest first.
struct IdxArray {
  std::vector<int64_t> sizes;
  Bytes values;  // as many as the product of the sizes, shared with the file
};

// Whether the bytes begin as an IDX file of any element type does.
bool is_idx(const Bytes& file);

// The array in a plain IDX file of unsigned bytes with one to four sizes. Throws Error{format} naming the file for
// another element type and for a file that is shorter or longer than its header says.
IdxArray parse_idx(const Bytes& file);

// Grey pictures of one size with labels 0..255. The bytes are held once, or mapped where the file is plain; the classes
// are named by their numbers.
class IdxDataset : public Dataset {
 public:
  // Files of pictures [count, height, width] and labels [count], plain or compressed. Throws Error{format} naming the
  // file at fault, also when there are more pictures than labels or fewer.
  IdxDataset(const Bytes& pictures, const Bytes& labels, std::string description);

  int64_t size() const override { return pictures_.sizes[0]; }
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string description() const override { return description_; }

 private:
  IdxArray pictures_, labels_;
  std::vector<std::string> classes_;
  std::string description_;
};

}  // namespace fovea
