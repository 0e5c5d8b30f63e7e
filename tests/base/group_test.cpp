// Groups of threads: sums, broadcasts, several calls under way, calls that do not match, and ranks that leave.
#include "fovea/base/group.h"

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <thread>

#include "fovea/base/error.h"

namespace fovea {
namespace {

// Runs `body` as every rank of a group of threads.
void on_ranks(int count, const std::function<void(Group&)>& body) {
  auto members = thread_groups(count);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < count; ++rank)
    threads.emplace_back([&body, member = std::move(members[static_cast<size_t>(rank)])] { body(*member); });
  for (std::thread& thread : threads) thread.join();
}

TEST(Group, OneProcessIsItsOwnSum) {
  const auto group = single_group();
  EXPECT_EQ(group->size(), 1);
  EXPECT_EQ(group->rank(), 0);
  EXPECT_EQ(group->sum_of(2.5), 2.5);
  EXPECT_TRUE(group->agree(7));
  EXPECT_FALSE(group->any(false));
  group->barrier();
}

TEST(Group, ThreadsSumInTheOrderOfRanks) {
  on_ranks(4, [](Group& group) {
    // 1e8 + 1 + 1 + 1 loses each 1 in f32; any other order would keep some.
    std::vector<float> values = {group.rank() == 0 ? 1e8f : 1.0f, static_cast<float>(group.rank())};
    group.sum(std::span<float>(values));
    EXPECT_EQ(values[0], 1e8f);
    EXPECT_EQ(values[1], 6.0f);
    std::vector<double> wide(1000, group.rank() + 1);
    group.sum(std::span<double>(wide));
    for (const double v : wide) ASSERT_EQ(v, 10);
  });
}

TEST(Group, SeveralSumsAreUnderWayAtOnce) {
  on_ranks(3, [](Group& group) {
    std::vector<float> a(5, 1), b(7, 2), c;
    const auto first = group.start_sum(std::span<float>(a)), second = group.start_sum(std::span<float>(b));
    const auto empty = group.start_sum(std::span<float>(c));
    group.wait(empty);
    group.wait(second);
    group.wait(first);
    for (const float v : a) EXPECT_EQ(v, 3);
    for (const float v : b) EXPECT_EQ(v, 6);
  });
}

TEST(Group, BroadcastsFromAnyRank) {
  on_ranks(4, [](Group& group) {
    for (int root = 0; root < 4; ++root) {
      int value = group.rank() * 10;
      group.broadcast(std::as_writable_bytes(std::span<int>(&value, 1)), root);
      EXPECT_EQ(value, root * 10);
    }
    EXPECT_THROW(group.start_broadcast({}, 4), Error);
  });
}

TEST(Group, AllLearnWhatOneSays) {
  on_ranks(3, [](Group& group) {
    EXPECT_TRUE(group.any(group.rank() == 2));
    EXPECT_FALSE(group.any(false));
    EXPECT_TRUE(group.agree(5));
    EXPECT_FALSE(group.agree(group.rank() == 1 ? 6 : 5));
  });
}

TEST(Group, ARankThatLeavesEndsTheWaitOfTheOthers) {
  std::atomic<int> told = 0;
  on_ranks(3, [&](Group& group) {
    group.barrier();
    if (group.rank() == 1) return;  // its side is destroyed
    try {
      group.barrier();
      ADD_FAILURE() << "a barrier without rank 1";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::io);
      EXPECT_NE(error.message().find("rank 1 has left"), std::string::npos) << error.message();
      ++told;
    }
  });
  EXPECT_EQ(told, 2);
}

TEST(Group, CallsThatDoNotMatchAreAnErrorOnAllRanks) {
  std::atomic<int> told = 0;
  on_ranks(2, [&](Group& group) {
    std::vector<float> values(group.rank() == 0 ? 4u : 5u);
    try {
      group.sum(std::span<float>(values));
    } catch (const Error& error) {
      EXPECT_NE(error.message().find("do not match"), std::string::npos) << error.message();
      ++told;
    }
  });
  EXPECT_EQ(told, 2);
}

TEST(Group, RefusesSizesOutOfRange) {
  EXPECT_THROW(thread_groups(0), Error);
  EXPECT_THROW(thread_groups(257), Error);
}

}  // namespace
}  // namespace fovea
