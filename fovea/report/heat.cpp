#include "fovea/report/heat.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"

namespace fovea {

Image heat_over_grey(const Image& picture, const std::vector<float>& heat, ColourMap map) {
  constexpr float kMost = 0.92f, kPale = 40, kLight = 0.8f;
  require(heat.size() == static_cast<size_t>(picture.width()) * static_cast<size_t>(picture.height()), ErrorKind::usage,
          "{} values of heat for a picture of {} x {}", heat.size(), picture.width(), picture.height());
  Image result = picture.to_8bit().to_grey().to_rgb();
  auto samples = result.samples();
  for (size_t p = 0; p < heat.size(); ++p) {
    const float h = std::isfinite(heat[p]) ? std::clamp(heat[p], 0.0f, 1.0f) : 0.0f;
    const Rgb c = colour_at(map, h);
    const float share = kMost * std::sqrt(h);
    const uint8_t colour[] = {c.r, c.g, c.b};
    for (size_t k = 0; k < 3; ++k) {
      const float under = kPale + kLight * static_cast<float>(samples[3 * p + k]);
      samples[3 * p + k] = static_cast<uint8_t>(std::lround(under + (static_cast<float>(colour[k]) - under) * share));
    }
  }
  return result;
}

}  // namespace fovea
