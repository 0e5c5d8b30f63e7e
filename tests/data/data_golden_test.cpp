// Sets that Python wrote: see tests/golden/data/make.py for the formulas of their pixels and labels.
#include "fovea/data/open_dataset.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using namespace testing_data;

fs::path golden(const std::string& name) { return fs::path(FOVEA_SOURCE_DIR) / "tests/golden/data/files" / name; }

void expect_idx(const Dataset& data, int64_t count) {
  ASSERT_EQ(data.size(), count);
  for (int64_t i = 0; i < count; ++i) {
    const Sample sample = data.get(i);
    EXPECT_EQ(sample.label, (3 * i + 1) % 10);
    ASSERT_EQ(sample.image.height(), 5);
    ASSERT_EQ(sample.image.width(), 4);
    for (int k = 0; k < 20; ++k) EXPECT_EQ(sample.image.at(k % 4, k / 4, 0), (37 * i + 11 * k) % 256);
  }
}

void expect_planes(const Image& image, int64_t i) {
  ASSERT_EQ(image.samples().size(), 3072u);
  for (int k = 0; k < 3072; ++k) ASSERT_EQ(image.at(k % 32, k / 32 % 32, k / 1024), (i + k / 5) % 256) << k;
}

void expect_cifar10(const Dataset& data) {
  ASSERT_EQ(data.size(), 3);
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_EQ(data.get(i).label, (7 * i + 2) % 10);
    expect_planes(data.get(i).image, i);
  }
  EXPECT_EQ(data.classes()[5], "dog");
}

TEST(DataGolden, Idx) {
  expect_idx(*open_dataset(golden("t10k-images-idx3-ubyte.gz")), 6);
  expect_idx(*open_dataset(golden("train-images-idx3-ubyte")), 9);
  expect_idx(*open_dataset(golden("mnist.zip")), 6);
}

TEST(DataGolden, Cifar) {
  expect_cifar10(*open_dataset(golden("cifar10_test_batch.bin.xz")));  // with the delta filter
  expect_cifar10(*open_dataset(golden("cifar-10-binary.tar.gz")));
  expect_cifar10(*open_dataset(golden("cifar-10-binary.tar.gz"), {"train"}));
  const auto hundred = open_dataset(golden("cifar100_test.bin.gz"));
  ASSERT_EQ(hundred->size(), 2);
  for (int64_t i = 0; i < 2; ++i) {
    EXPECT_EQ(hundred->get(i).label, (13 * i + 4) % 100);
    expect_planes(hundred->get(i).image, i);
  }
}

}  // namespace
}  // namespace fovea
