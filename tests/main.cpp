#include <gtest/gtest.h>

#include "fovea/base/parallel.h"

int main(int argc, char** argv) {
  testing::InitGoogleTest(&argc, argv);
  fovea::bind_threads();  // two unbound threads may share one core for whole time slices
  return RUN_ALL_TESTS();
}
