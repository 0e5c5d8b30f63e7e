#include "fovea/base/parallel_tasks.h"

#include <gtest/gtest.h>

#include <stdexcept>
#include <string>
#include <vector>

namespace fovea {
namespace {

TEST(ParallelTasks, EachOnce) {
  for (const int64_t count : {0, 1, 2, 1000}) {
    std::vector<std::atomic<int>> done(static_cast<size_t>(count));
    parallel_tasks(count, [&](int64_t i) { ++done[static_cast<size_t>(i)]; });
    for (const auto& d : done) EXPECT_EQ(d, 1);
  }
}

TEST(ParallelTasks, TheFirstFailureIsThrown) {
  for (int repeat = 0; repeat < 50; ++repeat) {
    std::vector<std::atomic<int>> done(200);
    try {
      parallel_tasks(200, [&](int64_t i) {
        if (i == 40 || i == 41 || i == 150) throw std::runtime_error(std::to_string(i));
        ++done[static_cast<size_t>(i)];
      });
      ADD_FAILURE();
    } catch (const std::runtime_error& error) { EXPECT_STREQ(error.what(), "40"); }
    for (size_t i = 0; i < 40; ++i) EXPECT_EQ(done[i], 1) << i;
  }
}

}  // namespace
}  // namespace fovea
