// Figures are drawn on 8-bit pictures in place: rectangles, lines, pictures within pictures, and text in a built-in
// font. Everything is cut off at the picture's edges, and nothing throws except for a 16-bit canvas (Error{usage}).
// Coordinates are pixels, x to the right, y down, from the top left corner. A grey canvas gets the colour's grey; alpha
// becomes opaque.
#pragma once

#include <string>
#include <string_view>

#include "fovea/image/colour.h"
#include "fovea/image/image.h"

namespace fovea {

// A picture of one colour.
Image blank(int width, int height, Rgb colour = kWhite);

void fill_rectangle(Image& canvas, int x, int y, int width, int height, Rgb colour);

// A frame of `thickness` pixels, drawn inside the rectangle.
void draw_outline(Image& canvas, int x, int y, int width, int height, Rgb colour, int thickness = 1);

// A straight line between the middles of two pixels, anti-aliased, with round ends.
void draw_line(Image& canvas, float x0, float y0, float x1, float y1, Rgb colour, float thickness = 1);

// Copies a picture (either depth, any channels) to (x, y); alpha is composited.
void draw_image(Image& canvas, const Image& image, int x, int y);
// Scaled to width x height, each pixel repeated or left out (nearest), so that single pixels stay visible.
void draw_image(Image& canvas, const Image& image, int x, int y, int width, int height);

// Text in UTF-8, its top left corner at (x, y); '\n' starts a new line. Each dot of the font becomes scale x scale
// pixels, scale >= 1. Characters that are not printable ASCII show as a box, except some signs with an ASCII
// look-alike.
void draw_text(Image& canvas, int x, int y, std::string_view text, Rgb colour = kBlack, int scale = 1);

// Pixels that draw_text covers: the widest line, without the gap after its last character, and whole lines.
int text_width(std::string_view text, int scale = 1);
int text_height(std::string_view text, int scale = 1);

// The longest start of a text, with "..." after it when something is left out, that is at most max_width pixels wide.
std::string shorten_text(std::string_view text, int max_width, int scale = 1);

}  // namespace fovea
