// .mat files that scipy wrote (tests/golden/mat/make.py says what they hold), and damaged ones.
#include "fovea/formats/mat_read.h"

#include <algorithm>

#include "fovea/data/svhn.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

using namespace testing_data;

fs::path golden(const std::string& name) { return fs::path(FOVEA_SOURCE_DIR) / "tests/golden/mat/files" / name; }
std::string content(const std::string& name) { return std::string(Bytes::map(golden(name)).view()); }
Bytes bytes(const std::string& text) { return Bytes::copy(text, "x.mat"); }

void expect_table(const MatFile& file, const std::string& name, DType dtype, bool negative) {
  const MatArray* array = file.find(name);
  ASSERT_NE(array, nullptr) << name;
  EXPECT_EQ(array->dtype, dtype) << name;
  ASSERT_EQ(array->sizes, (std::vector<int64_t>{2, 3})) << name;
  const Tensor tensor = array->tensor();
  for (int64_t i = 0; i < 2; ++i)
    for (int64_t j = 0; j < 3; ++j) {
      const int64_t value = 3 * i + j - 2;
      EXPECT_EQ(tensor.at(i * 3 + j), static_cast<double>(negative ? value : std::max<int64_t>(0, value))) << name;
    }
}

TEST(MatRead, EveryClassOfNumbers) {
  const MatFile file = read_mat(Bytes::map(golden("kinds.mat")));
  expect_table(file, "d", DType::f64, true);
  expect_table(file, "s", DType::f32, true);
  expect_table(file, "i8", DType::i8, true);
  expect_table(file, "u8", DType::u8, false);
  expect_table(file, "i16", DType::i16, true);
  expect_table(file, "u16", DType::u16, false);
  expect_table(file, "i32", DType::i32, true);
  expect_table(file, "u32", DType::u32, false);
  expect_table(file, "i64", DType::i64, true);
  expect_table(file, "u64", DType::u64, false);
  const Tensor whole = file.find("whole")->tensor();
  for (int64_t i = 0; i < 6; ++i) EXPECT_EQ(whole.at(i), static_cast<double>(i));
  EXPECT_EQ(file.find("empty")->sizes, (std::vector<int64_t>{0, 3}));
  EXPECT_EQ(file.find("text")->tensor().at(1), 'o');
  EXPECT_EQ(file.find("logical")->tensor().at(0), 1);
  EXPECT_EQ(file.find("nothing"), nullptr);
  ASSERT_EQ(file.notes.size(), 4u);
  for (const char* name : {"record", "cell", "sparse", "complex"})
    EXPECT_TRUE(std::any_of(file.notes.begin(), file.notes.end(), [&](const std::string& note) {
      return note.find(fmt::format("variable {} is", name)) == 0;
    })) << name;
}

TEST(MatRead, TheOtherOrderOfBytes) {
  const MatFile file = read_mat(Bytes::map(golden("big_endian.mat")));
  expect_table(file, "d", DType::f64, true);
  expect_table(file, "i16", DType::i16, true);
}

TEST(MatRead, DamageIsNamed) {
  const std::string good = content("plain.mat"), packed = content("svhn_32x32.mat");
  expect_error(ErrorKind::format, {"x.mat", "not a .mat file"}, [&] { read_mat(bytes("MATLAB")); });
  std::string newer = good;
  newer[125] = 2;
  expect_error(ErrorKind::unsupported, {"x.mat", "7.3", "-v7"}, [&] { read_mat(bytes(newer)); });
  for (const std::string& whole : {good, packed})
    for (const size_t size : {whole.size() - 1000, size_t{133}, size_t{140}})
      expect_error(ErrorKind::format, {"x.mat", "cut short"}, [&] { read_mat(bytes(whole.substr(0, size))); });
  std::string flipped = packed;
  for (size_t at = 600; at < 640; ++at) flipped[at] = static_cast<char>(flipped[at] ^ 0x5a);
  expect_error(ErrorKind::format, {"x.mat", "damaged"}, [&] { read_mat(bytes(flipped)); });
  expect_error(ErrorKind::format, {"x.mat", "unpack to"}, [&] { read_mat(bytes(packed), 1000); });
  std::string sizes = good;  // the flags end at byte 128 + 8 + 16; the sizes' data begins 8 later
  sizes[160] = 33;
  expect_error(ErrorKind::format, {"x.mat", "variable X of 33x32x3x2", "expected 6336"},
               [&] { read_mat(bytes(sizes)); });
  sizes[163] = static_cast<char>(0x80);
  expect_error(ErrorKind::format, {"x.mat", "an array's size is -"}, [&] { read_mat(bytes(sizes)); });
}

TEST(Svhn, PicturesAndLabels) {
  for (const char* name : {"svhn_32x32.mat", "plain.mat"}) {
    const Svhn set(Bytes::map(golden(name)), "SVHN");
    ASSERT_EQ(set.size(), name[0] == 's' ? 12 : 2);
    EXPECT_EQ(set.classes().size(), 10u);
    for (int64_t i = 0; i < set.size(); ++i) {
      const Sample sample = set.get(i);
      EXPECT_EQ(sample.label, (1 + i % 10) % 10);  // 10 is the digit 0
      EXPECT_EQ(set.label(i), sample.label);
      ASSERT_EQ(sample.image.width(), 32);
      for (const int row : {0, 5, 31})
        for (const int column : {0, 9, 31})
          for (int c = 0; c < 3; ++c)
            EXPECT_EQ(sample.image.at(column, row, c), (7 * row + 3 * column + 50 * c + 11 * i) % 256);
    }
  }
  std::string label = content("plain.mat");
  const size_t y = label.rfind("y");
  ASSERT_NE(y, std::string::npos);
  label[label.find('\x01', y + 8) == std::string::npos ? y : label.find('\x01', y + 8)] = 11;
  expect_error(ErrorKind::format, {"x.mat", "sample 0 has label 11", "expected 1 to 10"},
               [&] { Svhn(bytes(label), ""); });
  expect_error(ErrorKind::format, {"x.mat", "no SVHN file", "i16"}, [&] { Svhn(bytes(content("kinds.mat")), ""); });
}

}  // namespace
}  // namespace fovea
