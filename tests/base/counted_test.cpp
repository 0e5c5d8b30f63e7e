#include "fovea/base/counted.h"

#include <gtest/gtest.h>

#include <vector>

namespace fovea {
namespace {

TEST(Counted, OneAndMany) {
  EXPECT_EQ(counted(0, "picture"), "0 pictures");
  EXPECT_EQ(counted(1, "picture"), "1 picture");
  EXPECT_EQ(counted(2, "picture"), "2 pictures");
  EXPECT_EQ(counted(-1, "picture"), "-1 pictures");
  EXPECT_EQ(counted(1, "new picture"), "1 new picture");
  EXPECT_EQ(counted(int64_t{1} << 40, "weight"), "1099511627776 weights");
  EXPECT_EQ(counted(std::vector<int>(3).size(), "layer"), "3 layers");
}

TEST(Counted, PluralsOfAllEndings) {
  EXPECT_EQ(counted(1, "class"), "1 class");
  EXPECT_EQ(counted(10, "class"), "10 classes");
  EXPECT_EQ(counted(2, "box"), "2 boxes");
  EXPECT_EQ(counted(2, "patch"), "2 patches");
  EXPECT_EQ(counted(2, "mesh"), "2 meshes");
  EXPECT_EQ(counted(2, "query"), "2 queries");
  EXPECT_EQ(counted(2, "array"), "2 arrays");
  EXPECT_EQ(counted(2, ""), "2 ");
}

}  // namespace
}  // namespace fovea
