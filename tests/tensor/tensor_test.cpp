#include "fovea/tensor/tensor.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace fovea {
namespace {

TEST(Shape, CountsAndPrints) {
  EXPECT_EQ((Shape{2, 3, 4}).count(), 24);
  EXPECT_EQ(Shape{}.count(), 1);
  EXPECT_EQ(to_string(Shape{1, 3}), "1x3");
  EXPECT_EQ(to_string(Shape{}), "scalar");
  EXPECT_EQ((Shape{2, 3, 4}).strides(), (std::vector<int64_t>{12, 4, 1}));
}

TEST(Shape, Broadcasts) {
  EXPECT_EQ(broadcast({4, 1, 3}, {2, 1}), (Shape{4, 2, 3}));
  EXPECT_EQ(broadcast({}, {5}), (Shape{5}));
  EXPECT_EQ(broadcast({0, 3}, {1, 3}), (Shape{0, 3}));
  EXPECT_THROW(broadcast({2}, {3}), Error);
}

TEST(Shape, RefusesNegativeAndOverflowingSizes) {
  EXPECT_FALSE(is_sane({-1}, 4));
  EXPECT_FALSE(is_sane({int64_t{1} << 40, int64_t{1} << 40}, 4));
  EXPECT_FALSE(is_sane({INT64_MAX, 2}, 1));
  EXPECT_TRUE(is_sane({1000, 1000}, 4));
  EXPECT_THROW(Tensor(DType::f32, {-1}), Error);
  EXPECT_THROW(Tensor(DType::f32, {int64_t{1} << 60}), Error);
}

TEST(Tensor, CopiesShareAndClonesOnWrite) {
  const Tensor a = Tensor::of<float>({3}, {1, 2, 3});
  Tensor b = a;
  EXPECT_EQ(std::as_const(a).raw(), std::as_const(b).raw());
  b.data<float>()[0] = 9;
  EXPECT_EQ(a.at(0), 1);
  EXPECT_EQ(b.at(0), 9);
}

TEST(Tensor, OverBytesIsReadOnlyAndChecked) {
  const Bytes bytes = Bytes::own(std::vector<std::byte>(16), "sixteen bytes");
  Tensor t = Tensor::over(bytes, DType::f32, {4});
  EXPECT_EQ(std::as_const(t).raw(), bytes.data());
  t.data<float>()[0] = 1;
  EXPECT_NE(std::as_const(t).raw(), bytes.data());
  EXPECT_EQ(bytes.data()[3], std::byte{0});
  EXPECT_THROW(Tensor::over(bytes, DType::f32, {5}), Error);
  // Unaligned bytes are copied.
  EXPECT_EQ(Tensor::over(bytes.slice(1, 12), DType::f32, {3}).count(), 3);
}

TEST(Tensor, AccessOfAnotherTypeIsRefused) {
  const Tensor t = Tensor::of<int32_t>({1}, {5});
  EXPECT_THROW(t.data<float>(), Error);
  EXPECT_EQ(t.at(0), 5);
}

TEST(Tensor, CastsSaturateAndTruncate) {
  const Tensor t = Tensor::of<float>({6}, {-1.9f, 300.5f, 1e20f, -1e20f, NAN, 0.0f});
  EXPECT_EQ(t.cast(DType::u8).to_ints(), (std::vector<int64_t>{0, 255, 255, 0, 0, 0}));
  EXPECT_EQ(t.cast(DType::i32).to_ints(), (std::vector<int64_t>{-1, 300, INT32_MAX, INT32_MIN, 0, 0}));
  EXPECT_EQ(t.cast(DType::boolean).to_ints(), (std::vector<int64_t>{1, 1, 1, 1, 1, 0}));
}

TEST(Half, EveryValueRoundTrips) {
  for (uint32_t bits = 0; bits < 65536; ++bits) {
    f16 h;
    h.bits = static_cast<uint16_t>(bits);
    const float value = h;
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(float(f16(value))));
    } else {
      EXPECT_EQ(f16(value).bits, bits);
    }
    bf16 b;
    b.bits = static_cast<uint16_t>(bits);
    if (!std::isnan(float(b))) { EXPECT_EQ(bf16(float(b)).bits, bits); }
  }
}

TEST(Half, RoundsToNearestEven) {
  EXPECT_EQ(float(f16(1.0f + 0x1p-11f)), 1.0f);                // a tie goes to even
  EXPECT_EQ(float(f16(1.0f + 3 * 0x1p-11f)), 1.0f + 0x1p-9f);  // and up when that is even
  EXPECT_EQ(float(f16(65519.0f)), 65504.0f);
  EXPECT_TRUE(std::isinf(float(f16(65520.0f))));
  EXPECT_EQ(float(f16(0x1p-25f)), 0.0f);
  EXPECT_EQ(float(f16(0x1.8p-25f)), 0x1p-24f);
  EXPECT_EQ(float(bf16(1.0f + 0x1p-8f)), 1.0f);
  EXPECT_EQ(float(bf16(1.0f + 3 * 0x1p-8f)), 1.0f + 0x1p-6f);
}

}  // namespace
}  // namespace fovea
