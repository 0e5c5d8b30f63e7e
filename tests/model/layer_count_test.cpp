#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/model/zoo/layer_count.h"

namespace fovea {
namespace {

LayerCount counted(std::string_view layer, std::string_view input) { return count_layer(parse_layer(layer, input)); }

TEST(LayerCount, OnAPictureOf200x200) {
  EXPECT_EQ(counted("full 40000", "200x200").weights, 1'600'000'000);
  EXPECT_EQ(counted("local 10x10 1", "200x200").weights, 4'000'000);  // 40,000 units
  const LayerCount shared = counted("conv 10x10 100", "200x200");
  EXPECT_EQ(shared.weights, 10'000);
  EXPECT_EQ(shared.biases, 100);
  EXPECT_EQ(shared.multiply_adds, 400'000'000);
}

TEST(LayerCount, OfLeNet5) {
  const LayerCount whole = counted("conv 5x5 16 valid", "6x14x14");
  EXPECT_EQ(whole.weights, 2'400);
  EXPECT_EQ(whole.biases, 16);
  EXPECT_EQ(whole.height, 10);
  EXPECT_EQ(whole.multiply_adds, 240'000);
  const LayerCount partial = counted("conv 5x5 16 valid connections 60", "6x14x14");
  EXPECT_EQ(partial.weights + partial.biases, 1'516);
  EXPECT_EQ(counted("full 84", "120x1x1").weights + 84, 10'164);
}

TEST(LayerCount, WindowsAndBiases) {
  const LayerCount alexnet = counted("conv 11x11 64 stride 4 pad 2", "3x224x224");
  EXPECT_EQ(alexnet.height, 55);
  EXPECT_EQ(alexnet.weights, 64 * 3 * 121);
  const LayerCount local = counted("local 3x5 2 valid", "8x9");
  EXPECT_EQ(local.height, 6);
  EXPECT_EQ(local.width, 5);
  EXPECT_EQ(local.weights, 2 * 15 * 30);
  EXPECT_EQ(local.biases, 2 * 30);
  EXPECT_EQ(local.multiply_adds, local.weights);
  EXPECT_EQ(counted("conv 3x3 1 stride 2", "7x8").height, 4);
}

TEST(LayerCount, RefusesWhatItCannotCount) {
  const std::pair<const char*, const char*> wrong[] = {
      {"", "8x8"},
      {"dense 10", "8x8"},
      {"conv", "8x8"},
      {"conv 3 4", "8x8"},
      {"conv 3x3", "8x8"},
      {"conv 3x3 four", "8x8"},
      {"conv 3x3 -4", "8x8"},
      {"conv 3x3 4 stride", "8x8"},
      {"conv 3x3 4 stride 0", "8x8"},
      {"conv 3x3 4 padded", "8x8"},
      {"conv 3x3 4 connections 5", "8x8"},
      {"full 10 stride 2", "8x8"},
      {"conv 9x9 4 valid", "8x8"},
      {"conv 3x3 4", ""},
      {"conv 3x3 4", "8"},
      {"conv 3x3 4", "8x"},
      {"conv 3x3 4", "x8"},
      {"conv 3x3 4", "1x2x3x4"},
      {"conv 3x3 4", "0x8"},
      {"full 99999999999999999999", "8x8"},
      {"full 1000000000000", "1000000000x1000000000"},
      {"local 1000000000x1000000000 1000", "8x8"},
  };
  for (const auto& [layer, input] : wrong) {
    try {
      counted(layer, input);
      ADD_FAILURE() << "\"" << layer << "\" on \"" << input << "\" was taken";
    } catch (const Error& e) { EXPECT_EQ(e.kind(), ErrorKind::usage) << e.message(); }
  }
}

TEST(LayerCount, DescribesItself) {
  EXPECT_EQ(describe(parse_layer("conv 10x10 100", "200x200")),
            "convolutional, 100 maps of 10x10 windows on 1x200x200, around every place");
  EXPECT_EQ(describe(parse_layer("full 10", "3x4x5")), "fully connected, 10 units on 3x4x5");
}

}  // namespace
}  // namespace fovea
