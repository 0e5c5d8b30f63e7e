// Pictures bent: every pixel of the result looks up a place in the picture.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "fovea/image/colour.h"
#include "fovea/image/image.h"

namespace fovea {

// What lies beyond a picture's edges: one colour (the fill), or the picture mirrored in its outermost pixels, which are
// not repeated (c b | a b c | b a), as ONNX's Pad "reflect" does it.
enum class Edge { fill, reflect };

// Where index i lies in [0, count) after mirroring at 0 and count - 1, as often as needed. count >= 1.
int reflected(int64_t i, int count);

// The part [x, x + width) by [y, y + height) of a picture that goes on for ever beyond its edges. 8-bit pictures; a
// grey picture's fill is the colour's red, alpha becomes opaque. Throws Error{usage} for an empty picture, a negative
// size or a 16-bit picture.
Image window(const Image& picture, int64_t x, int64_t y, int width, int height, Edge edge, Rgb fill = kBlack);

// The picture [height][width] whose pixel i has the colour at (x[i], y[i]) of the given one, interpolated between the
// four nearest pixels (bilinear) and rounded; whole numbers are the middles of pixels, (0, 0) the first one's. A place
// that is not finite has the fill. Throws Error{usage} as `window`, and when x or y have another size.
Image remap(const Image& picture, std::span<const float> x, std::span<const float> y, int width, int height, Edge edge,
            Rgb fill = kBlack);

// A linear map of the plane about the picture's middle, then a shift: out = m (in - middle) + middle + shift, pixels.
struct AffineMap {
  std::array<double, 4> m = {1, 0, 0, 1};  // m00 m01 m10 m11; x' = m00 x + m01 y
  double shift_x = 0, shift_y = 0;
};

// The picture moved by the map, in its own size. Throws Error{usage} as `window`, and for a map that cannot be inverted
// (determinant 0 or not finite).
Image affine(const Image& picture, const AffineMap& map, Edge edge, Rgb fill = kBlack);

// A plane [height][width] convolved with a Gaussian of standard deviation sigma (pixels), cut off at 4 sigma and scaled
// to a sum of 1; beyond the edges lie zeros. sigma = 0 changes nothing. Throws Error{usage} for a sigma that is
// negative or greater than 1000, or when the plane's size is not the product.
std::vector<float> blur_plane(std::span<const float> plane, int width, int height, double sigma);

}  // namespace fovea
