#include "fovea/image/image.h"

#include <tuple>
#include <type_traits>
#include <utility>

#include "fovea/base/error.h"

namespace fovea {
namespace {

void check_layout(int width, int height, int channels, int depth) {
  require(width >= 0 && height >= 0, ErrorKind::usage, "a picture cannot be {} x {} pixels", width, height);
  require(static_cast<uint64_t>(width) * static_cast<uint64_t>(height) <= kMaxPixels, ErrorKind::usage,
          "a picture of {} x {} pixels is too large: at most {} pixels", width, height, kMaxPixels);
  require(channels == 1 || channels == 3 || channels == 4, ErrorKind::usage, "a picture has 1, 3 or 4 channels, not {}",
          channels);
  require(depth == 8 || depth == 16, ErrorKind::usage, "a picture has 8 or 16 bits a sample, not {}", depth);
}

// Calls body(source pixel, destination pixel) for every pixel of two pictures of one size and depth.
template <class Body>
void for_pixels(const Image& in, Image& out, const Body& body) {
  const size_t pixels = static_cast<size_t>(in.width()) * in.height();
  const size_t from = in.channels(), to = out.channels();
  const auto loop = [&](const auto* source, auto* target) {
    for (size_t i = 0; i < pixels; ++i) body(source + i * from, target + i * to);
  };
  if (in.depth() == 16) loop(in.samples16().data(), out.samples16().data());
  else loop(in.samples().data(), out.samples().data());
}

}  // namespace

Image::Image(int width, int height, int channels, int depth)
    : width_(width), height_(height), channels_(channels), depth_(depth) {
  check_layout(width, height, channels, depth);
  if (depth == 16) samples16_.resize(row_size() * height);
  else samples8_.resize(row_size() * height);
}

Image Image::own(int width, int height, int channels, std::vector<uint8_t> samples) {
  check_layout(width, height, channels, 8);
  Image image;
  std::tie(image.width_, image.height_, image.channels_) = std::tie(width, height, channels);
  require(samples.size() == image.row_size() * height, ErrorKind::usage,
          "a picture of {} x {} x {} has {} samples, not {}", width, height, channels, image.row_size() * height,
          samples.size());
  image.samples8_ = std::move(samples);
  return image;
}

Image Image::own(int width, int height, int channels, std::vector<uint16_t> samples) {
  check_layout(width, height, channels, 16);
  Image image;
  std::tie(image.width_, image.height_, image.channels_) = std::tie(width, height, channels);
  image.depth_ = 16;
  require(samples.size() == image.row_size() * height, ErrorKind::usage,
          "a picture of {} x {} x {} has {} samples, not {}", width, height, channels, image.row_size() * height,
          samples.size());
  image.samples16_ = std::move(samples);
  return image;
}

std::span<const uint8_t> Image::samples() const {
  require(depth_ == 8, ErrorKind::usage, "8-bit samples asked of a 16-bit picture; convert it with to_8bit() first");
  return samples8_;
}

std::span<uint8_t> Image::samples() {
  std::as_const(*this).samples();
  return samples8_;
}

std::span<const uint16_t> Image::samples16() const {
  require(depth_ == 16, ErrorKind::usage, "16-bit samples asked of an 8-bit picture");
  return samples16_;
}

std::span<uint16_t> Image::samples16() {
  std::as_const(*this).samples16();
  return samples16_;
}

Image Image::to_8bit() const {
  if (depth_ == 8) return *this;
  Image out(width_, height_, channels_);
  for (size_t i = 0; i < samples16_.size(); ++i) out.samples8_[i] = static_cast<uint8_t>(samples16_[i] >> 8);
  return out;
}

Image Image::to_rgb() const {
  if (channels_ == 3) return *this;
  Image out(width_, height_, 3, depth_);
  if (channels_ == 1) for_pixels(*this, out, [](const auto* in, auto* to) { to[0] = to[1] = to[2] = in[0]; });
  else for_pixels(*this, out, [](const auto* in, auto* to) { to[0] = in[0], to[1] = in[1], to[2] = in[2]; });
  return out;
}

Image Image::to_grey() const {
  if (channels_ == 1) return *this;
  Image out(width_, height_, 1, depth_);
  for_pixels(*this, out, [](const auto* in, auto* to) {
    using Sample = std::remove_pointer_t<decltype(to)>;
    // The largest sum, 65535 * 65536 + 0x8000, still fits in 32 bits.
    to[0] = static_cast<Sample>((in[0] * 19595u + in[1] * 38470u + in[2] * 7471u + 0x8000u) >> 16);
  });
  return out;
}

Image Image::to_rgba() const {
  if (channels_ == 4) return *this;
  Image out(width_, height_, 4, depth_);
  const int step = channels_ == 1 ? 0 : 1;
  for_pixels(*this, out, [step](const auto* in, auto* to) {
    using Sample = std::remove_pointer_t<decltype(to)>;
    for (int c = 0; c < 3; ++c) to[c] = in[c * step];
    to[3] = static_cast<Sample>(~Sample{0});
  });
  return out;
}

}  // namespace fovea
