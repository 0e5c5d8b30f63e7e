#include "fovea/insight/picture_levels.h"

#include <algorithm>
#include <cmath>

#include "fovea/image/resize.h"
#include "fovea/insight/parametrisation.h"

namespace fovea {

Tensor picture_levels(const Image& picture, const Preprocess& how, double factor) {
  const std::vector<double> centre = centre_colour(how);
  const auto channels = static_cast<int64_t>(centre.size());
  const Image p = channels == 1 ? picture.to_grey() : picture.to_rgb();
  const double scale = factor * (p.depth() == 16 ? 255.0 / 65535 : 1);
  Tensor levels(DType::f32, {1, channels, p.height(), p.width()});
  const auto data = levels.data<float>();
  size_t i = 0;
  for (int64_t c = 0; c < channels; ++c)
    for (int y = 0; y < p.height(); ++y)
      for (int x = 0; x < p.width(); ++x)
        data[i++] = static_cast<float>(p.at(x, y, static_cast<int>(c)) * scale - centre[static_cast<size_t>(c)]);
  return levels;
}

Image levels_picture(const Tensor& levels, const Preprocess& how, double factor, int depth) {
  const std::vector<double> centre = centre_colour(how);
  const auto channels = static_cast<int64_t>(centre.size());
  require(levels.rank() == 4 && levels.size(1) == channels, ErrorKind::internal, "a picture of {}",
          to_string(levels.shape()));
  const int64_t height = levels.size(2), width = levels.size(3);
  Image image(static_cast<int>(width), static_cast<int>(height), static_cast<int>(channels), depth);
  const auto data = levels.data<float>();
  const double top = depth == 16 ? 65535 : 255, scale = top / 255 / factor;
  for (int64_t y = 0; y < height; ++y)
    for (int64_t x = 0; x < width; ++x)
      for (int64_t c = 0; c < channels; ++c) {
        const double v = (centre[static_cast<size_t>(c)] +
                          static_cast<double>(data[static_cast<size_t>((c * height + y) * width + x)])) *
                         scale;
        const double whole = std::clamp(std::round(v), 0.0, top);
        if (depth == 16) image.row16(static_cast<int>(y))[x * channels + c] = static_cast<uint16_t>(whole);
        else image.row(static_cast<int>(y))[x * channels + c] = static_cast<uint8_t>(whole);
      }
  return image;
}

std::vector<float> bound_levels(const Preprocess& how, double grey, double factor) {
  std::vector<float> result;
  for (const double c : centre_colour(how)) result.push_back(static_cast<float>(grey * factor - c));
  return result;
}

PictureSize fitted_size(const Image& picture, int64_t size) {
  require(!picture.empty(), ErrorKind::usage, "an empty picture");
  const int64_t width = picture.width(), height = picture.height();
  const auto other = [&](int64_t side, int64_t longest) {
    return std::max<int64_t>(
        1, std::llround(static_cast<double>(size) * static_cast<double>(side) / static_cast<double>(longest)));
  };
  if (height > width) return {other(width, height), size};
  return {size, other(height, width)};
}

Image fitted(const Image& picture, const PictureSize& size) {
  if (picture.width() == size.width && picture.height() == size.height) return picture;
  return resize(picture, static_cast<int>(size.width), static_cast<int>(size.height), Filter::lanczos);
}

Tensor noise_levels(int64_t height, int64_t width, const Preprocess& how, double uniform, double normal,
                    bool around_grey, const Rng& rng) {
  const std::vector<double> centre = centre_colour(how);
  Tensor levels(DType::f32, {1, static_cast<int64_t>(centre.size()), height, width});
  const auto data = levels.data<float>();
  const size_t plane = static_cast<size_t>(height * width);
  const Rng other = rng.fork("normal");
  for (size_t i = 0; i < data.size(); ++i) {
    double v = around_grey ? 127.5 - centre[i / plane] : 0;
    if (uniform > 0) v += uniform * (2 * static_cast<double>(rng.uniform(i)) - 1);
    if (normal > 0) v += normal * other.normal(i);
    data[i] = static_cast<float>(v);
  }
  return levels;
}

}  // namespace fovea
