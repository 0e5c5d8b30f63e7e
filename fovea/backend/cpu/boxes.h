// A box of one value copied into a box of another, both in the same format, with steps along the axes: slice, pad and
// spread where channels do not begin at a block.
#pragma once

#include <optional>
#include <span>
#include <vector>

#include "fovea/backend/cpu/copy.h"
#include "fovea/backend/cpu/layouts.h"

namespace fovea::cpu {

// `count` positions of a logical axis: from + p · from_step → to + p · to_step.
struct AxisMove {
  int64_t from, from_step, to, to_step, count;
};

class BoxMove {
 public:
  // Nothing where there is no such copy: formats that differ or are unknown, or steps along channels in blocks.
  static std::optional<BoxMove> between(const Type& x, const Layout& x_layout, const Type& y, const Layout& y_layout,
                                        std::span<const AxisMove> moves);
  // With zeros first where the box does not cover the whole of y's memory.
  void operator()(const std::byte* x, std::byte* y) const;

 private:
  struct Part {
    BoxCopy copy;
    size_t from, to;  // bytes
  };
  std::vector<Part> parts_;
  size_t bytes_ = 0;
  bool covers_ = false;
};

}  // namespace fovea::cpu
