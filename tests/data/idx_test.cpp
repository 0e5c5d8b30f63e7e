// IDX files: what is read, and how every damage is told.
#include "fovea/data/idx.h"

#include "fovea/base/error.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using namespace testing_data;

Bytes bytes(const std::string& text, const std::string& label = "t10k-images") { return Bytes::copy(text, label); }

void expect_three_pictures(const Dataset& data) {
  ASSERT_EQ(data.size(), 3);
  EXPECT_EQ(data.classes(), (std::vector<std::string>{"0", "1", "2", "3", "4"}));
  const int64_t labels[] = {4, 0, 2};
  for (int64_t i = 0; i < 3; ++i) {
    const Sample sample = data.get(i);
    EXPECT_EQ(sample.label, labels[i]);
    ASSERT_EQ(sample.image.width(), 2);
    ASSERT_EQ(sample.image.height(), 3);
    ASSERT_EQ(sample.image.channels(), 1);
    for (int y = 0; y < 3; ++y)
      for (int x = 0; x < 2; ++x) EXPECT_EQ(sample.image.at(x, y, 0), 10 * i + 2 * y + x);
  }
  EXPECT_THROW(data.get(3), Error);
  EXPECT_THROW(data.get(-1), Error);
}

const std::string kLabels{4, 0, 2};

TEST(Idx, ReadsPlainAndPacked) {
  const std::string pictures = idx_pictures(3), labels = idx({3}, kLabels);
  expect_three_pictures(IdxDataset(bytes(pictures), bytes(labels), ""));
  expect_three_pictures(IdxDataset(bytes(packed(pictures, "gz")), bytes(packed(labels, "gz")), ""));
  expect_three_pictures(IdxDataset(bytes(packed(pictures, "xz")), bytes(labels), ""));
}

TEST(Idx, TellsWhatIsWrongWithAHeader) {
  const auto wrong = [](const std::string& file, const std::vector<std::string>& words) {
    expect_error(ErrorKind::format, words, [&] { parse_idx(bytes(file, "some.idx")); });
  };
  wrong("", {"some.idx", "not an IDX file", "nothing"});
  wrong("\x89PNG\r\n\x1a\n....", {"not an IDX file", "89 50 4e 47"});
  wrong(idx({1}, std::string(4, '\0'), 0x0D), {"0x0d", "f32", "unsigned byte"});
  wrong(idx({3, 3, 2}, std::string(17, 'x')), {"18 bytes", "3x3x2", "holds 17"});
  wrong(idx({3, 3, 2}, std::string(19, 'x')), {"18 bytes", "holds 19"});
  wrong(idx({3, 3, 2}, "").substr(0, 11), {"cut short", "11 bytes"});
  // Sizes whose product leaves 64 bits.
  wrong(idx({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, ""), {"beyond any file"});
  wrong(idx({1u << 20, 1u << 20, 1u << 24}, ""), {"beyond any file"});
  wrong(idx({0x80000000, 0x80000000, 4}, ""), {"beyond any file"});
}

TEST(Idx, PicturesAndLabelsMustFit) {
  const auto wrong = [](const std::string& pictures, const std::string& labels, const std::vector<std::string>& words) {
    expect_error(ErrorKind::format, words, [&] { IdxDataset(bytes(pictures, "P"), bytes(labels, "L"), ""); });
  };
  wrong(idx_pictures(3), idx({2}, "ab"), {"L: 2 labels", "3 pictures in P"});
  wrong(idx({3}, kLabels), idx({3}, kLabels), {"P:", "these are labels"});
  wrong(idx_pictures(3), idx_pictures(3), {"L:", "one label a picture"});
  wrong(idx({2, 0, 5}, ""), idx({2}, "ab"), {"P:", "5x0"});
  wrong(packed(idx_pictures(3), "gz").substr(0, 30), idx({3}, kLabels), {"P:", "damaged"});
}

TEST(Idx, NoPicturesAreASetToo) {
  const IdxDataset data(bytes(idx({0, 28, 28}, "")), bytes(idx({0}, "")), "");
  EXPECT_EQ(data.size(), 0);
  EXPECT_TRUE(data.classes().empty());
  EXPECT_THROW(data.get(0), Error);
}

}  // namespace
}  // namespace fovea
