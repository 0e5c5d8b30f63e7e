#include "fovea/image/codec.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "fovea/base/error.h"
#include "fovea/image/geometry.h"
#include "tests/image/golden.h"

namespace fovea {
namespace {

std::string message_of(const Bytes& bytes) {
  try {
    decode_image(bytes);
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format);
    return error.message();
  }
  ADD_FAILURE() << "decoded";
  return {};
}

Image noise(int width, int height, int channels, int depth) {
  Image image(width, height, channels, depth);
  uint32_t state = 1;
  const auto next = [&] { return (state = state * 1664525u + 1013904223u) >> 16; };
  if (depth == 16)
    for (auto& s : image.samples16()) s = static_cast<uint16_t>(next());
  else
    for (auto& s : image.samples()) s = static_cast<uint8_t>(next());
  return image;
}

TEST(Codec, DecodesEveryGoldenFileAsPilDoes) {
  const auto pictures = golden::pictures();
  ASSERT_GT(pictures.size(), 60u);
  for (const auto& picture : pictures) {
    SCOPED_TRACE(picture.name);
    const Bytes bytes = golden::file(picture.name);
    const Image image = decode_image(bytes);
    const Image expected = picture.expected();
    ASSERT_EQ(image.width(), expected.width());
    ASSERT_EQ(image.height(), expected.height());
    ASSERT_EQ(image.channels(), expected.channels());
    ASSERT_EQ(image.depth(), expected.depth());
    EXPECT_EQ(golden::difference(image, expected), 0);
  }
}

TEST(Codec, OrientationCanBeLeftAlone) {
  const Image upright = decode_image(golden::file("orientation1.jpg"));
  for (int i = 1; i <= 8; ++i) {
    const Bytes bytes = golden::file("orientation" + std::to_string(i) + ".jpg");
    const Image stored = decode_image(bytes, {.orient = false});
    EXPECT_EQ(stored, upright) << i;
    EXPECT_EQ(decode_image(bytes), orient(stored, i)) << i;
  }
}

TEST(Codec, PngRoundTripsEveryLayout) {
  for (const int channels : {1, 3, 4}) {
    for (const int depth : {8, 16}) {
      const Image image = noise(23, 9, channels, depth);
      EXPECT_EQ(decode_image(Bytes::own(encode_png(image))), image) << channels << " " << depth;
    }
  }
}

TEST(Codec, PngKeepsText) {
  const TextPairs text = {{"Software", "fovea"},
                          {"Comment", "two\nlines"},
                          {"Title",
                           "gr\xc3\xb6\xc3\x9f"
                           "er \xe2\x86\x92"},
                          {"Empty", ""}};
  EXPECT_EQ(png_text(Bytes::own(encode_png(noise(3, 2, 3, 8), text))), text);
  EXPECT_THROW(encode_png(noise(3, 2, 3, 8), {{"", "x"}}), Error);
  EXPECT_THROW(encode_png(noise(3, 2, 3, 8), {{std::string(80, 'k'), "x"}}), Error);
}

TEST(Codec, PpmRoundTrips) {
  for (const int channels : {1, 3}) {
    for (const int depth : {8, 16}) {
      const Image image = noise(7, 5, channels, depth);
      EXPECT_EQ(decode_image(Bytes::own(encode_ppm(image))), image) << channels << " " << depth;
    }
  }
}

TEST(Codec, JpegIsCloseAtHighQuality) {
  Image image(40, 30, 3);
  for (int y = 0; y < 30; ++y) {
    for (int x = 0; x < 40; ++x) {
      uint8_t* pixel = image.row(y) + 3 * x;
      pixel[0] = static_cast<uint8_t>(6 * x), pixel[1] = static_cast<uint8_t>(8 * y), pixel[2] = 90;
    }
  }
  EXPECT_LE(golden::difference(decode_image(Bytes::own(encode_jpeg(image, 100))), image), 3);
  EXPECT_LE(golden::difference(decode_image(Bytes::own(encode_jpeg(image.to_grey(), 100))), image.to_grey()), 2);
  EXPECT_LE(golden::difference(decode_image(Bytes::own(encode_jpeg(image, 75))), image), 40);
  EXPECT_THROW(encode_jpeg(image, 0), Error);
  EXPECT_THROW(encode_jpeg(Image(), 90), Error);
}

TEST(Codec, WritesByExtensionAndReadsByContent) {
  const auto folder = std::filesystem::path(testing::TempDir());
  const Image image = noise(11, 6, 3, 8);
  for (const char* name : {"image_codec_test.png", "image_codec_test.PPM"}) {
    write_image(folder / name, image);
    std::filesystem::rename(folder / name, folder / "image_codec_test.wrong");
    EXPECT_EQ(read_image(folder / "image_codec_test.wrong"), image) << name;
  }
  std::filesystem::remove(folder / "image_codec_test.wrong");
  try {
    write_image(folder / "image_codec_test.gif", image);
    ADD_FAILURE() << "written";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::usage);
    EXPECT_NE(error.message().find("image_codec_test.png"), std::string::npos) << error.message();
  }
}

TEST(Codec, MessagesSayWhatIsWrong) {
  EXPECT_EQ(message_of(Bytes::copy("PK\x03\x04 zip", "cat.jpg")),
            "cat.jpg: not a picture that fovea reads (PNG, JPEG, WebP, TIFF, PPM, PGM); it starts with 'PK\\x03\\x04'");
  EXPECT_EQ(message_of(Bytes::copy("", "cat.jpg")),
            "cat.jpg: not a picture that fovea reads (PNG, JPEG, WebP, TIFF, PPM, PGM); it is empty");
  EXPECT_EQ(message_of(Bytes::copy("P5 4 4 255\n123", "a.pgm")),
            "a.pgm: damaged PPM: it claims 4 x 4 pixels, which cannot come from its 14 bytes");
  EXPECT_EQ(message_of(Bytes::copy("P2 2 2 9\n1 2 10 4", "a.pgm")),
            "a.pgm: damaged PPM: a sample at byte 13 is 10, above 9");
  const Bytes jpeg = golden::file("rgb.jpg");
  EXPECT_NE(message_of(jpeg.slice(0, jpeg.size() - 30)).find("damaged JPEG: it ends early, after"), std::string::npos);
  const Bytes png = golden::file("rgb.png");
  EXPECT_NE(message_of(png.slice(0, png.size() - 30)).find("damaged PNG: it ends early, after"), std::string::npos);
}

TEST(Codec, RefusesSizesThatBytesCannotHold) {
  EXPECT_NE(message_of(Bytes::copy("P6 100000 100000 255\n")).find("at most"), std::string::npos);
  EXPECT_NE(message_of(Bytes::copy("P3 9999999999999999999999 1 255\n1")).find("at most"), std::string::npos);
  EXPECT_NE(message_of(Bytes::copy("P5 0 3 255\n")).find("claims 0 x 3"), std::string::npos);
}

// Whatever bytes come, there is an Image or an Error{format}.
void expect_total(const Bytes& bytes) {
  try {
    const Image image = decode_image(bytes);
    EXPECT_FALSE(image.empty());
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::format) << error.message();
    EXPECT_FALSE(error.message().empty());
  }
}

Bytes prefix(const Bytes& bytes, size_t size) {  // in a buffer of its own, so that sanitizers see reads beyond it
  return Bytes::own({bytes.data(), bytes.data() + size}, bytes.label());
}

TEST(Codec, EveryPrefixIsAnImageOrAnError) {
  testing::internal::CaptureStderr();
  for (const auto& picture : golden::pictures()) {
    const Bytes bytes = golden::file(picture.name);
    for (size_t size = 0; size < bytes.size(); ++size) expect_total(prefix(bytes, size));
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

TEST(Codec, TruncatedPngAndJpegAndWebpAreErrors) {
  for (const char* name :
       {"rgb.png", "interlaced.png", "rgb.jpg", "progressive.jpg", "cmyk.jpg", "lossless.webp", "lossy.webp"}) {
    const Bytes bytes = golden::file(name);
    for (size_t size = 0; size < bytes.size(); ++size)
      EXPECT_THROW(decode_image(prefix(bytes, size)), Error) << name << " " << size;
  }
}

TEST(Codec, FlippedBitsGiveAnImageOrAnError) {
  testing::internal::CaptureStderr();
  uint64_t state = 88172645463325252u;
  const auto next = [&] {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    return state;
  };
  for (const auto& picture : golden::pictures()) {
    const Bytes bytes = golden::file(picture.name);
    std::vector<std::byte> data(bytes.span().begin(), bytes.span().end());
    // Every bit of the first 64 bytes, then single and several flips anywhere.
    for (size_t bit = 0; bit < 8 * std::min<size_t>(64, data.size()); ++bit) {
      data[bit / 8] ^= std::byte(1 << bit % 8);
      expect_total(Bytes::own(data));
      data[bit / 8] ^= std::byte(1 << bit % 8);
    }
    for (int trial = 0; trial < 200; ++trial) {
      auto damaged = data;
      for (int flips = 1 + trial % 4; flips > 0; --flips)
        damaged[next() % damaged.size()] ^= std::byte(1 << next() % 8);
      expect_total(Bytes::own(std::move(damaged)));
    }
  }
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
}

}  // namespace
}  // namespace fovea
