#include "fovea/image/resize.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/image/codec.h"
#include "tests/image/golden.h"

namespace fovea {
namespace {

struct Case {
  std::string name, filter, kind;
  int width, height;
  size_t offset;
};

std::vector<Case> cases() {
  std::ifstream in(golden::folder() + "resize.txt");
  std::vector<Case> all;
  for (Case c; in >> c.name >> c.filter >> c.width >> c.height >> c.kind >> c.offset;) all.push_back(c);
  return all;
}

Filter filter_of(const std::string& name) {
  static const std::map<std::string, Filter> filters = {{"nearest", Filter::nearest},
                                                        {"box", Filter::box},
                                                        {"bilinear", Filter::bilinear},
                                                        {"bicubic", Filter::bicubic},
                                                        {"lanczos", Filter::lanczos}};
  return filters.at(name);
}

TEST(Resize, EqualsPilToTheBit) {
  const Bytes expected = Bytes::map(golden::folder() + "resize.bin");
  const auto all = cases();
  ASSERT_GT(all.size(), 40u);
  for (const Case& c : all) {
    SCOPED_TRACE(fmt::format("{} {} {}x{} {}", c.name, c.filter, c.width, c.height, c.kind));
    const Image image = decode_image(golden::file(c.name));
    if (c.kind == "f32") {
      const std::vector<float> plane(image.samples().begin(), image.samples().end());
      const auto out = resize_plane(plane, image.width(), image.height(), c.width, c.height, filter_of(c.filter));
      std::vector<float> want(out.size());
      std::memcpy(want.data(), expected.slice(c.offset, 4 * want.size()).data(), 4 * want.size());
      // The sums are the same doubles; one unit in the last place is left for fused multiply-adds.
      for (size_t i = 0; i < out.size(); ++i) ASSERT_FLOAT_EQ(out[i], want[i]) << i;
      continue;
    }
    const Image out = resize(image, c.width, c.height, filter_of(c.filter));
    const size_t size = out.samples().size();
    const auto* want = reinterpret_cast<const uint8_t*>(expected.slice(c.offset, size).data());
    EXPECT_TRUE(std::equal(want, want + size, out.samples().begin()));
  }
}

TEST(Resize, ThreadsDoNotMatter) {
  const Image image = resize(decode_image(golden::file("resize_RGB.png")), 400, 300, Filter::bicubic);
  const int threads = thread_count();
  set_thread_count(1);
  const Image one = resize(image, 333, 512, Filter::lanczos);
  set_thread_count(7);
  const Image seven = resize(image, 333, 512, Filter::lanczos);
  set_thread_count(threads);
  EXPECT_EQ(one, seven);
}

TEST(Resize, SixteenBitsFollowEight) {
  const Image image = decode_image(golden::file("resize_RGB.png"));
  Image deep(image.width(), image.height(), 3, 16);
  for (size_t i = 0; i < image.samples().size(); ++i)
    deep.samples16()[i] = static_cast<uint16_t>(image.samples()[i] * 257);
  for (const auto filter : {Filter::nearest, Filter::box, Filter::bilinear, Filter::bicubic, Filter::lanczos}) {
    const Image a = resize(image, 20, 41, filter), b = resize(deep, 20, 41, filter);
    ASSERT_EQ(b.depth(), 16);
    for (size_t i = 0; i < a.samples().size(); ++i) ASSERT_NEAR(a.samples()[i], b.samples16()[i] / 257.0, 1.6) << i;
  }
}

TEST(Resize, ShortSideRoundsDownLikeTorchvision) {
  const Image wide(500, 333, 3);
  const Image a = resize_short_side(wide, 256, Filter::bilinear);
  EXPECT_EQ(a.height(), 256);
  EXPECT_EQ(a.width(), 384);  // int(256 * 500 / 333) = int(384.38)
  const Image b = resize_short_side(Image(375, 500, 1), 256, Filter::bilinear);
  EXPECT_EQ(b.width(), 256);
  EXPECT_EQ(b.height(), 341);  // int(341.33)
  EXPECT_EQ(resize_short_side(wide, 333, Filter::bilinear), wide);
}

TEST(Resize, RefusesNonsense) {
  EXPECT_THROW(resize(Image(), 3, 3, Filter::box), Error);
  EXPECT_THROW(resize(Image(3, 3, 3), 0, 3, Filter::box), Error);
  EXPECT_THROW(resize(Image(3, 3, 3), 1 << 20, 1 << 20, Filter::box), Error);
  EXPECT_THROW(resize_plane(std::vector<float>(5), 2, 3, 4, 4), Error);
}

}  // namespace
}  // namespace fovea
