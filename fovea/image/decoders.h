// One decoder a format, and what they share. Internal to fovea/image; see codec.h for what each promises.
#pragma once

#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>

#include "fovea/base/bytes.h"
#include "fovea/base/error.h"
#include "fovea/image/codec.h"
#include "fovea/image/image.h"

namespace fovea {

bool is_png(std::string_view head);
bool is_jpeg(std::string_view head);
bool is_webp(std::string_view head);
bool is_tiff(std::string_view head);
bool is_ppm(std::string_view head);

Image decode_png(const Bytes& bytes, const DecodeOptions& options);
Image decode_jpeg(const Bytes& bytes, const DecodeOptions& options);
Image decode_webp(const Bytes& bytes, const DecodeOptions& options);
Image decode_tiff(const Bytes& bytes, const DecodeOptions& options);
Image decode_ppm(const Bytes& bytes, const DecodeOptions& options);

// Throws Error{format}: "<label>: damaged PNG: <what>".
[[noreturn]] void fail_damaged(const Bytes& bytes, std::string_view format, std::string_view what);

// Throws Error{format} unless 0 < width * height <= kMaxPixels and the packed samples, `bits` in all, may come from the
// bytes at hand when one byte stands for at most `ratio` bytes of samples. Called before any memory is taken.
void check_claim(const Bytes& bytes, std::string_view format, uint64_t width, uint64_t height, uint64_t bits_per_pixel,
                 uint64_t ratio);

// The orientation 1..8 in an EXIF block (it starts with a TIFF header; "Exif\0\0" before it is skipped); 1 when absent
// or damaged.
int exif_orientation(std::span<const std::byte> exif);

// a * b / 255, rounded, for a and b in 0..255, as PIL computes it.
inline int multiply_255(int a, int b) {
  const int t = a * b + 128;
  return ((t >> 8) + t) >> 8;
}

// One pixel of 0..255 inks to 0..255 RGB, as PIL does (no profile).
inline void cmyk_to_rgb(const uint8_t* cmyk, uint8_t* rgb) {
  const int light = 255 - cmyk[3];
  for (int c = 0; c < 3; ++c) rgb[c] = static_cast<uint8_t>(light - multiply_255(cmyk[c], light));
}

}  // namespace fovea
