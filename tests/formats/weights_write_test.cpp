// What write_weights writes, read_weights reads: every bit, every type, every container.
#include <gtest/gtest.h>

#include <unistd.h>

#include <cmath>
#include <cstring>
#include <limits>

#include "fovea/formats/npy_write.h"
#include "fovea/formats/torch_write.h"
#include "fovea/formats/weights_write.h"
#include "fovea/formats/zip_file.h"
#include "tests/formats/golden_tensors.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

class WeightsWrite : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() / fmt::format("fovea_weights_{}", ::getpid());
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_;
};

// Awkward bits: infinities, not-a-numbers with a payload, denormals, both zeros.
Weights weights_of_every_type() {
  const float inf = std::numeric_limits<float>::infinity();
  Weights weights;
  Tensor bits(DType::f32, {2, 4});
  const std::vector<uint32_t> patterns = {0x7fc12345, 0xff812345, 1, 0x80000000, 0x00000000, 0x7f7fffff, 0x3f800001, 0};
  std::memcpy(bits.raw(), patterns.data(), bits.bytes());
  weights["f32"] = bits;
  weights["f16"] = Tensor::of<float>({3}, {1, -65504, inf}).cast(DType::f16);
  weights["bf16"] = Tensor::of<float>({2}, {3e38f, -1}).cast(DType::bf16);
  weights["f64"] = Tensor::of<double>({1, 2}, {1e300, -0.1});
  weights["i64"] = Tensor::of<int64_t>({}, {INT64_MIN});
  weights["i32"] = Tensor::of<int32_t>({2}, {INT32_MAX, -1});
  weights["i16"] = Tensor::of<int16_t>({1}, {-300});
  weights["i8"] = Tensor::of<int8_t>({3}, {-128, 0, 127});
  weights["u8"] = Tensor::of<uint8_t>({3}, {0, 128, 255});
  weights["bool"] = Tensor::full(DType::boolean, {2}, 1);
  weights["empty"] = Tensor(DType::f32, {0, 3});
  return weights;
}

TEST_F(WeightsWrite, EveryBitComesBack) {
  Weights weights = weights_of_every_type();
  const std::vector<std::string> first = {"u8", "f32"};
  for (const std::string extension : {".pth", ".pt", ".th", ".safetensors", ".npz"}) {
    SCOPED_TRACE(extension);
    const fs::path path = folder_ / ("weights" + extension);
    EXPECT_TRUE(is_weights_extension(path));
    write_weights(weights, first, {{"epoch", "90"}, {"who", "Ada \"quoted\""}}, path, false);
    const WeightsFile file = read_weights(path);
    EXPECT_EQ(file.weights.size(), weights.size());
    EXPECT_EQ(file.order[0], "u8");
    EXPECT_EQ(file.order[1], "f32");
    for (const auto& [name, tensor] : weights) {
      ASSERT_TRUE(file.weights.contains(name)) << name;
      const bool widened = extension == ".npz" && name == "bf16";
      EXPECT_TRUE(file.weights.at(name).same_bits(widened ? tensor.cast(DType::f32) : tensor)) << name;
    }
    if (extension != ".npz") EXPECT_EQ(file.metadata.at("who"), "Ada \"quoted\"");
  }
  for (const DType dtype : {DType::u16, DType::u32, DType::u64}) {
    weights["wide"] = Tensor::full(dtype, {2}, 7);
    EXPECT_THROW(write_weights(weights, {}, {}, folder_ / "wide.pth", false), Error);
    write_weights(weights, {}, {}, folder_ / "wide.safetensors", false);
    EXPECT_TRUE(read_weights(folder_ / "wide.safetensors").weights.at("wide").same_bits(weights["wide"]));
  }
}

TEST_F(WeightsWrite, HalfTakesFloatsOnly) {
  const Weights weights = {{"w", Tensor::of<float>({2}, {0.1f, 65504})}, {"n", Tensor::of<int64_t>({}, {1 << 20})}};
  write_weights(weights, {}, {}, folder_ / "half.pth", true);
  const WeightsFile file = read_weights(folder_ / "half.pth");
  EXPECT_TRUE(file.weights.at("w").same_bits(weights.at("w").cast(DType::f16)));
  EXPECT_TRUE(file.weights.at("n").same_bits(weights.at("n")));
  const Weights large = {{"conv.weight", Tensor::of<float>({1}, {70000})}};
  try {
    write_weights(large, {}, {}, folder_ / "large.pth", true);
    FAIL() << "was written";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("tensor \"conv.weight\": its value 70000"), std::string::npos) << error.message();
  }
  EXPECT_FALSE(fs::exists(folder_ / "large.pth"));
}

TEST_F(WeightsWrite, WrongUse) {
  const Weights weights = {{"w", Tensor::of<float>({1}, {1})}};
  EXPECT_THROW(write_weights(weights, {}, {}, folder_ / "w.bin", false), Error);
  EXPECT_THROW(write_weights(weights, {"v"}, {}, folder_ / "w.pth", false), Error);
  EXPECT_THROW(write_weights(weights, {}, {}, folder_ / "none" / "w.pth", false), Error);
  const Weights outside = {{"../w", Tensor::of<float>({1}, {1})}};
  EXPECT_THROW(write_weights(outside, {}, {}, folder_ / "w.npz", false), Error);
}

// PyTorch maps storages; they lie at multiples of 64 bytes of the file.
TEST(ZipWriter, StoragesAreAligned) {
  const Tensor tensor = Tensor::of<float>({3}, {1.25f, 2.5f, 5});
  for (size_t length = 1; length < 70; ++length) {
    const std::vector<std::byte> bytes = torch_bytes({{std::string(length, 'n'), tensor}}, {});
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const size_t at = text.find({reinterpret_cast<const char*>(tensor.raw()), tensor.bytes()});
    ASSERT_NE(at, text.npos);
    EXPECT_EQ(at % 64, 0u) << length;
  }
}

TEST(ZipWriter, Checksum) {
  const std::string_view text = "123456789";  // the check value of CRC-32/ISO-HDLC
  EXPECT_EQ(crc32(std::as_bytes(std::span(text.data(), text.size()))), 0xCBF43926u);
  EXPECT_EQ(crc32({}), 0u);
}

TEST(ZipWriter, ReadsBack) {
  ZipWriter writer;
  const std::string text = "some text";
  writer.add("root/a", std::as_bytes(std::span(text.data(), text.size())), 64);
  writer.add("root/empty", {});
  ZipFile zip(Bytes::own(writer.finish(), "test.zip"));
  ASSERT_EQ(zip.entries().size(), 2u);
  EXPECT_EQ(zip.read(*zip.find("root/a")).view(), text);
  EXPECT_TRUE(zip.read(*zip.find("root/empty")).empty());
  EXPECT_EQ(zip.find("root/b"), nullptr);
}

}  // namespace
}  // namespace fovea
