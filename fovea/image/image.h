// A decoded picture: interleaved grey, RGB or RGBA samples of 8 or 16 bits, rows from the top.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fovea {

// Pictures with more pixels than this are refused, when read and when made: 2^28, a square of 16384.
inline constexpr uint64_t kMaxPixels = uint64_t{1} << 28;

// Samples lie as [y][x][channel]. 8-bit samples are 0..255, 16-bit ones 0..65535 in the machine's byte order. Colour is
// sRGB as stored in the file: no gamma or profile is applied. Alpha is not multiplied into the colour.
class Image {
 public:
  Image() = default;

  // A picture of zeros (black; transparent if it has alpha). channels: 1 grey, 3 RGB, 4 RGBA; depth: 8 or 16 bits.
  // Throws Error{usage} for other values, negative sizes, or more than kMaxPixels pixels.
  Image(int width, int height, int channels, int depth = 8);

  // Takes over 8-bit samples [height][width][channels]. Throws Error{usage} when their number is not the product.
  static Image own(int width, int height, int channels, std::vector<uint8_t> samples);
  static Image own(int width, int height, int channels, std::vector<uint16_t> samples);

  int width() const { return width_; }
  int height() const { return height_; }
  int channels() const { return channels_; }
  int depth() const { return depth_; }
  bool has_alpha() const { return channels_ == 4; }
  bool empty() const { return width_ == 0 || height_ == 0; }
  // Samples in a row: width * channels.
  size_t row_size() const { return static_cast<size_t>(width_) * channels_; }

  // All samples of an 8-bit picture. Throws Error{usage} when depth() is 16 (see to_8bit).
  std::span<uint8_t> samples();
  std::span<const uint8_t> samples() const;
  // All samples of a 16-bit picture. Throws Error{usage} when depth() is 8.
  std::span<uint16_t> samples16();
  std::span<const uint16_t> samples16() const;

  // The first sample of a row; unchecked: depth() must be 8 (16 for row16) and 0 <= y < height().
  uint8_t* row(int y) { return samples8_.data() + y * row_size(); }
  const uint8_t* row(int y) const { return samples8_.data() + y * row_size(); }
  uint16_t* row16(int y) { return samples16_.data() + y * row_size(); }
  const uint16_t* row16(int y) const { return samples16_.data() + y * row_size(); }

  // One sample of either depth, unchecked.
  int at(int x, int y, int channel) const {
    const size_t i = y * row_size() + static_cast<size_t>(x) * channels_ + channel;
    return depth_ == 16 ? samples16_[i] : samples8_[i];
  }

  // The high byte of each 16-bit sample (as PIL unpacks 16-bit RGB); an 8-bit picture is returned as it is.
  Image to_8bit() const;
  // Three channels: grey is repeated; alpha is dropped, not composited, as PIL's convert("RGB") does, because
  // preprocessing must see the pixels that networks were trained on. Keeps the depth.
  Image to_rgb() const;
  // One channel: (R*19595 + G*38470 + B*7471 + 0x8000) >> 16, alpha dropped; PIL's convert("L"). Keeps the depth.
  Image to_grey() const;
  // Four channels, opaque where there was no alpha. Keeps the depth.
  Image to_rgba() const;

  bool operator==(const Image&) const = default;

 private:
  int width_ = 0;
  int height_ = 0;
  int channels_ = 3;
  int depth_ = 8;
  std::vector<uint8_t> samples8_;    // used when depth_ is 8
  std::vector<uint16_t> samples16_;  // used when depth_ is 16
};

}  // namespace fovea
