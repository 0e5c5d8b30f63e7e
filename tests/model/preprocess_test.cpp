#include <gtest/gtest.h>

#include "fovea/model/preprocess.h"

#include "fovea/model/labels.h"

namespace fovea {
namespace {

TEST(Preprocess, TorchvisionNormalisesEachChannel) {
  Image picture(300, 260, 3);
  for (int y = 0; y < 260; ++y)
    for (int x = 0; x < 300; ++x)
      picture.row(y)[x * 3] = 255, picture.row(y)[x * 3 + 1] = 0, picture.row(y)[x * 3 + 2] = 51;
  const Tensor t = preprocess(picture, preset("torchvision"));
  ASSERT_EQ(t.shape(), (Shape{1, 3, 224, 224}));
  EXPECT_NEAR(t.at(0), (1 - 0.485) / 0.229, 1e-6);
  EXPECT_NEAR(t.at(224 * 224), (0 - 0.456) / 0.224, 1e-6);
  EXPECT_NEAR(t.at(2 * 224 * 224), (0.2 - 0.406) / 0.225, 1e-6);
}

TEST(Preprocess, CaffeTurnsChannelsAround) {
  Image picture(224, 224, 3);
  picture.row(0)[0] = 10;
  for (auto& v : picture.samples()) v = 200;
  for (int y = 0; y < 224; ++y)
    for (int x = 0; x < 224; ++x) picture.row(y)[x * 3] = 50;  // red
  const Tensor t = preprocess(picture, preset("caffe"));
  EXPECT_FLOAT_EQ(static_cast<float>(t.at(0)), 200 - 104);
  EXPECT_FLOAT_EQ(static_cast<float>(t.at(2 * 224 * 224)), 50 - 123);
}

TEST(Preprocess, PresetsFollowTheInput) {
  const Preprocess p = preset("torchvision", 448, 448);
  EXPECT_EQ(p.size, 512);
  EXPECT_EQ(p.crop_width, 448);
  EXPECT_EQ(assumed_preprocess({1, 1, 28, 28}).colour, "grey");
  EXPECT_THROW(preset("torchvison"), Error);
  EXPECT_THROW(assumed_preprocess({1, 7, 28, 28}), Error);
}

TEST(Preprocess, RefusesNonsense) {
  Preprocess p = preset("torchvision");
  p.std = {0, 1, 1};
  EXPECT_THROW(preprocess(Image(10, 10, 3), p), Error);
  EXPECT_THROW(preprocess(Image(), preset("unit")), Error);
}

TEST(Labels, ImagenetIsBuiltIn) {
  ASSERT_EQ(imagenet_classes().size(), 1000u);
  EXPECT_EQ(class_name(imagenet_classes(), 0), "tench");
  EXPECT_EQ(class_name(imagenet_classes(), 999), "toilet tissue");
  EXPECT_EQ(class_name({}, 3), "class 3");
}

}  // namespace
}  // namespace fovea
