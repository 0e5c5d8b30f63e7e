// Exactly which pixels each single unit of a network can see.
#pragma once

#include <vector>

#include "fovea/graph/graph.h"
#include "fovea/model/receptive_field.h"

namespace fovea {

// For every value and every spatial axis of the picture input, the interval of pixels that the units of each position
// see. receptive_fields() describes all units of a layer by one formula, as if the picture had no end; here every
// position is followed by itself, so that padding, cropped last windows, adaptive pooling and resizing are counted as
// they are: the interval is the smallest that holds every pixel with a path to the unit.
class UnitFields {
 public:
  // input: [N,C,spatial]. An operator that is not known to be local counts as seeing everything its inputs see.
  // Throws Error{shape} when the input has no spatial axes.
  UnitFields(const Graph& graph, Value input);

  // Whether the node's value depends on the picture at all, and whether its positions are those of maps.
  bool depends(int node) const { return !nodes_[static_cast<size_t>(node)].empty(); }
  size_t axes() const { return lengths_.size(); }
  // The number of positions on an axis: 1 for values that are no maps.
  int64_t positions(int node, size_t axis) const;
  // The pixels of an axis (0: rows, 1: columns) that the unit at a position sees; the position is not looked at where
  // there is only one. begin = end = 0: none. Throws Error{usage} for a node that does not depend on the picture, an
  // axis or a position that is not there.
  Interval seen(int node, size_t axis, int64_t position) const;

 private:
  friend class FieldWalk;
  std::vector<int64_t> lengths_;
  std::vector<std::vector<std::vector<Interval>>> nodes_;  // [node][axis][position]
};

}  // namespace fovea
