#include "fovea/image/geometry.h"

#include <algorithm>
#include <utility>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"

namespace fovea {
namespace {

// Calls body(image samples, out samples) with pointers of the pictures' common sample type.
template <class Body>
void with_samples(const Image& in, Image& out, const Body& body) {
  if (in.depth() == 16) body(in.samples16().data(), out.samples16().data());
  else body(in.samples().data(), out.samples().data());
}

// round(difference / 2.0) with halves to even, for difference >= 0.
int half_to_even(int difference) {
  const int half = difference / 2;
  return difference % 2 == 1 && half % 2 == 1 ? half + 1 : half;
}

}  // namespace

Image crop(const Image& image, int x, int y, int width, int height) {
  require(x >= 0 && y >= 0 && width >= 0 && height >= 0 && width <= image.width() - x && height <= image.height() - y,
          ErrorKind::usage, "the part {} x {} at ({}, {}) is not inside a picture of {} x {}", width, height, x, y,
          image.width(), image.height());
  Image out(width, height, image.channels(), image.depth());
  with_samples(image, out, [&](const auto* in, auto* to) {
    for (int row = 0; row < height; ++row) {
      const auto* from = in + (y + row) * image.row_size() + static_cast<size_t>(x) * image.channels();
      std::copy_n(from, out.row_size(), to + row * out.row_size());
    }
  });
  return out;
}

Image pad(const Image& image, int left, int top, int right, int bottom) {
  require(left >= 0 && top >= 0 && right >= 0 && bottom >= 0, ErrorKind::usage,
          "a picture is padded by 0 or more pixels, not by {}, {}, {}, {}", left, top, right, bottom);
  const int64_t width = int64_t{left} + image.width() + right, height = int64_t{top} + image.height() + bottom;
  require(width <= INT32_MAX && height <= INT32_MAX, ErrorKind::usage, "a picture cannot be padded to {} x {} pixels",
          width, height);
  Image out(static_cast<int>(width), static_cast<int>(height), image.channels(), image.depth());
  with_samples(image, out, [&](const auto* in, auto* to) {
    for (int row = 0; row < image.height(); ++row) {
      std::copy_n(in + row * image.row_size(), image.row_size(),
                  to + (top + row) * out.row_size() + static_cast<size_t>(left) * image.channels());
    }
  });
  return out;
}

Image centre_crop(const Image& image, int width, int height) {
  require(width > 0 && height > 0, ErrorKind::usage, "cannot cut {} x {} pixels out of a picture", width, height);
  const int missing_w = std::max(0, width - image.width()), missing_h = std::max(0, height - image.height());
  if (missing_w > 0 || missing_h > 0) {
    return centre_crop(pad(image, missing_w / 2, missing_h / 2, (missing_w + 1) / 2, (missing_h + 1) / 2), width,
                       height);
  }
  return crop(image, half_to_even(image.width() - width), half_to_even(image.height() - height), width, height);
}

Image flip_horizontal(const Image& image) {
  Image out(image.width(), image.height(), image.channels(), image.depth());
  const size_t c = image.channels(), row_size = image.row_size();
  with_samples(image, out, [&](const auto* in, auto* to) {
    for (int y = 0; y < image.height(); ++y) {
      const auto* from = in + y * row_size;
      auto* end = to + (y + 1) * row_size;
      for (size_t x = 0; x < row_size; x += c) std::copy_n(from + x, c, end - x - c);
    }
  });
  return out;
}

Image flip_vertical(const Image& image) {
  Image out(image.width(), image.height(), image.channels(), image.depth());
  with_samples(image, out, [&](const auto* in, auto* to) {
    const size_t row_size = image.row_size();
    for (int y = 0; y < image.height(); ++y) {
      std::copy_n(in + y * row_size, row_size, to + (image.height() - 1 - y) * row_size);
    }
  });
  return out;
}

Image transpose(const Image& image) {
  Image out(image.height(), image.width(), image.channels(), image.depth());
  const size_t c = image.channels();
  constexpr int64_t kBlock = 32;  // square blocks keep both pictures' lines in the cache
  with_samples(image, out, [&](const auto* in, auto* to) {
    const int64_t w = image.width(), h = image.height();
    parallel_for((w + kBlock - 1) / kBlock, 8, [&](int64_t block) {
      const int64_t x_end = std::min(w, (block + 1) * kBlock);
      for (int64_t y0 = 0; y0 < h; y0 += kBlock) {
        const int64_t y_end = std::min(h, y0 + kBlock);
        for (int64_t x = block * kBlock; x < x_end; ++x) {
          for (int64_t y = y0; y < y_end; ++y) std::copy_n(in + (y * w + x) * c, c, to + (x * h + y) * c);
        }
      }
    });
  });
  return out;
}

Image orient(Image image, int orientation) {
  switch (orientation) {
    case 2: return flip_horizontal(image);
    case 3: return flip_horizontal(flip_vertical(image));
    case 4: return flip_vertical(image);
    case 5: return transpose(image);
    case 6: return flip_horizontal(transpose(image));
    case 7: return flip_horizontal(flip_vertical(transpose(image)));
    case 8: return flip_vertical(transpose(image));
    default: return image;
  }
}

}  // namespace fovea
