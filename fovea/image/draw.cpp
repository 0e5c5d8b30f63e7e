#include "fovea/image/draw.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/image/font.h"

namespace fovea {
namespace {

// A colour in a canvas's own channels.
struct Ink {
  Ink(const Image& canvas, Rgb colour) : channels(canvas.channels()) {
    require(canvas.depth() == 8, ErrorKind::usage, "fovea draws on 8-bit pictures only; convert with to_8bit() first");
    const uint32_t grey = (colour.r * 19595u + colour.g * 38470u + colour.b * 7471u + 0x8000u) >> 16;
    if (channels == 1) samples[0] = static_cast<uint8_t>(grey);
    else samples[0] = colour.r, samples[1] = colour.g, samples[2] = colour.b, samples[3] = 255;
  }

  void put(uint8_t* pixel) const { std::copy_n(samples, channels, pixel); }
  // Covers a part, 0..1, of the pixel.
  void blend(uint8_t* pixel, float part) const {
    for (int c = 0; c < channels; ++c) {
      pixel[c] = static_cast<uint8_t>(std::lround(pixel[c] + part * static_cast<float>(samples[c] - pixel[c])));
    }
  }

  int channels;
  uint8_t samples[4] = {};
};

// [begin, end) of one side of a rectangle, cut to [0, limit); the sums are 64-bit, so any int may come in.
struct Part {
  Part(int64_t at, int64_t size, int limit)
      : begin(static_cast<int>(std::clamp<int64_t>(at, 0, limit))),
        end(static_cast<int>(std::clamp<int64_t>(at + size, begin, limit))) {}
  int begin, end;
};

void fill(Image& canvas, int64_t x, int64_t y, int64_t width, int64_t height, const Ink& ink) {
  const Part columns(x, width, canvas.width()), rows(y, height, canvas.height());
  for (int row = rows.begin; row < rows.end; ++row) {
    uint8_t* pixel = canvas.row(row) + static_cast<size_t>(columns.begin) * ink.channels;
    for (int column = columns.begin; column < columns.end; ++column, pixel += ink.channels) ink.put(pixel);
  }
}

// The next code point of UTF-8 text, which is shortened; bytes that are no UTF-8 give U+FFFD one at a time.
uint32_t next_code_point(std::string_view& text) {
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char first = byte(0);
  const size_t size = first < 0x80 ? 1 : first >> 5 == 6 ? 2 : first >> 4 == 14 ? 3 : first >> 3 == 30 ? 4 : 0;
  uint32_t code = size == 1 ? first : first & (0xff >> (size + 1));
  bool valid = size > 0 && size <= text.size();
  for (size_t i = 1; valid && i < size; ++i) {
    valid = byte(i) >> 6 == 2;
    code = code << 6 | (byte(i) & 63);
  }
  text.remove_prefix(valid ? size : 1);
  return valid ? code : 0xfffd;
}

// Signs that an ASCII character stands for well enough.
uint32_t look_alike(uint32_t code) {
  switch (code) {
    case 0x00a0: return ' ';
    case 0x00b7: return '.';
    case 0x00d7: return 'x';
    case 0x2010:
    case 0x2011:
    case 0x2012:
    case 0x2013:
    case 0x2014:
    case 0x2212: return '-';
    case 0x2018:
    case 0x2019: return '\'';
    case 0x201c:
    case 0x201d: return '"';
    default: return code;
  }
}

// Calls body(glyph, column, line) for each character; returns the widest line's columns and the number of lines.
template <class Body>
std::pair<int64_t, int64_t> for_glyphs(std::string_view text, const Body& body) {
  int64_t column = 0, line = 0, widest = 0;
  while (!text.empty()) {
    const uint32_t code = look_alike(next_code_point(text));
    if (code == '\n') {
      column = 0;
      ++line;
      continue;
    }
    const Glyph& glyph = glyph_of(code);
    body(glyph, column, line);
    column += glyph.width + kGlyphGap;
    widest = std::max(widest, column - kGlyphGap);
  }
  return {widest, line + 1};
}

int to_pixels(int64_t dots, int scale) {
  return static_cast<int>(std::min<int64_t>(dots * std::max(scale, 1), INT32_MAX));
}

}  // namespace

Image blank(int width, int height, Rgb colour) {
  Image image(width, height, 3);
  fill_rectangle(image, 0, 0, width, height, colour);
  return image;
}

void fill_rectangle(Image& canvas, int x, int y, int width, int height, Rgb colour) {
  fill(canvas, x, y, width, height, Ink(canvas, colour));
}

void draw_outline(Image& canvas, int x, int y, int width, int height, Rgb colour, int thickness) {
  const Ink ink(canvas, colour);
  const int64_t t = std::min({thickness, width, height}), right = int64_t{x} + width - t;
  const int64_t bottom = int64_t{y} + height - t;
  if (t <= 0) return;
  fill(canvas, x, y, width, t, ink);
  fill(canvas, x, bottom, width, t, ink);
  fill(canvas, x, y, t, height, ink);
  fill(canvas, right, y, t, height, ink);
}

void draw_line(Image& canvas, float x0, float y0, float x1, float y1, Rgb colour, float thickness) {
  const Ink ink(canvas, colour);
  if (!std::isfinite(x0 + y0 + x1 + y1 + thickness) || thickness <= 0) return;
  const float radius = thickness / 2, dx = x1 - x0, dy = y1 - y0, length2 = dx * dx + dy * dy;
  const auto first = [](float at, int limit) {
    return static_cast<int>(std::clamp(std::floor(at), 0.0f, static_cast<float>(limit)));
  };
  const float margin = radius + 1;
  const int top = first(std::min(y0, y1) - margin, canvas.height()),
            bottom = first(std::max(y0, y1) + margin + 1, canvas.height());
  for (int y = top; y < bottom; ++y) {
    // The columns where this row can meet the line: its part within `margin` rows, widened by what is round.
    float from = std::min(x0, x1), to = std::max(x0, x1);
    if (std::abs(dy) > 0.5f) {
      const float a = x0 + dx * std::clamp((static_cast<float>(y) - margin - y0) / dy, 0.0f, 1.0f);
      const float b = x0 + dx * std::clamp((static_cast<float>(y) + margin - y0) / dy, 0.0f, 1.0f);
      from = std::min(a, b), to = std::max(a, b);
    }
    const int left = first(from - margin, canvas.width()), right = first(to + margin + 1, canvas.width());
    for (int x = left; x < right; ++x) {
      const float px = static_cast<float>(x) - x0, py = static_cast<float>(y) - y0;
      const float along = length2 > 0 ? std::clamp((px * dx + py * dy) / length2, 0.0f, 1.0f) : 0.0f;
      const float distance = std::hypot(px - along * dx, py - along * dy);
      const float part = std::clamp(radius + 0.5f - distance, 0.0f, std::min(thickness, 1.0f));
      if (part > 0) ink.blend(canvas.row(y) + static_cast<size_t>(x) * ink.channels, part);
    }
  }
}

void draw_image(Image& canvas, const Image& image, int x, int y) {
  draw_image(canvas, image, x, y, image.width(), image.height());
}

void draw_image(Image& canvas, const Image& image, int x, int y, int width, int height) {
  Ink(canvas, kBlack);  // refuses a 16-bit canvas
  if (image.empty() || width <= 0 || height <= 0) return;
  const Part columns(x, width, canvas.width()), rows(y, height, canvas.height());
  const int shift = image.depth() - 8, colours = image.channels() == 1 ? 0 : 1, channels = canvas.channels();
  const bool same = image.depth() == 8 && image.channels() == channels && !image.has_alpha();
  for (int row = rows.begin; row < rows.end; ++row) {
    const int from_y = static_cast<int>((int64_t{row} - y) * image.height() / height);
    uint8_t* pixel = canvas.row(row) + static_cast<size_t>(columns.begin) * channels;
    for (int column = columns.begin; column < columns.end; ++column, pixel += channels) {
      const int from_x = static_cast<int>((int64_t{column} - x) * image.width() / width);
      if (same) {
        std::copy_n(image.row(from_y) + static_cast<size_t>(from_x) * channels, channels, pixel);
        continue;
      }
      const auto sample = [&](int c) { return static_cast<uint8_t>(image.at(from_x, from_y, c) >> shift); };
      const Ink ink(canvas, {sample(0), sample(colours), sample(2 * colours)});
      if (image.has_alpha()) ink.blend(pixel, static_cast<float>(sample(3)) / 255.0f);
      else ink.put(pixel);
    }
  }
}

void draw_text(Image& canvas, int x, int y, std::string_view text, Rgb colour, int scale) {
  const Ink ink(canvas, colour);
  const int64_t dot = std::max(scale, 1);
  for_glyphs(text, [&](const Glyph& glyph, int64_t column, int64_t line) {
    for (int row = 0; row < kGlyphRows; ++row) {
      for (int c = 0; c < glyph.width; ++c) {
        if (glyph.rows[row] >> c & 1)
          fill(canvas, x + (column + c) * dot, y + (line * kLineRows + row) * dot, dot, dot, ink);
      }
    }
  });
}

int text_width(std::string_view text, int scale) {
  return to_pixels(for_glyphs(text, [](const Glyph&, int64_t, int64_t) {}).first, scale);
}

int text_height(std::string_view text, int scale) {
  const int64_t lines = for_glyphs(text, [](const Glyph&, int64_t, int64_t) {}).second;
  return to_pixels((lines - 1) * kLineRows + kGlyphRows, scale);
}

std::string shorten_text(std::string_view text, int max_width, int scale) {
  if (text_width(text, scale) <= max_width) return std::string(text);
  const std::string_view dots = "...";
  std::string best;
  for (std::string_view rest = text; !rest.empty();) {
    next_code_point(rest);
    std::string tried(text.substr(0, text.size() - rest.size()));
    tried += dots;
    if (text_width(tried, scale) > max_width) break;
    best = std::move(tried);
  }
  return best;
}

}  // namespace fovea
