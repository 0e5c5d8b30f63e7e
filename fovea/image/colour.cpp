#include "fovea/image/colour.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <string>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/image/resize.h"

namespace fovea {
namespace {

// Evenly spaced colours; those between are mixed linearly in sRGB.
constexpr Rgb kGrey[] = {{0, 0, 0}, {255, 255, 255}};
constexpr Rgb kViridis[] = {{68, 1, 84},    {72, 40, 120},  {62, 73, 137},  {49, 104, 142}, {38, 130, 142},
                            {31, 158, 137}, {53, 183, 121}, {110, 206, 88}, {181, 222, 43}, {253, 231, 37}};
constexpr Rgb kMagma[] = {{0, 0, 4},      {24, 15, 61},  {68, 15, 118},   {114, 31, 129},  {158, 47, 127},
                          {205, 64, 113}, {241, 96, 93}, {253, 150, 104}, {254, 202, 141}, {252, 253, 191}};
constexpr Rgb kInferno[] = {{0, 0, 4},     {27, 12, 65},   {74, 12, 107}, {120, 28, 109}, {165, 44, 96},
                            {207, 68, 70}, {237, 105, 37}, {251, 155, 6}, {247, 209, 61}, {252, 255, 164}};
constexpr Rgb kDiverging[] = {{16, 44, 110},   {46, 97, 173},   {112, 162, 212}, {190, 216, 236}, {255, 255, 255},
                              {245, 203, 184}, {228, 135, 108}, {192, 56, 52},   {110, 10, 30}};

struct Entry {
  ColourMap map;
  std::string_view name;
  std::span<const Rgb> colours;
};

constexpr Entry kMaps[] = {{ColourMap::grey, "grey", kGrey},
                           {ColourMap::viridis, "viridis", kViridis},
                           {ColourMap::magma, "magma", kMagma},
                           {ColourMap::inferno, "inferno", kInferno},
                           {ColourMap::diverging, "diverging", kDiverging}};

const Entry& entry_of(ColourMap map) { return kMaps[static_cast<size_t>(map)]; }

uint8_t mix(int a, int b, float t) {
  return static_cast<uint8_t>(std::lround(static_cast<float>(a) + static_cast<float>(b - a) * t));
}

void check_plane(std::span<const float> plane, int width, int height) {
  require(width > 0 && height > 0 && plane.size() == static_cast<size_t>(width) * height, ErrorKind::usage,
          "a plane of {} x {} cannot have {} values", width, height, plane.size());
}

}  // namespace

ColourMap colour_map(std::string_view name) {
  std::string known;
  for (const Entry& entry : kMaps) {
    if (entry.name == name) return entry.map;
    known += fmt::format("{}{}", known.empty() ? "" : ", ", entry.name);
  }
  fail(ErrorKind::usage, "no colour map is called '{}'; there are {}", name, known);
}

std::string_view to_string(ColourMap map) { return entry_of(map).name; }

Rgb colour_at(ColourMap map, float t) {
  if (std::isnan(t)) return {128, 128, 128};
  const auto colours = entry_of(map).colours;
  const float at = std::clamp(t, 0.0f, 1.0f) * static_cast<float>(colours.size() - 1);
  const size_t below = std::min(static_cast<size_t>(at), colours.size() - 2);
  const float part = at - static_cast<float>(below);
  const Rgb a = colours[below], b = colours[below + 1];
  return {mix(a.r, b.r, part), mix(a.g, b.g, part), mix(a.b, b.b, part)};
}

Image apply_colour_map(std::span<const float> plane, int width, int height, ColourMap map, float low, float high) {
  check_plane(plane, width, height);
  Image out(width, height, 3);
  const float scale = high == low ? 0.0f : 1.0f / (high - low), shift = high == low ? 0.5f : 0.0f;
  uint8_t* samples = out.samples().data();
  parallel_for(static_cast<int64_t>(plane.size()), 16384, [&](int64_t i) {
    const Rgb colour = colour_at(map, (plane[i] - low) * scale + shift);
    samples[3 * i] = colour.r, samples[3 * i + 1] = colour.g, samples[3 * i + 2] = colour.b;
  });
  return out;
}

Image apply_colour_map(std::span<const float> plane, int width, int height, ColourMap map) {
  float low = INFINITY, high = -INFINITY;
  for (const float value : plane) {
    if (!std::isfinite(value)) continue;
    low = std::min(low, value);
    high = std::max(high, value);
  }
  if (low > high) low = high = 0;  // nothing finite
  if (map == ColourMap::diverging) {
    high = std::max(std::abs(low), std::abs(high));
    low = -high;
  }
  return apply_colour_map(plane, width, height, map, low, high);
}

Image overlay_heat(const Image& picture, std::span<const float> heat, int heat_width, int heat_height, ColourMap map,
                   float opacity, bool fade) {
  check_plane(heat, heat_width, heat_height);
  Image out = picture.to_8bit().to_rgb();
  const std::vector<float> scaled = resize_plane(heat, heat_width, heat_height, out.width(), out.height());
  uint8_t* samples = out.samples().data();
  parallel_for(static_cast<int64_t>(scaled.size()), 16384, [&](int64_t i) {
    const Rgb colour = colour_at(map, scaled[i]);
    const float heat_here = std::isnan(scaled[i]) ? 0.0f : std::clamp(scaled[i], 0.0f, 1.0f);
    const float a = std::clamp(fade ? opacity * heat_here : opacity, 0.0f, 1.0f);
    uint8_t* pixel = samples + 3 * i;
    pixel[0] = mix(pixel[0], colour.r, a), pixel[1] = mix(pixel[1], colour.g, a), pixel[2] = mix(pixel[2], colour.b, a);
  });
  return out;
}

float srgb_to_linear(float value) {
  return value <= 0.04045f ? value / 12.92f : std::pow((value + 0.055f) / 1.055f, 2.4f);
}

float linear_to_srgb(float value) {
  return value <= 0.0031308f ? value * 12.92f : 1.055f * std::pow(value, 1 / 2.4f) - 0.055f;
}

}  // namespace fovea
