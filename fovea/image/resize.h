// Pictures and maps in another size. Equal to PIL's Image.resize (9.x), bit for bit, in 8-bit samples.
//
// An output sample at centre c is sum_i k((i + 0.5 - c) / s) x_i / sum_i k((i + 0.5 - c) / s), where s = max(1, input /
// output size) widens the kernel k when the picture shrinks: that is what prevents aliasing.
#pragma once

#include <span>
#include <vector>

#include "fovea/image/image.h"

namespace fovea {

// The kernel: nearest takes the pixel under the centre; box has radius 0.5; bilinear is the triangle of radius 1;
// bicubic is Keys's with a = -0.5, radius 2; lanczos is sinc(x) sinc(x / 3), radius 3.
enum class Filter { nearest, box, bilinear, bicubic, lanczos };

// Scales to width x height, first along rows, then along columns, rounding to whole grey levels after each (22-bit
// fixed point for 8-bit samples, double for 16-bit ones). Colour is multiplied by alpha meanwhile, as PIL does, except
// for nearest. The result does not depend on the number of threads. Throws Error{usage} for an empty picture or size.
Image resize(const Image& image, int width, int height, Filter filter);

// Scales so that the shorter side becomes `size` pixels and the longer one int(size * long / short), rounded down:
// torchvision's Resize(size).
Image resize_short_side(const Image& image, int size, Filter filter);

// A plane [in_height][in_width] of any floats, scaled to [height][width]; sums in double, rounded to float after each
// of the two passes (PIL's mode F). For heat maps bilinear is the choice. Throws Error{usage} when the plane's size is
// not the product or something is empty.
std::vector<float> resize_plane(std::span<const float> plane, int in_width, int in_height, int width, int height,
                                Filter filter = Filter::bilinear);

}  // namespace fovea
