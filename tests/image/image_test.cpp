#include "fovea/image/image.h"

#include <gtest/gtest.h>

#include <cmath>

#include "fovea/base/error.h"
#include "fovea/image/colour.h"
#include "fovea/image/draw.h"
#include "fovea/image/geometry.h"

namespace fovea {
namespace {

// Sample (x, y, c) is distinct.
Image numbered(int width, int height, int channels) {
  Image image(width, height, channels);
  for (size_t i = 0; i < image.samples().size(); ++i) image.samples()[i] = static_cast<uint8_t>(i);
  return image;
}

TEST(Image, ChecksItsLayout) {
  EXPECT_THROW(Image(3, 3, 2), Error);
  EXPECT_THROW(Image(3, 3, 3, 12), Error);
  EXPECT_THROW(Image(-1, 3, 3), Error);
  EXPECT_THROW(Image(1 << 16, 1 << 16, 1), Error);
  EXPECT_THROW(Image::own(2, 2, 3, std::vector<uint8_t>(11)), Error);
  EXPECT_THROW(Image(2, 2, 3, 16).samples(), Error);
  EXPECT_THROW(Image(2, 2, 3).samples16(), Error);
  EXPECT_TRUE(Image().empty());
}

TEST(Image, ConvertsAsPilDoes) {
  const Image rgba = Image::own(1, 2, 4, std::vector<uint8_t>{10, 20, 30, 0, 255, 128, 3, 7});
  EXPECT_EQ(rgba.to_rgb(), Image::own(1, 2, 3, std::vector<uint8_t>{10, 20, 30, 255, 128, 3}));
  // (10 * 19595 + 20 * 38470 + 30 * 7471 + 32768) >> 16 = 18; the other: 152.
  EXPECT_EQ(rgba.to_grey(), Image::own(1, 2, 1, std::vector<uint8_t>{18, 152}));
  const Image white = Image::own(1, 1, 3, std::vector<uint16_t>{65535, 65535, 65535});
  EXPECT_EQ(white.to_grey().at(0, 0, 0), 65535);
  EXPECT_EQ(Image::own(1, 1, 1, std::vector<uint16_t>{0x12ff}).to_8bit().at(0, 0, 0), 0x12);
  EXPECT_EQ(Image::own(1, 1, 1, std::vector<uint8_t>{9}).to_rgba(),
            Image::own(1, 1, 4, std::vector<uint8_t>{9, 9, 9, 255}));
}

TEST(Geometry, CropsAndPads) {
  const Image image = numbered(5, 4, 3);
  const Image part = crop(image, 1, 2, 3, 2);
  EXPECT_EQ(part.at(0, 0, 0), image.at(1, 2, 0));
  EXPECT_EQ(part.at(2, 1, 2), image.at(3, 3, 2));
  EXPECT_EQ(crop(pad(image, 2, 1, 3, 4), 2, 1, 5, 4), image);
  EXPECT_THROW(crop(image, 3, 0, 3, 1), Error);
  EXPECT_THROW(crop(image, INT32_MAX, 0, INT32_MAX, 1), Error);
}

TEST(Geometry, CentreCropRoundsHalvesToEven) {
  const Image image = numbered(10, 7, 1);
  // (10 - 5) / 2 = 2.5 -> 2; (7 - 4) / 2 = 1.5 -> 2.
  EXPECT_EQ(centre_crop(image, 5, 4), crop(image, 2, 2, 5, 4));
  // Too small: (9 - 7) / 2 = 1 row above and below.
  EXPECT_EQ(centre_crop(image, 10, 9), pad(image, 0, 1, 0, 1));
  EXPECT_EQ(centre_crop(image, 10, 10), pad(image, 0, 1, 0, 2));
}

TEST(Geometry, TurnsAndMirrors) {
  const Image image = numbered(4, 3, 3);
  EXPECT_EQ(flip_horizontal(image).at(0, 1, 2), image.at(3, 1, 2));
  EXPECT_EQ(flip_vertical(image).at(1, 0, 0), image.at(1, 2, 0));
  EXPECT_EQ(transpose(image).at(2, 3, 1), image.at(3, 2, 1));
  EXPECT_EQ(transpose(transpose(image)), image);
  EXPECT_EQ(orient(orient(image, 6), 8), image);
  EXPECT_EQ(orient(image, 9), image);
  EXPECT_EQ(orient(image, 6).at(2, 0, 0), image.at(0, 0, 0));  // clockwise: top left goes to the top right
  const Image large = numbered(70, 45, 1);
  EXPECT_EQ(transpose(large).at(44, 69, 0), large.at(69, 44, 0));
}

TEST(Colour, MapsRunFromFirstToLast) {
  EXPECT_EQ(colour_at(ColourMap::grey, 0), kBlack);
  EXPECT_EQ(colour_at(ColourMap::grey, 7), kWhite);
  EXPECT_EQ(colour_at(ColourMap::diverging, 0.5f), kWhite);
  EXPECT_EQ(colour_at(ColourMap::viridis, 0), (Rgb{68, 1, 84}));
  EXPECT_EQ(colour_at(ColourMap::viridis, 1), (Rgb{253, 231, 37}));
  EXPECT_EQ(colour_at(ColourMap::inferno, NAN), (Rgb{128, 128, 128}));
  for (const auto map : {ColourMap::viridis, ColourMap::magma, ColourMap::inferno}) {
    int last = -1;
    for (int i = 0; i <= 100; ++i) {  // lightness grows
      const Rgb c = colour_at(map, static_cast<float>(i) / 100);
      const int light = 299 * c.r + 587 * c.g + 114 * c.b;
      EXPECT_GE(light, last) << to_string(map) << " " << i;
      last = light;
    }
    EXPECT_EQ(colour_map(to_string(map)), map);
  }
  EXPECT_THROW(colour_map("jet"), Error);
}

TEST(Colour, PlanesAndOverlays) {
  const std::vector<float> plane = {-1, 0, 3, INFINITY};
  const Image grey = apply_colour_map(plane, 2, 2, ColourMap::grey);
  EXPECT_EQ(grey.at(0, 0, 0), 0);
  EXPECT_EQ(grey.at(1, 0, 0), 64);
  EXPECT_EQ(grey.at(0, 1, 0), 255);
  EXPECT_EQ(apply_colour_map(plane, 2, 2, ColourMap::diverging).at(1, 0, 0), 255);  // zero is white
  EXPECT_THROW(apply_colour_map(plane, 3, 2, ColourMap::grey), Error);
  const Image picture = numbered(6, 6, 3);
  const std::vector<float> cold(4, 0.0f);
  EXPECT_EQ(overlay_heat(picture, cold, 2, 2, ColourMap::inferno, 0.7f, true), picture);
  EXPECT_EQ(overlay_heat(picture, cold, 2, 2, ColourMap::grey, 1.0f), Image(6, 6, 3));
  for (const float v : {0.0f, 0.02f, 0.3f, 1.0f}) EXPECT_NEAR(linear_to_srgb(srgb_to_linear(v)), v, 1e-6);
  EXPECT_NEAR(srgb_to_linear(0.5f), 0.21404f, 1e-5);
}

int64_t dark_pixels(const Image& image) {
  int64_t count = 0;
  for (int y = 0; y < image.height(); ++y) {
    for (int x = 0; x < image.width(); ++x) count += image.at(x, y, 0) < 128;
  }
  return count;
}

TEST(Draw, RectanglesAreCutOff) {
  Image canvas = blank(10, 8);
  fill_rectangle(canvas, -5, -5, 8, 7, kBlack);
  EXPECT_EQ(dark_pixels(canvas), 3 * 2);
  fill_rectangle(canvas, INT32_MAX, INT32_MIN, INT32_MAX, INT32_MAX, kBlack);
  fill_rectangle(canvas, 2, 2, -3, 4, kBlack);
  EXPECT_EQ(dark_pixels(canvas), 3 * 2);
  canvas = blank(10, 8);
  draw_outline(canvas, 1, 1, 6, 5, kBlack);
  EXPECT_EQ(dark_pixels(canvas), 18);
  Image deep(3, 3, 3, 16);
  EXPECT_THROW(fill_rectangle(deep, 0, 0, 1, 1, kBlack), Error);
}

TEST(Draw, Lines) {
  Image canvas = blank(10, 10);
  draw_line(canvas, 2, 5, 7, 5, kBlack);
  EXPECT_EQ(dark_pixels(canvas), 6);
  EXPECT_EQ(canvas.at(4, 5, 0), 0);
  EXPECT_EQ(canvas.at(4, 4, 0), 255);
  draw_line(canvas, -1e30f, 3, 1e30f, 4, kBlack);
  draw_line(canvas, NAN, 3, 5, 4, kBlack);
  canvas = blank(30, 30);
  draw_line(canvas, 3, 3, 25, 14, kBlack, 2);
  EXPECT_LT(canvas.at(25, 14, 0), 128);
  EXPECT_LT(canvas.at(3, 3, 0), 128);
  EXPECT_EQ(canvas.at(25, 3, 0), 255);
}

TEST(Draw, PicturesOnEveryCanvas) {
  Image canvas = blank(6, 6);
  draw_image(canvas, numbered(2, 2, 3), 1, 1, 4, 4);
  EXPECT_EQ(canvas.at(2, 2, 1), 1);
  EXPECT_EQ(canvas.at(3, 1, 0), 3);
  EXPECT_EQ(canvas.at(0, 0, 0), 255);
  draw_image(canvas, numbered(2, 2, 1), -1, -1);
  EXPECT_EQ(canvas.at(0, 0, 2), 3);
  Image clear(1, 1, 4);
  draw_image(canvas, clear, 5, 5);
  EXPECT_EQ(canvas.at(5, 5, 0), 255);
  Image grey(4, 4, 1);
  draw_image(grey, blank(2, 2, {255, 0, 0}), 0, 0);
  EXPECT_EQ(grey.at(1, 1, 0), 76);
  Image over(2, 2, 4);
  draw_image(over, Image(2, 2, 3, 16), 0, 0);
  EXPECT_EQ(over.at(1, 1, 3), 255);
}

TEST(Draw, TextMeasuresWhatItCovers) {
  for (const int scale : {1, 3}) {
    const std::string text = "Wg[|] fovea 0.5\nx";
    const int width = text_width(text, scale), height = text_height(text, scale);
    Image tight = blank(width, height), roomy = blank(width + 20, height + 20);
    draw_text(tight, 0, 0, text, kBlack, scale);
    draw_text(roomy, 10, 10, text, kBlack, scale);
    EXPECT_EQ(dark_pixels(tight), dark_pixels(roomy));
    EXPECT_GT(dark_pixels(tight), 100 * scale * scale);
  }
  EXPECT_EQ(text_width(""), 0);
  EXPECT_EQ(text_width("01") - text_width("0"), text_width("98") - text_width("9"));
  EXPECT_EQ(text_width("\xc3\xa9"), text_width("\x7f"));  // one box for one character
  EXPECT_EQ(text_width("a\xe2\x80\x93"), text_width("a-"));
  EXPECT_EQ(text_width("\xff\xfe"), 2 * text_width("\x7f") + 1);
}

TEST(Draw, EveryCharacterIsDifferent) {
  std::vector<Image> seen;
  for (int c = 32; c < 128; ++c) {
    Image glyph = blank(8, 13);
    draw_text(glyph, 0, 0, std::string(1, static_cast<char>(c)));
    EXPECT_EQ(dark_pixels(glyph) == 0, c == ' ') << c;
    for (const Image& other : seen) EXPECT_FALSE(glyph == other) << c;
    seen.push_back(glyph);
  }
}

TEST(Draw, ShortensText) {
  EXPECT_EQ(shorten_text("golden", 100), "golden");
  const std::string text = shorten_text("golden retriever \xc3\xa9\xc3\xa9\xc3\xa9", 60);
  EXPECT_LE(text_width(text), 60);
  EXPECT_TRUE(text.ends_with("..."));
  EXPECT_TRUE(text.starts_with("golden"));
  EXPECT_EQ(shorten_text("golden", 3), "");
}

}  // namespace
}  // namespace fovea
