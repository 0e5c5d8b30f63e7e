// Training on several ranks: the same gradient as one, whatever the group is made of; sums beside the backward pass;
// shares of batches; and ranks that die.
#include "fovea/train/data_parallel.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "fovea/backend/backend.h"
#include "fovea/base/error.h"
#include "fovea/base/rng.h"
#include "fovea/data/drawn.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/add.h"
#include "fovea/ops/all_reduce.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/train/mpi_group.h"
#include "tests/train/small_parallel_run.h"

namespace fovea {
namespace {

using testing::difference_to_one_rank;
using testing::small_gradients;
using testing::SmallRun;

void on_ranks(int count, const std::function<void(Group&)>& body) {
  auto members = thread_groups(count);
  std::vector<std::thread> threads;
  for (int rank = 0; rank < count; ++rank)
    threads.emplace_back([&body, member = std::move(members[static_cast<size_t>(rank)])] {
      try {
        body(*member);
      } catch (const Error& error) { ADD_FAILURE() << "rank " << member->rank() << ": " << error.message(); }
    });
  for (std::thread& thread : threads) thread.join();
}

TEST(DataParallel, GradientOfThreadsIsThatOfOneRank) {
  for (const int ranks : {2, 4})
    for (const bool norm : {false, true})
      for (const DType dtype : {DType::f64, DType::f32})
        on_ranks(ranks, [&](Group& group) {
          EXPECT_EQ(difference_to_one_rank({.norm = norm, .dtype = dtype}, group), "")
              << ranks << " ranks, " << (norm ? "synchronised batch norm, " : "no batch norm, ") << to_string(dtype);
        });
}

TEST(DataParallel, LargeTensorsTravelAlone) {
  on_ranks(2, [](Group& group) {
    // 300 000 numbers, over the bound of packing; and a small one in the same node.
    Graph g;
    const Value x = input(g, "x", {DType::f32, {300, 1000}}), s = input(g, "s", {DType::f32, {3}});
    const Value doubled = add(g, x, x), members[] = {doubled, s};
    const std::vector<Value> means = all_reduce(g, members, {.kind = "mean", .ranks = 2});
    CompileOptions options;
    options.group = &group;
    Program program = compile(g, means, {}, reference_backend(), options);
    const double own = group.rank() == 0 ? 1 : 4;
    for (int repeat = 0; repeat < 2; ++repeat) {
      const auto values =
          program.run({{"x", Tensor::full(DType::f32, {300, 1000}, own)}, {"s", Tensor::full(DType::f32, {3}, own)}});
      EXPECT_EQ(values[0].at(299999), 5);
      EXPECT_EQ(values[0].at(0), 5);
      EXPECT_EQ(values[1].at(2), 2.5);
    }
    EXPECT_NE(program.steps()[1].implementation.find("2 ranks, 2 messages"), std::string::npos)
        << program.steps()[1].implementation;
  });
}

TEST(DataParallel, SumsStartDuringTheBackwardPass) {
  on_ranks(2, [](Group& group) {
    const auto steps = small_gradients({.bucket_bytes = 100}, group).steps;
    std::vector<size_t> starts, waits;
    size_t last_backward = 0;
    for (size_t i = 0; i < steps.size(); ++i) {
      if (steps[i].starts_with("all_reduce")) starts.push_back(i);
      if (steps[i].starts_with("wait for")) waits.push_back(i);
      if (steps[i].starts_with("conv_weight_gradient")) last_backward = i;
    }
    ASSERT_EQ(starts.size(), waits.size());
    ASSERT_GT(last_backward, 0u);
    // Four statistics forward and four backward are waited for at once; the first buckets of gradients are started
    // before the first layer's gradient exists, and waited for after it.
    int beside = 0;
    for (size_t k = 0; k < starts.size(); ++k) {
      const auto wait = std::find(steps.begin(), steps.end(), "wait for " + steps[starts[k]]) - steps.begin();
      beside += starts[k]<last_backward&& static_cast<size_t>(wait)> last_backward;
    }
    EXPECT_GE(beside, 2);
  });
}

TEST(DataParallel, UnsynchronisedStatisticsDiffer) {
  // The gradient's test can fail: with each rank's own statistics the gradient is another one.
  on_ranks(2, [](Group& group) {
    const auto ours = small_gradients({}, group);
    const auto alone = single_group();
    const auto half = small_gradients({.batch = 4}, *alone);
    double largest = 0;
    for (size_t i = 0; i < ours.gradients.size(); ++i)
      for (int64_t e = 0; e < ours.gradients[i].count(); ++e)
        largest = std::max(largest, std::abs(ours.gradients[i].at(e) - half.gradients[i].at(e)));
    EXPECT_GT(largest, 1e-3);
  });
}

TEST(DataParallel, TrainedWeightsAreThoseOfOneRank) {
  for (const int ranks : {2, 4})
    on_ranks(ranks, [](Group& group) { EXPECT_EQ(testing::trained_difference_to_one_rank(3, group), ""); });
}

TEST(DataParallel, StatesThatDifferAreNamed) {
  on_ranks(2, [](Group& group) {
    Graph g;
    const Value w = parameter(g, "w", {DType::f32, {2}});
    const Value next = add(g, w, input(g, "x", {DType::f32, {2}}));
    CompileOptions options;
    options.carry = {{next, w}};
    Program program =
        compile(g, std::vector<Value>{next}, {{"w", Tensor(DType::f32, {2})}}, reference_backend(), options);
    program.run({{"x", Tensor::full(DType::f32, {2}, group.rank())}});
    try {
      check_states_agree(program, group);
      ADD_FAILURE() << "they differ";
    } catch (const Error& error) { EXPECT_NE(error.message().find("\"w\""), std::string::npos) << error.message(); }
    const std::string names[] = {"w"};
    check_states_agree(program, group, names);
    broadcast_states(program, group, 1);
    EXPECT_EQ(program.state("w").at(1), 1);
    check_states_agree(program, group);
  });
}

TEST(DataParallel, TheGroupMustBeThatOfTheGraph) {
  Graph g;
  const Value y = all_reduce(g, input(g, "x", {DType::f32, {2}}), {.ranks = 3});
  try {
    compile(g, std::vector<Value>{y}, {}, reference_backend());
    ADD_FAILURE() << "compiled for one process";
  } catch (const Error& error) {
    EXPECT_NE(error.message().find("built for 3 ranks"), std::string::npos) << error.message();
  }
  EXPECT_THROW(samples_of_share(10, {.ranks = 4}), Error);
}

TEST(DataParallel, MasksDifferFromRankToRankAndNothingElse) {
  on_ranks(2, [](Group& group) {
    std::map<std::string, Tensor> feeds = {{"dropout key", Tensor::scalar(uint64_t{7})},
                                           {"rate", Tensor::scalar(0.5f)}};
    own_masks(feeds, group);
    const auto key = feeds.at("dropout key").data<uint64_t>()[0];
    EXPECT_EQ(key, Rng(7).fork("rank").fork(static_cast<uint64_t>(group.rank())).key());
    EXPECT_EQ(feeds.at("rate").at(0), 0.5);
  });
}

TEST(DataParallel, SharesOfABatchAreTheBatch) {
  const auto set = std::make_shared<DrawnShapes>(45, 16, 2);
  const Preprocess how = preset("cifar", 16, 16);
  for (const bool drop_last : {true, false})
    for (const int ranks : {1, 2, 3, 4}) {
      BatchOptions options;
      options.size = 12;
      options.seed = 5;
      options.drop_last = drop_last;
      options.augmentations = parse_augmentations("flip,crop:2:reflect,colour:0.3:0.3:0.3");
      BatchReader whole(set, how, options);
      const auto members = thread_groups(ranks);
      std::vector<std::unique_ptr<BatchReader>> readers;
      for (const auto& member : members)
        readers.push_back(std::make_unique<BatchReader>(set, how, share_of(options, *member)));
      for (int64_t b = 0; b < 2 * whole.batches_per_epoch(); ++b) {
        const Batch all = whole.next();
        std::vector<int64_t> samples, labels;
        size_t bytes = 0;
        for (const auto& reader : readers) {
          const Batch share = reader->next();
          EXPECT_EQ(share.position, all.position);
          samples.insert(samples.end(), share.samples.begin(), share.samples.end());
          for (const int64_t label : share.labels.data<int64_t>()) labels.push_back(label);
          ASSERT_LE(bytes + share.pictures.bytes(), all.pictures.bytes());
          EXPECT_EQ(std::memcmp(all.pictures.raw() + bytes, share.pictures.raw(), share.pictures.bytes()), 0);
          bytes += share.pictures.bytes();
        }
        EXPECT_EQ(samples, all.samples);
        EXPECT_EQ(bytes, all.pictures.bytes());
        EXPECT_TRUE(Tensor::ints(labels).same_bits(all.labels));
      }
    }
}

// Below: really under mpirun. This program starts itself; the tests of MpiRank are what each rank then does, and are
// left out otherwise.

struct Outcome {
  int code = -1;
  std::string text;
};

class UnderMpirun : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("command -v mpirun >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no mpirun";
    if (mpi_availability().starts_with("no module")) GTEST_SKIP() << mpi_availability();
  }

  // Exit code and output of K ranks that run one test of MpiRank. timeout's own code, 124, is a hang.
  static Outcome run(int ranks, const std::string& test) {
    char pattern[] = "/tmp/fovea-mpi-XXXXXX";
    const std::filesystem::path folder = mkdtemp(pattern);
    const std::string program = std::filesystem::read_symlink("/proc/self/exe").string();
    const std::string line =
        "env OMP_NUM_THREADS=1 ASAN_OPTIONS=detect_leaks=0 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
        "timeout 120 mpirun --oversubscribe --bind-to none -n " +
        std::to_string(ranks) + " " + program + " --gtest_brief=1 --gtest_filter=MpiRank." + test + " >" +
        (folder / "out").string() + " 2>&1 </dev/null";
    const int status = std::system(line.c_str());
    std::ifstream in(folder / "out");
    Outcome outcome{WIFEXITED(status) ? WEXITSTATUS(status) : -1, {std::istreambuf_iterator<char>(in), {}}};
    std::filesystem::remove_all(folder);
    return outcome;
  }
};

TEST_F(UnderMpirun, GradientOfProcessesIsThatOfOneRank) {
  for (const int ranks : {2, 4}) {
    const Outcome outcome = run(ranks, "GradientIsThatOfOneRank");
    EXPECT_EQ(outcome.code, 0) << ranks << " ranks\n" << outcome.text;
    EXPECT_NE(outcome.text.find("1 test"), std::string::npos) << outcome.text;
    EXPECT_EQ(outcome.text.find("SKIPPED"), std::string::npos) << outcome.text;
  }
}

TEST_F(UnderMpirun, ARankThatIsKilledEndsTheOthers) {
  const Outcome outcome = run(3, "IsKilled");
  EXPECT_NE(outcome.code, 0) << outcome.text;
  EXPECT_NE(outcome.code, 124) << "the other ranks hang\n" << outcome.text;
}

TEST_F(UnderMpirun, ARankThatGivesUpEndsTheOthersWithItsCode) {
  const Outcome outcome = run(3, "GivesUp");
  EXPECT_EQ(outcome.code, 3) << outcome.text;
  size_t said = 0;
  for (size_t at = outcome.text.find("rank 1 gives up"); at != std::string::npos;
       at = outcome.text.find("rank 1 gives up", at + 1))
    ++said;
  EXPECT_EQ(said, 1u) << outcome.text;
}

class MpiRank : public ::testing::Test {
 protected:
  void SetUp() override {
    if (launch().size == 1) GTEST_SKIP() << "only under mpirun: UnderMpirun starts it";
    group_ = launched_group();
    ASSERT_EQ(group_->size(), launch().size);
    ASSERT_EQ(group_->rank(), launch().rank);
  }
  std::unique_ptr<Group> group_;
};

TEST_F(MpiRank, GradientIsThatOfOneRank) {
  for (const bool norm : {false, true})
    for (const DType dtype : {DType::f64, DType::f32})
      EXPECT_EQ(difference_to_one_rank({.norm = norm, .dtype = dtype}, *group_), "");
  EXPECT_EQ(testing::trained_difference_to_one_rank(3, *group_), "");
  // Large messages, several under way, and a broadcast from the last rank.
  std::vector<float> large(3000001, 1);
  std::vector<double> small(3, group_->rank());
  const auto first = group_->start_sum(std::span<float>(large));
  const auto second = group_->start_sum(std::span<double>(small));
  group_->wait(second);
  group_->wait(first);
  const int size = group_->size();
  for (const float v : large) ASSERT_EQ(v, size);
  EXPECT_EQ(small[2], size * (size - 1) / 2);
  int root = group_->rank();
  group_->broadcast(std::as_writable_bytes(std::span<int>(&root, 1)), size - 1);
  EXPECT_EQ(root, size - 1);
  EXPECT_TRUE(group_->any(group_->rank() == 1));
  group_->barrier();
}

TEST_F(MpiRank, IsKilled) {
  group_->barrier();
  if (group_->rank() == 1) std::raise(SIGKILL);
  std::vector<float> values(100000, 1);
  for (int i = 0; i < 1000000; ++i) group_->sum(std::span<float>(values));  // waits for ever for rank 1
  ADD_FAILURE() << "sums without rank 1";
}

TEST_F(MpiRank, GivesUp) {
  group_->barrier();
  if (group_->rank() == 1) {
    std::fprintf(stderr, "rank 1 gives up\n");
    group_->leave(3);
  }
  std::vector<float> values(100000, 1);
  for (int i = 0; i < 1000000; ++i) group_->sum(std::span<float>(values));
  ADD_FAILURE() << "sums without rank 1";
}

}  // namespace
}  // namespace fovea
