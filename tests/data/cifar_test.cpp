// The binary files of CIFAR-10 and CIFAR-100.
#include "fovea/data/cifar.h"

#include <set>

#include "fovea/base/error.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using namespace testing_data;

Bytes bytes(const std::string& text, const std::string& label = "batch") { return Bytes::copy(text, label); }

void expect_picture(const Image& image, int i) {
  ASSERT_EQ(image.width(), 32);
  ASSERT_EQ(image.height(), 32);
  ASSERT_EQ(image.channels(), 3);
  for (int y = 0; y < 32; ++y)
    for (int x = 0; x < 32; ++x)
      for (int c = 0; c < 3; ++c) ASSERT_EQ(image.at(x, y, c), (y * 32 + x + i + 7 * c) & 255) << x << " " << y;
}

TEST(Cifar, ReadsSeveralFilesInOrder) {
  const Cifar data(
      {bytes(cifar10({3, 9})), bytes(packed(cifar10({0}, 2), "xz")), bytes(packed(cifar10({5, 6}, 3), "gz"))}, "here");
  ASSERT_EQ(data.size(), 5);
  EXPECT_EQ(data.kind(), CifarKind::cifar10);
  const int64_t labels[] = {3, 9, 0, 5, 6};
  for (int64_t i = 4; i >= 0; --i) {
    const Sample sample = data.get(i);
    EXPECT_EQ(sample.label, labels[i]);
    expect_picture(sample.image, static_cast<int>(i));
  }
  EXPECT_EQ(data.classes()[3], "cat");
  EXPECT_EQ(data.description(), "here");
  EXPECT_THROW(data.get(5), Error);
  EXPECT_THROW(data.get(-1), Error);
}

TEST(Cifar, HundredHasFineLabels) {
  const Cifar data({bytes(cifar_record(19, 99, 0) + cifar_record(0, 1, 1))}, "");
  EXPECT_EQ(data.kind(), CifarKind::cifar100);
  EXPECT_EQ(data.get(0).label, 99);
  EXPECT_EQ(data.get(1).label, 1);
  expect_picture(data.get(1).image, 1);
  const std::vector<std::string>& names = data.classes();
  ASSERT_EQ(names.size(), 100u);
  EXPECT_EQ(names[1], "aquarium_fish");
  EXPECT_EQ(names[99], "worm");
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));  // as the official list is
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()).size(), 100u);
}

TEST(Cifar, TellsWhatIsWrong) {
  const auto wrong = [](const std::vector<Bytes>& files, const std::vector<std::string>& words) {
    expect_error(ErrorKind::format, words, [&] { Cifar(files, ""); });
  };
  wrong({bytes("")}, {"batch: 0 bytes", "3073", "3074"});
  wrong({bytes(cifar10({1, 2}).substr(0, 6000))}, {"6000 bytes", "3073"});
  wrong({bytes(cifar10({1, 2, 10}))}, {"record 2", "byte 6146", "label 10", "0 to 9"});
  wrong({bytes(cifar_record(20, 5, 0))}, {"record 0", "20 and 5", "0 to 19"});
  wrong({bytes(cifar_record(5, 100, 0))}, {"5 and 100", "0 to 99"});
  wrong({bytes(cifar10({1}), "ten"), bytes(cifar_record(1, 1, 0), "hundred")}, {"hundred", "3074", "ten"});
  wrong({bytes(packed(cifar10({1}), "xz").substr(0, 60))}, {"batch", "damaged"});
  expect_error(ErrorKind::usage, {"no CIFAR files"}, [] { Cifar({}, ""); });
  expect_error(ErrorKind::format, {"2 names", "10 classes"}, [] { Cifar({bytes(cifar10({1}))}, "", {"a", "b"}); });
}

}  // namespace
}  // namespace fovea
