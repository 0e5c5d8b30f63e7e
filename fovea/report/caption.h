// Text on figures that has to fit, and the key to a colour scale.
#pragma once

#include <string>

#include "fovea/image/colour.h"
#include "fovea/image/image.h"

namespace fovea {

// The text in lines of at most `width` pixels, broken at spaces; a longer word keeps its line. Line breaks stay.
std::string wrapped_text(const std::string& text, int width, int scale = 1);

// Three significant digits, and no exponent for thousands: "0.0123", "403", "1790".
std::string short_value(double value);

// The picture with a text above it, in the ink of figures on white. An empty text adds nothing.
Image with_caption(const Image& picture, const std::string& text, int margin = 14);

// A bar of a colour map, `low` written to its left and `high` to its right. Drawn with its top left corner at (x, y),
// 12 pixels high. Returns its width with the texts.
int draw_colour_bar(Image& canvas, int x, int y, ColourMap map, const std::string& low, const std::string& high,
                    int length = 120);

// Largest number of pixels of a sheet, and what is said when it has more. Throws Error{usage}.
void require_sheet_size(int64_t width, int64_t height, const std::string& what_to_do);

}  // namespace fovea
