// safetensors: files by hand in every element type, hostile headers, real files.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "fovea/formats/safetensors_read.h"
#include "fovea/formats/safetensors_write.h"
#include "tests/formats/golden_tensors.h"

namespace fovea {
namespace {

std::string file_of(const std::string& header, const std::string& data, int64_t size = -1) {
  const auto length = static_cast<uint64_t>(size < 0 ? static_cast<int64_t>(header.size()) : size);
  std::string text;
  for (size_t k = 0; k < 8; ++k) text += static_cast<char>(length >> (8 * k));
  return text + header + data;
}

void expect_refused(const std::string& text, std::string_view part, ErrorKind kind = ErrorKind::format) {
  ErrorKind found = ErrorKind::internal;
  std::string message;
  try {
    read_safetensors(Bytes::copy(text, "test.safetensors"));
  } catch (const Error& error) {
    message = error.message();
    found = error.kind();
  }
  EXPECT_NE(message.find(part), std::string::npos) << "expected \"" << part << "\" in: " << message;
  EXPECT_NE(message.find("test.safetensors"), std::string::npos) << message;
  EXPECT_EQ(to_string(found), to_string(kind)) << message;
}

std::string entry(const std::string& name, const std::string& shape, uint64_t begin, uint64_t end,
                  const std::string& dtype = "F32") {
  return fmt::format(R"("{}":{{"dtype":"{}","shape":[{}],"data_offsets":[{},{}]}})", name, dtype, shape, begin, end);
}

TEST(Safetensors, ReadsTheLayoutOfTheFormat) {
  const std::string header = R"({"__metadata__":{"format":"pt"},)" + entry("b", "2", 8, 16) + "," +
                             entry("a", "2,1", 0, 8) + "," + entry("none", "0,4", 16, 16) + "," +
                             entry("one", "", 16, 18, "BF16") + "}   ";
  const std::string data("\0\0\x80\x3f\0\0\0\x40\0\0\x40\x40\0\0\x80\x40\x80\x3f", 18);
  const Bytes bytes = Bytes::copy(file_of(header, data));
  EXPECT_TRUE(is_weights_file(bytes));
  const WeightsFile file = read_weights(bytes);
  EXPECT_EQ(file.order, (std::vector<std::string>{"b", "a", "none", "one"}));
  EXPECT_EQ(file.metadata.at("format"), "pt");
  EXPECT_EQ(file.weights.at("a").to_doubles(), (std::vector<double>{1, 2}));
  EXPECT_EQ(file.weights.at("a").shape(), (Shape{2, 1}));
  EXPECT_EQ(file.weights.at("b").to_doubles(), (std::vector<double>{3, 4}));
  EXPECT_EQ(file.weights.at("none").shape(), (Shape{0, 4}));
  EXPECT_EQ(file.weights.at("one").dtype(), DType::bf16);
  EXPECT_EQ(file.weights.at("one").at(0), 1);
}

TEST(Safetensors, ReadsEveryElementType) { expect_golden_tensors(golden_folder("safetensors"), 2); }

TEST(Safetensors, Malformed) {
  const std::string data(16, '\0');
  expect_refused(file_of("{" + entry("a", "2", 0, 8) + "," + entry("b", "3", 4, 16) + "}", data), "they overlap");
  expect_refused(file_of("{" + entry("a", "2", 0, 8) + "," + entry("b", "1", 12, 16) + "}", data), "a hole");
  expect_refused(file_of("{" + entry("a", "3", 4, 16) + "}", data), "tensor \"a\" begins at byte 4");
  expect_refused(file_of("{" + entry("a", "2", 0, 8) + "}", data), "take 8 bytes, the file holds 16");
  expect_refused(file_of("{" + entry("a", "5", 0, 20) + "}", data),
                 "tensor \"a\" is said to lie at bytes 0 to 20 of 16");
  expect_refused(file_of("{" + entry("a", "4", 16, 0) + "}", data), "tensor \"a\" is said to lie");
  expect_refused(file_of("{" + entry("a", "3", 0, 16) + "}", data), "tensor \"a\": a f32 tensor of shape 3 needs 12");
  expect_refused(file_of("{" + entry("a", "25000000000", 0, 16) + "}", data), "needs 100000000000 bytes");
  expect_refused(file_of("{" + entry("a", "4294967296,4294967296", 0, 16) + "}", data), "cannot be");
  expect_refused(file_of("{" + entry("a", "-4", 0, 16) + "}", data), "tensor \"a\": the number -4 is negative");
  expect_refused(file_of("{" + entry("a", "4.5", 0, 16) + "}", data), "4.5 is no whole number");
  expect_refused(file_of("{" + entry("a", "99999999999999999999", 0, 16) + "}", data), "no whole number");
  expect_refused(file_of("{" + entry("a", "4", 0, 16) + "," + entry("a", "4", 0, 16) + "}", data),
                 "the tensor \"a\" is there twice");
  expect_refused(file_of(R"({"a":{"dtype":"F32","dtype":"F32","shape":[4],"data_offsets":[0,16]}})", data),
                 "tensor \"a\": \"dtype\" is there twice");
  expect_refused(file_of(R"({"a":{"dtype":"F32","shape":[4]}})", data), "tensor \"a\" lacks");
  expect_refused(file_of(R"({"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16,3]}})", data),
                 "more than two offsets");
  expect_refused(file_of(R"({"a":{"dtype":"F32","shape":[[4]],"data_offsets":[0,16]}})", data), "a list");
  expect_refused(file_of(R"({"a":[1]})", data), "a list");
  expect_refused(file_of(R"({"__metadata__":{"x":1}})", ""), "a number");
  expect_refused(file_of(R"({"__metadata__":{"x":"1","x":"2"}})", ""), "\"x\" twice");
  expect_refused(file_of("[]", ""), "a list");
  expect_refused(file_of("{\"a\":", ""), "no JSON");
  expect_refused(file_of("{}x", ""), "no JSON");
  expect_refused(file_of(std::string(100000, '['), ""), "a list");
  expect_refused(file_of("{\"a\":" + std::string(100000, '{'), ""), "no JSON");
  expect_refused(file_of("{}", "", 100'000'001), "does not fit");
  expect_refused(file_of("{}", "", 3), "does not fit");
  expect_refused(file_of("{}", "", INT64_MAX), "does not fit");
  expect_refused("abc", "not a safetensors file");
  expect_refused(file_of("{" + entry("a", "16", 0, 16, "F8_E4M3") + "}", data),
                 "tensor \"a\": unsupported element type \"F8_E4M3\"", ErrorKind::unsupported);
}

TEST(Safetensors, EveryCutIsAnError) {
  const std::vector<std::byte> bytes = safetensors_bytes({{"a", Tensor::of<float>({2}, {1, 2})}}, {{"k", "v"}});
  const std::string text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  EXPECT_NO_THROW(read_safetensors(Bytes::copy(text)));
  for (size_t size = 0; size < text.size(); ++size)
    EXPECT_THROW(read_safetensors(Bytes::copy(text.substr(0, size))), Error) << size;
}

TEST(Safetensors, TensorsLieOverTheFile) {
  const Bytes bytes = Bytes::own(safetensors_bytes({{"a", Tensor::of<float>({2}, {1, 2})}}, {}));
  const WeightsFile file = read_safetensors(bytes);
  EXPECT_GE(file.weights.at("a").raw(), bytes.data());
  EXPECT_LT(file.weights.at("a").raw(), bytes.data() + bytes.size());
}

std::filesystem::path data_file(const std::string& name) {
  const char* set = std::getenv("FOVEA_DATA");
  return std::filesystem::path(set ? set : FOVEA_SOURCE_DIR "/../shared/data") / "weights" / name;
}

TEST(Safetensors, GoogleNet) {
  const std::filesystem::path path = data_file("bvlc_googlenet_f16/bvlc_googlenet.f16.safetensors");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "NOT TESTED: there is no " << path << "; set FOVEA_DATA";
  const WeightsFile file = read_weights(path);
  EXPECT_EQ(file.weights.size(), 116u);  // 58 layers
  int64_t count = 0;
  for (const auto& [name, tensor] : file.weights) count += tensor.count();
  EXPECT_EQ(count, 6'998'552);
  EXPECT_EQ(file.weights.at("loss3/classifier.weight").shape(), (Shape{1000, 1024}));
}

TEST(Safetensors, QuantisedVgg19InXz) {
  const std::filesystem::path path = data_file("vgg19_conv/vgg19_conv_f16_u8.safetensors.xz");
  if (!std::filesystem::exists(path)) GTEST_SKIP() << "NOT TESTED: there is no " << path << "; set FOVEA_DATA";
  EXPECT_TRUE(is_weights_file(Bytes::map(path)));
  const WeightsFile file = read_weights(path);
  EXPECT_EQ(file.weights.size(), 32u);
  ASSERT_EQ(file.order.size(), 32u);
  const Tensor& deep = file.weights.at("conv5_4.weight");
  EXPECT_EQ(deep.dtype(), DType::f32);
  EXPECT_EQ(deep.shape(), (Shape{512, 512, 3, 3}));
  double sum = 0, squares = 0;
  for (const float w : deep.data<float>()) sum += double{w}, squares += double{w} * double{w};
  const double mean = sum / static_cast<double>(deep.count());
  EXPECT_LT(std::abs(mean), 0.005);
  EXPECT_GT(squares / static_cast<double>(deep.count()), 1e-6);
  ASSERT_EQ(file.notes.size(), 1u);
  EXPECT_NE(file.notes[0].find("8 quantised tensors"), std::string::npos) << file.notes[0];
}

// X = X_u8 · X_scale + X_min, only where all three are there in their types.
TEST(Safetensors, QuantisedTriples) {
  const auto codes = Tensor::of<uint8_t>({2}, {0, 255});
  const auto one = Tensor::of<float>({1}, {0.5f}), low = Tensor::of<float>({1}, {-2});
  const WeightsFile file = read_weights(Bytes::own(
      safetensors_bytes({{"w_u8", codes}, {"w_scale", one}, {"w_min", low}, {"v_u8", codes}, {"v_scale", one}}, {})));
  EXPECT_EQ(file.order, (std::vector<std::string>{"w", "v_u8", "v_scale"}));
  EXPECT_EQ(file.weights.at("w").to_doubles(), (std::vector<double>{-2, 125.5}));
}

}  // namespace
}  // namespace fovea
