// Heat maps on pictures whose own colours must not be mistaken for heat.
#pragma once

#include <vector>

#include "fovea/image/colour.h"
#include "fovea/image/image.h"

namespace fovea {

// The picture in grey, a little paler, with the heat's colours over it: heat [height][width] of the picture's size,
// 0..1, is opaque as its root, so that faint heat stays visible and cold places show the picture. Values that are not
// finite count as 0. Throws Error{usage} for heat of another size.
Image heat_over_grey(const Image& picture, const std::vector<float>& heat, ColourMap map);

}  // namespace fovea
