// Receptive fields drawn on pictures.
#pragma once

#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/insight/effective_field.h"
#include "fovea/model/receptive_field.h"

namespace fovea {

// Three panels: the effective field as heat over the picture with the box of the theoretical one; the field alone, from
// edge to edge of that box, with its middle half and the squares that hold 50 % and 95 % of the energy; and the energy
// of its columns and rows as curves. The heat is √(E / greatest E): the size of the gradient. An empty picture is grey.
// After figures 1 and 2 of Luo et al., NIPS 2016. Throws Error{usage} for a picture of another size than the field's.
Image effective_field_figure(const EffectiveField& field, const Image& picture);

// One layer's middle unit: what it can see.
struct FieldBox {
  std::string layer, size;  // "99 x 99"
  Interval rows, columns;
};

// The boxes of the layers' middle units on one picture, the first layer's innermost, each in its own colour, and their
// names beside it. An empty picture is grey.
Image field_boxes_figure(const std::vector<FieldBox>& boxes, const Image& picture, int64_t height, int64_t width);

}  // namespace fovea
