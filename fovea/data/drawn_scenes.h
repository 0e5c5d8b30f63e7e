// Small scenes drawn by a formula: things that networks for CIFAR-10 and the like know, for a machine without pictures.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fovea/base/rng.h"
#include "fovea/image/image.h"

namespace fovea {

// What can be drawn, by its name in CIFAR-10: "airplane", "automobile", "ship".
const std::vector<std::string>& drawn_scenes();

// One picture of size x size, RGB, anti-aliased: the thing in its surroundings, with light, soft colours and a little
// grain. The key moves the thing, the light and the weather. Throws Error{usage} for a thing that cannot be drawn, and
// for a size outside 16 to 2048.
Image draw_scene(std::string_view thing, int size, const Rng& rng);

}  // namespace fovea
