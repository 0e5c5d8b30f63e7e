// .npy and .npz against NumPy's own files (tests/golden/npy/make.py), damaged ones, and round trips.
#include <gtest/gtest.h>

#include <cstdlib>
#include <limits>

#include "fovea/formats/npy_read.h"
#include "fovea/formats/npy_write.h"
#include "tests/formats/golden_tensors.h"

namespace fovea {
namespace {

std::string npy(const std::string& header, const std::string& data, char version = 1) {
  std::string text = "\x93NUMPY";
  text += version;
  text += '\0';
  text += static_cast<char>(header.size() & 255);
  text += static_cast<char>(header.size() >> 8);
  if (version > 1) text += std::string(2, '\0');
  return text + header + data;
}

void expect_refused(const std::string& text, std::string_view part, ErrorKind kind = ErrorKind::format) {
  ErrorKind found = ErrorKind::internal;
  const std::string message = reading_error(Bytes::copy(text, "test.npy"), &found);
  EXPECT_NE(message.find(part), std::string::npos) << "expected \"" << part << "\" in: " << message;
  EXPECT_NE(message.find("test.npy"), std::string::npos) << message;
  EXPECT_EQ(to_string(found), to_string(kind)) << message;
}

TEST(Npy, ReadsWhatNumPyWrote) { expect_golden_tensors(golden_folder("npy"), 29); }

TEST(Npy, Malformed) {
  const std::string data(16, '\0');
  expect_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }", data),
                 "needs 24 bytes, 16 are there");
  expect_refused(npy("{'descr': '<f4', 'fortran_order': True, 'shape': (25000000000,), }", data),
                 "needs 100000000000 bytes, 16 are there");
  expect_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2), }", data), "cannot be");
  expect_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (9223372036854775807, 9), }", data),
                 "cannot be");
  expect_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (92233720368547758070,), }", data), "a size");
  expect_refused(npy("{'descr': '<f4', 'fortran_order': False, }", data), "lacks one of");
  expect_refused(npy("{'descr': '<f4', 'descr': '<f4', 'shape': (4,), }", data), "\"descr\", unknown or twice");
  expect_refused(npy("{'descr': '<f4', 'fortran_order': 0, 'shape': (4,), }", data), "True or False");
  expect_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), } import os", data),
                 "the end is expected");
  expect_refused(npy("__import__('os').system('true')", data), "'{' is expected");
  expect_refused(npy("{'descr': '<f4", data), "a closing quote");
  expect_refused(npy("{", data).substr(0, 9), "not a .npy file");
  expect_refused(npy(std::string(60000, ' '), data).substr(0, 300), "does not fit");
  expect_refused(npy("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", data, 9), "version 9",
                 ErrorKind::unsupported);
  for (const auto& [element, hint] :
       {std::pair("|V2", "bfloat16"), std::pair("|O", "Python objects"), std::pair("<c8", "complex"),
        std::pair("<U3", "texts"), std::pair("<f16", "<f16"), std::pair("", "\"\"")})
    expect_refused(npy(fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': (4,), }}", element), data), hint,
                   ErrorKind::unsupported);
  expect_refused(npy("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }", data), "structured",
                 ErrorKind::unsupported);
}

TEST(Npy, EveryCutIsAnError) {
  const std::vector<std::byte> bytes = npy_bytes(Tensor::of<float>({2, 2}, {1, 2, 3, 4}));
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_EQ(reading_error(Bytes::copy(text)), "");
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_NE(reading_error(Bytes::copy(text.substr(0, size))), "") << size;
}

TEST(Npy, BooleansAreZeroOrOne) {
  const Tensor tensor = read_npy(
      Bytes::copy(npy("{'descr': '|b1', 'fortran_order': False, 'shape': (3,), }", std::string("\0\x07\xff", 3))));
  EXPECT_EQ(hex_of(tensor), "000101");
}

TEST(Npy, RoundTrips) {
  for (const DType dtype : {DType::boolean, DType::i8, DType::i16, DType::i32, DType::i64, DType::u8, DType::u16,
                            DType::u32, DType::u64, DType::f16, DType::f32, DType::f64}) {
    Tensor tensor(dtype, {3, 5});
    for (int64_t i = 0; i < tensor.count(); ++i) tensor.set(i, static_cast<double>(i % 2 ? i : -i));
    EXPECT_TRUE(read_npy(Bytes::own(npy_bytes(tensor))).same_bits(tensor)) << to_string(dtype);
  }
  const Tensor brain = Tensor::of<float>({2}, {1.5f, -3e38f}).cast(DType::bf16);
  EXPECT_TRUE(read_npy(Bytes::own(npy_bytes(brain))).same_bits(brain.cast(DType::f32)));
  for (const Shape& shape : {Shape{}, Shape{0, 3}, Shape{7}})
    EXPECT_EQ(read_npy(Bytes::own(npy_bytes(Tensor(DType::f32, shape)))).shape(), shape);
}

TEST(Npy, ActivationsOfGoogleNet) {
  const char* set = std::getenv("FOVEA_DATA");
  const std::filesystem::path path = std::filesystem::path(set ? set : FOVEA_SOURCE_DIR "/../shared/data") /
                                     "weights/golden/googlenet_n02279972/prob.npy";
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "NOT TESTED: there is no " << path << "; set FOVEA_DATA";
  const WeightsFile file = read_weights(path);
  ASSERT_EQ(file.order, std::vector<std::string>{"prob"});
  double sum = 0;
  for (const double p : file.weights.at("prob").to_doubles()) sum += p;
  EXPECT_NEAR(sum, 1, 1e-5);
}

}  // namespace
}  // namespace fovea
