#include "fovea/report/picture_plate.h"

#include <gtest/gtest.h>

#include "fovea/base/error.h"
#include "fovea/image/draw.h"

namespace fovea {
namespace {

TEST(PicturePlate, HasAColumnForEachAndFewEmptyPlaces) {
  EXPECT_EQ(plate_columns(1), 1);
  EXPECT_EQ(plate_columns(4), 4);
  EXPECT_EQ(plate_columns(10), 5);
  EXPECT_EQ(plate_columns(64) * (64 / plate_columns(64)), 64);
  for (int count = 1; count < 200; ++count) {
    const int columns = plate_columns(count);
    EXPECT_GE(columns, 1);
    EXPECT_LE(columns, count);
  }
}

// Small pictures are enlarged by whole pixels, large ones reduced; both lie at the place that the tile gives them.
TEST(PicturePlate, ShowsPicturesInTheirPlaces) {
  Plate plate;
  plate.tile = 64;
  plate.rows = in_rows({{blank(16, 16, {200, 0, 0}), {"one", "two"}}, {blank(128, 128, {0, 0, 200}), {}}}, 2);
  ASSERT_EQ(plate.rows.size(), 1u);
  const Image image = draw_plate(plate);
  int red = 0, blue = 0;
  for (int y = 0; y < image.height(); ++y)
    for (int x = 0; x < image.width(); ++x) {
      red += image.at(x, y, 0) == 200 && image.at(x, y, 1) == 0;
      blue += image.at(x, y, 2) == 200 && image.at(x, y, 1) == 0;
    }
  EXPECT_EQ(red, 64 * 64);
  EXPECT_EQ(blue, 64 * 64);
  plate.title = "a title";
  plate.columns = {"left", "right"};
  EXPECT_GT(draw_plate(plate).height(), image.height());
}

TEST(PicturePlate, RefusesWhatCannotBeDrawn) {
  EXPECT_THROW(draw_plate({}), Error);
  Plate plate;
  plate.tile = 4096;
  plate.rows = in_rows(std::vector<PlatePicture>(16, PlatePicture{blank(4, 4), {}}), 4);
  EXPECT_THROW(draw_plate(plate), Error);
}

}  // namespace
}  // namespace fovea
