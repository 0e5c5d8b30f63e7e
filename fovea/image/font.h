// The built-in proportional font, drawn for fovea: dots in rows, capitals 9 rows high. Internal to
// fovea/image/draw.cpp.
#pragma once

#include <array>
#include <cstdint>

namespace fovea {

inline constexpr int kGlyphRows = 12;  // 9 above the base line, 3 below
inline constexpr int kLineRows = 14;   // from one line's top to the next
inline constexpr int kGlyphGap = 1;    // columns between two characters

struct Glyph {
  int width = 0;                               // columns
  std::array<uint16_t, kGlyphRows> rows = {};  // bit c: the dot in column c
};

// The glyph of printable ASCII, 32..126; of any other code point, a box.
const Glyph& glyph_of(uint32_t code_point);

}  // namespace fovea
