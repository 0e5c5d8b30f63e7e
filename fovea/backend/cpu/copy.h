// Moving elements: the one kernel behind concat, split, slice, transpose, pad and expand.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace fovea::cpu {

// memcpy by all threads.
void copy_bytes(const std::byte* from, std::byte* to, size_t bytes);

// to[Σ p_k · to_k] = from[Σ p_k · from_k] for every position p of a box. Steps count elements; in `from` they may be 0
// or negative.
struct CopyAxis {
  int64_t size, from, to;
};
class BoxCopy {
 public:
  BoxCopy(std::vector<CopyAxis> axes, size_t element_bytes);
  void operator()(const std::byte* from, std::byte* to) const;
  // Nothing but a memcpy.
  bool dense() const { return axes_.size() == 1 && axes_[0].from == 1 && axes_[0].to == 1; }

 private:
  std::vector<CopyAxis> axes_;  // outermost first, merged where contiguous; never empty
  size_t element_;
  int64_t count_ = 1;
};

}  // namespace fovea::cpu
