#include "fovea/commands/start_picture.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/image/codec.h"
#include "fovea/image/resize.h"
#include "fovea/insight/parametrisation.h"

namespace fovea {

namespace {

constexpr int64_t kNoiseSide = 512;

Tensor noise_levels(int64_t side, const Preprocess& how, const Rng& rng) {
  const std::vector<double> centre = centre_colour(how);
  const auto channels = static_cast<int64_t>(centre.size());
  Tensor levels(DType::f32, {1, channels, side, side});
  auto to = levels.data<float>();
  for (size_t i = 0; i < to.size(); ++i)
    to[i] = static_cast<float>(100 + rng.uniform_double(i) - centre[i / static_cast<size_t>(side * side)]);
  return levels;
}

}  // namespace

Tensor start_levels(const Context& context, const std::string& name, int64_t size, const Preprocess& how,
                    const Rng& noise, size_t memory) {
  const auto check = [&](int64_t width, int64_t height) {
    const auto bytes = static_cast<size_t>(8 * 4 * level_channels(how) * width * height);
    require(
        memory == 0 || bytes <= memory, ErrorKind::usage,
        "a picture of {}x{} needs more than the {} MiB of memory that may be used: make it smaller (--size), or allow "
        "more (--memory)",
        width, height, memory >> 20);
  };
  if (name == "noise") {
    const int64_t side = size == 0 ? kNoiseSide : std::abs(size);
    check(side, side);
    return noise_levels(side, how, noise);
  }
  Image image = read_image(name);
  if (image.has_alpha()) context.note(fmt::format("{}: its transparency is dropped", name));
  if (image.depth() == 16) context.note(fmt::format("{}: its 16 bits a sample are reduced to 8", name));
  image = image.to_8bit();
  image = level_channels(how) == 1 ? image.to_grey() : image.to_rgb();
  const int longest = std::max(image.width(), image.height());
  if (size > 0 || (size < 0 && longest > -size)) {
    const double scale = static_cast<double>(std::abs(size)) / longest;
    const auto scaled = [&](int side) { return std::max(1, static_cast<int>(std::lround(side * scale))); };
    check(scaled(image.width()), scaled(image.height()));
    image = resize(image, scaled(image.width()), scaled(image.height()), Filter::bicubic);
  }
  check(image.width(), image.height());
  return image_levels(image, how);
}

}  // namespace fovea
