// Numbers → pictures: what is optimised when a picture is made, and how the picture comes from it.
//
// Pictures are spoken of as *levels*: [N,C,H,W] f32, grey levels 0..255 minus the network's centre colour, in the order
// red, green, blue (C = 3) or grey (C = 1), whatever the network's own convention is. 0 is the colour that the
// network's preprocessing turns into 0.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "fovea/base/rng.h"
#include "fovea/image/image.h"
#include "fovea/model/model.h"

namespace fovea {

// The colour that levels are counted from, 0..255 in the order of levels: preprocessing's mean, or the middle grey
// where it has none.
std::vector<double> centre_colour(const Preprocess& how);

// How many channels levels have: 1 for colour = grey, else 3.
int64_t level_channels(const Preprocess& how);

// Levels as the network's input: (pixel · scale − mean) / std in the network's order of colours.
Value network_input(Graph& graph, Value levels, const Preprocess& how);

// Picture n of levels as it is written to a file: rounded, cut off at 0 and 255.
Image level_image(const Tensor& levels, int64_t n, const Preprocess& how);
// The levels [1,C,H,W] of a picture that is fitted already.
Tensor image_levels(const Image& fitted, const Preprocess& how);

struct ParametrisationSettings {
  // fourier: amplitudes of plane waves, those of a wave of frequency f scaled by 1/f, in colours without correlation
  // pixels: the levels themselves, or what the sigmoid bounds
  // sphere: levels of a fixed Euclidean norm, x = norm · p / ‖p‖
  std::string kind = "fourier";
  // What keeps pictures within 0..255: sigmoid (for pixels 255/(1 + e^{-4p/255}), whose slope at 0 is 1), none, or for
  // fourier clip, which has no gradient from what lies outside.
  std::string bounds = "sigmoid";
  bool decorrelate = true;  // colours: see kColourRoot
  double decay = 1;         // fourier: amplitudes are scaled by 1/f^decay
  double deviation = 0.01;  // of the start: of the amplitudes; pixels and sphere: in units of 255 levels
  double norm = 1;          // sphere
};
const std::vector<std::string>& parametrisation_kinds();

// A root of the covariance of ImageNet's colours: the columns are light, blue against red and green against purple, as
// they are published for Lucid (lucid/optvis/param/color.py). Row: red, green, blue.
inline constexpr std::array<std::array<double, 3>, 3> kColourRoot = {
    {{0.26, 0.09, 0.02}, {0.27, 0.00, -0.05}, {0.27, -0.09, 0.03}}};

// The part of a graph that makes pictures from what is carried.
struct Parametrised {
  Value parameter;  // an input named kParameter
  Value levels;     // [N,C,H,W]
};
inline constexpr const char* kParameter = "parametrisation";

// Appends the parametrisation of N pictures. Fourier, Olah, Mordvintsev & Schubert, "Feature visualization", Distill
// 2017, and their Lucid: x = irfft2(s · a) / 4 with amplitudes a [N,C,2,H,W/2+1], s = √(H·W) / max(f, 1/max(H,W))^decay
// and f the frequency in cycles a pixel; then kColourRoot divided by its longest column's norm, then the sigmoid. The
// transform is two products with constant matrices of cosines and sines, 4·H²·K + 2·H·K·W multiply-adds a channel with
// K = ⌊W/2⌋ + 1: at 224 pixels 0.1 G a picture, a fifteenth of GoogLeNet. Throws Error{usage} for an unknown kind and
// sizes below 2.
Parametrised parametrise(Graph& graph, const ParametrisationSettings& settings, const Shape& levels,
                         const Preprocess& how);

// Where the optimisation starts: normal numbers of the settings' deviation, for picture n of the n-th generator.
Tensor random_start(const Graph& graph, const Parametrised& parametrised, const ParametrisationSettings& settings,
                    const std::vector<Rng>& generators);

}  // namespace fovea
