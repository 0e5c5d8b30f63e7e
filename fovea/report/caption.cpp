#include "fovea/report/caption.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/image/draw.h"
#include "fovea/report/figure.h"

namespace fovea {

namespace {
constexpr int64_t kMostPixels = int64_t{1} << 26;
}

std::string wrapped_text(const std::string& text, int width, int scale) {
  std::string result, line;
  const auto flush = [&](bool more) {
    result += line;
    if (more) result += '\n';
    line.clear();
  };
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find_first_of(" \n", at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!line.empty() && text_width(line + " " + word, scale) > width) flush(true);
    line += (line.empty() ? "" : " ") + word;
    if (end < text.size() && text[end] == '\n') flush(true);
    at = end + 1;
  }
  flush(false);
  return result;
}

std::string short_value(double value) {
  if (std::isnan(value)) return "NaN";
  return std::abs(value) >= 1000 && std::abs(value) < 1e6 ? fmt::format("{:.0f}", value) : fmt::format("{:.3g}", value);
}

Image with_caption(const Image& picture, const std::string& text, int margin) {
  if (text.empty()) return picture;
  const int width = std::max(picture.width(), 300);
  const std::string head = wrapped_text(text, width - 2 * margin);
  const int top = margin + text_height(head) + margin / 2;
  Image canvas = blank(width, top + picture.height());
  draw_text(canvas, margin, margin, head, paper::ink);
  draw_image(canvas, picture, 0, top);
  return canvas;
}

int draw_colour_bar(Image& canvas, int x, int y, ColourMap map, const std::string& low, const std::string& high,
                    int length) {
  constexpr int kHeight = 12, kSpace = 6;
  const int left = text_width(low) + kSpace;
  draw_text(canvas, x, y, low, paper::ink);
  for (int i = 0; i < length; ++i)
    fill_rectangle(canvas, x + left + i, y, 1, kHeight,
                   colour_at(map, static_cast<float>(i) / static_cast<float>(std::max(1, length - 1))));
  draw_outline(canvas, x + left, y, length, kHeight, paper::faint);
  draw_text(canvas, x + left + length + kSpace, y, high, paper::ink);
  return left + length + kSpace + text_width(high);
}

void require_sheet_size(int64_t width, int64_t height, const std::string& what_to_do) {
  require(width > 0 && height > 0 && width <= (int64_t{1} << 20) && height <= kMostPixels / width, ErrorKind::usage,
          "the sheet would have {} x {} pixels, at most {} million are drawn; {}", width, height, kMostPixels / 1000000,
          what_to_do);
}

}  // namespace fovea
