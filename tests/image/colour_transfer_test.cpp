#include "fovea/image/colour_transfer.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <sstream>

#include "fovea/base/error.h"
#include "fovea/image/codec.h"

namespace fovea {
namespace {

Image picture(int width, int height, int seed, int depth = 8) {
  Image image(width, height, 3, depth);
  for (int y = 0; y < height; ++y)
    for (int x = 0; x < width; ++x)
      for (int c = 0; c < 3; ++c) {
        const int v = (x * (13 + 2 * seed) + y * (7 + c) + c * 31 * seed + x * y * (seed + c)) % (160 + 30 * c) + 10;
        if (depth == 16) image.row16(y)[3 * x + c] = static_cast<uint16_t>(v * 257);
        else image.row(y)[3 * x + c] = static_cast<uint8_t>(v);
      }
  return image;
}

double light(const Image& i, int x, int y) {
  return 0.299 * i.at(x, y, 0) + 0.587 * i.at(x, y, 1) + 0.114 * i.at(x, y, 2);
}

struct Moments {
  double mean[3] = {}, covariance[3][3] = {};
};
Moments moments(const Image& image) {
  Moments m;
  const double count = static_cast<double>(image.width()) * image.height();
  const double scale = image.depth() == 16 ? 257 : 1;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x)
      for (int c = 0; c < 3; ++c) m.mean[c] += image.at(x, y, c) / scale / count;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x)
      for (int c = 0; c < 3; ++c)
        for (int d = 0; d < 3; ++d)
          m.covariance[c][d] +=
              (image.at(x, y, c) / scale - m.mean[c]) * (image.at(x, y, d) / scale - m.mean[d]) / count;
  return m;
}

TEST(ColourTransfer, KeepsColoursAndTakesLight) {
  const Image colours = picture(20, 15, 1), other = picture(20, 15, 2);
  const Image made = with_light_of(colours, other);
  int inside = 0;
  for (int y = 0; y < 15; ++y)
    for (int x = 0; x < 20; ++x) {
      bool cut = false;
      for (int c = 0; c < 3; ++c) cut |= made.at(x, y, c) == 0 || made.at(x, y, c) == 255;
      if (cut) continue;
      ++inside;
      EXPECT_NEAR(light(made, x, y), light(other, x, y), 1);
      EXPECT_NEAR(made.at(x, y, 0) - made.at(x, y, 2), colours.at(x, y, 0) - colours.at(x, y, 2), 1);
    }
  EXPECT_GT(inside, 150);
  EXPECT_EQ(with_light_of(colours, colours), colours);
  EXPECT_THROW(with_light_of(colours, picture(19, 15, 2)), Error);
}

TEST(ColourTransfer, GivesMeanAndCovariance) {
  // Colours far from black and white, so that nothing is cut off; 16 bits, so that rounding does not shift the mean.
  Image from = picture(40, 30, 1, 16), to = picture(25, 35, 3, 16);
  for (Image* i : {&from, &to})
    for (uint16_t& v : i->samples16()) v = static_cast<uint16_t>(96 * 257 + v / 4);
  for (const std::string& form : moment_forms()) {
    const Moments want = moments(to), got = moments(with_moments_of(from, to, form));
    for (int c = 0; c < 3; ++c) {
      EXPECT_NEAR(got.mean[c], want.mean[c], 0.3) << form;
      for (int d = 0; d < 3; ++d) EXPECT_NEAR(got.covariance[c][d], want.covariance[c][d], 3) << form;
    }
  }
  EXPECT_THROW(with_moments_of(from, to, "cholseky"), Error);
}

TEST(ColourTransfer, TakesPicturesOfOneColour) {
  const Image one(8, 8, 3), to = picture(9, 9, 2);
  for (const std::string& form : moment_forms()) EXPECT_EQ(with_moments_of(one, to, form).width(), 8);
  EXPECT_EQ(with_histogram_of(one, to).height(), 8);
  EXPECT_EQ(with_histogram_of(to, one), Image(9, 9, 3));
}

// By another implementation: tests/golden/style/colours.py.
TEST(ColourTransfer, MatchesHistogramsByShares) {
  std::ifstream in(std::string(FOVEA_SOURCE_DIR) + "/tests/golden/style/histogram.txt");
  ASSERT_TRUE(in);
  const Image from = picture(20, 15, 1), to = picture(17, 11, 2);
  const Image made = with_histogram_of(from, to);
  for (int y = 0; y < 15; ++y)
    for (int x = 0; x < 20; ++x)
      for (int c = 0; c < 3; ++c) {
        double want = -1;
        ASSERT_TRUE(in >> want);
        EXPECT_NEAR(made.at(x, y, c), want, 0.5 + 1e-6) << x << " " << y << " " << c;
      }
}

TEST(ColourTransfer, KeepsSixteenBits) {
  const Image from = picture(20, 15, 1, 16), to = picture(17, 11, 2);
  const Image made = with_histogram_of(from, to), eight = with_histogram_of(picture(20, 15, 1), to);
  EXPECT_EQ(made.depth(), 16);
  EXPECT_NEAR(made.at(3, 4, 1) / 257.0, eight.at(3, 4, 1), 0.51);
  EXPECT_EQ(with_light_of(from, from), from);
}

TEST(Tiff, ComesBackAsItWasWritten) {
  for (const int depth : {8, 16})
    for (const int channels : {1, 3, 4}) {
      Image image(33, 21, channels, depth);
      for (int y = 0; y < 21; ++y)
        for (size_t i = 0; i < image.row_size(); ++i) {
          if (depth == 16) image.row16(y)[i] = static_cast<uint16_t>(i * 1237 + static_cast<size_t>(y) * 777);
          else image.row(y)[i] = static_cast<uint8_t>(i * 37 + static_cast<size_t>(y) * 11);
        }
      const auto bytes = encode_tiff(image, {{"Software", "fovea"}, {"Description", "a picture"}});
      EXPECT_EQ(decode_image(Bytes::own(bytes, "made.tif")), image) << channels << " channels, " << depth << " bits";
    }
  EXPECT_THROW(encode_tiff(Image()), Error);
}

}  // namespace
}  // namespace fovea
