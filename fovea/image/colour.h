// Colours, colour maps for planes of numbers, and heat maps over pictures.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "fovea/image/image.h"

namespace fovea {

// sRGB, 0..255 each.
struct Rgb {
  uint8_t r = 0, g = 0, b = 0;
  bool operator==(const Rgb&) const = default;
};

inline constexpr Rgb kBlack{0, 0, 0};
inline constexpr Rgb kWhite{255, 255, 255};

// grey: black to white. viridis, magma, inferno: perceptually even, dark to light, after the matplotlib maps of these
// names (S. van der Walt and N. Smith, 2015; CC0). diverging: blue, white, red, with white in the middle.
enum class ColourMap { grey, viridis, magma, inferno, diverging };

// "grey", "viridis", ... Throws Error{usage} with the known names for another one.
ColourMap colour_map(std::string_view name);
std::string_view to_string(ColourMap map);

// The colour at t; t below 0 counts as 0, above 1 as 1, and NaN gives mid-grey, which no map but `grey` holds.
Rgb colour_at(ColourMap map, float t);

// A plane [height][width] as an RGB picture: `low` gets the map's first colour, `high` its last one. Throws
// Error{usage} when the plane's size is not the product. low == high gives the middle colour everywhere.
Image apply_colour_map(std::span<const float> plane, int width, int height, ColourMap map, float low, float high);
// The same with low and high the least and greatest finite values; for `diverging`, -m and m, m the greatest magnitude.
Image apply_colour_map(std::span<const float> plane, int width, int height, ColourMap map);

// A heat map laid over a picture: the plane [heat_height][heat_width], values 0..1, is scaled to the picture's size
// (bilinear) and coloured. Each pixel is picture * (1 - a) + colour * a with a = opacity, times the heat itself when
// fade is true, so that cold places show the plain picture. Gives an 8-bit RGB picture. Throws Error{usage} for a wrong
// size.
Image overlay_heat(const Image& picture, std::span<const float> heat, int heat_width, int heat_height,
                   ColourMap map = ColourMap::inferno, float opacity = 0.6f, bool fade = false);

// The transfer function of sRGB (IEC 61966-2-1), both ways, on values in 0..1.
float srgb_to_linear(float value);
float linear_to_srgb(float value);

}  // namespace fovea
