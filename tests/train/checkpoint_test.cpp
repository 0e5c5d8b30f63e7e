// Checkpoints come back as they were written, and nothing damaged passes for one.
#include "fovea/train/checkpoint.h"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <cstring>
#include <fstream>

#include "fovea/base/error.h"
#include "fovea/formats/safetensors_write.h"
#include "fovea/ops/add.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/input.h"
#include "fovea/ops/relu.h"
#include "fovea/train/run_folder.h"
#include "tests/data/files.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;
using testing_data::WithFolder;

class CheckpointTest : public WithFolder {
 protected:
  static Checkpoint example() {
    Checkpoint c;
    c.states["conv1.weight"] = Tensor::of<float>({2, 1, 1, 2}, {1, -0.f, 3.5f, 1e-40f});
    c.states["velocity of conv1.weight"] = Tensor::of<float>({2, 1, 1, 2}, {0.1f, 0.2f, 0.3f, NAN});
    c.states["count"] = Tensor::of<int64_t>({}, {7});
    c.step = 1234, c.next = {3, 17};
    c.model = "abcd", c.recipe = "rate = 0.1\n# \"quotes\" and ümlauts\n", c.plan = "conv1: winograd", c.threads = 2;
    c.numbers = {{"loss sum", 0.1 + 0.2}, {"best errors", 82}};
    return c;
  }
  static void expect_equal(const Checkpoint& a, const Checkpoint& b) {
    EXPECT_EQ(a.step, b.step);
    EXPECT_EQ(a.next, b.next);
    EXPECT_EQ(a.model, b.model);
    EXPECT_EQ(a.recipe, b.recipe);
    EXPECT_EQ(a.plan, b.plan);
    EXPECT_EQ(a.threads, b.threads);
    EXPECT_EQ(a.numbers, b.numbers);
    ASSERT_EQ(a.states.size(), b.states.size());
    for (const auto& [name, value] : a.states) {
      ASSERT_TRUE(b.states.contains(name)) << name;
      const Tensor& other = b.states.at(name);
      EXPECT_EQ(value.shape(), other.shape());
      EXPECT_EQ(value.dtype(), other.dtype());
      EXPECT_EQ(std::memcmp(value.raw(), other.raw(), value.bytes()), 0) << name;
    }
  }
  std::vector<char> bytes_of(const fs::path& path) const {
    std::ifstream in(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(in), {}};
  }
  void write_bytes(const fs::path& path, const std::vector<char>& bytes) const {
    std::ofstream(path, std::ios::binary).write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
  }
  ErrorKind kind_of(const fs::path& path) const {
    try {
      read_checkpoint(path);
    } catch (const Error& e) {
      EXPECT_NE(e.message().find(path.filename().string()), std::string::npos) << e.message();
      return e.kind();
    }
    ADD_FAILURE() << path << " was read";
    return ErrorKind::internal;
  }
};

TEST_F(CheckpointTest, ComesBackAsItWas) {
  const fs::path path = folder_ / "last.safetensors";
  const Checkpoint a = example();
  write_checkpoint(a, path);
  expect_equal(read_checkpoint(path), a);
}

TEST_F(CheckpointTest, DamageIsNoticedWhereverItIs) {
  const fs::path path = folder_ / "last.safetensors";
  write_checkpoint(example(), path);
  const std::vector<char> whole = bytes_of(path);
  for (size_t i = 0; i < whole.size(); i += 7) {
    std::vector<char> damaged = whole;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x10);
    write_bytes(path, damaged);
    try {
      expect_equal(read_checkpoint(path), example());  // padding, or the same text written otherwise
      EXPECT_FALSE(HasFailure()) << "byte " << i;
    } catch (const Error& e) { EXPECT_NE(e.kind(), ErrorKind::internal) << "byte " << i << ": " << e.message(); }
  }
  for (const size_t size : {size_t{0}, size_t{7}, size_t{100}, whole.size() - 1}) {
    write_bytes(path, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(size)});
    EXPECT_EQ(kind_of(path), ErrorKind::format) << size;
  }
}

TEST_F(CheckpointTest, WeightsOfOthersAndOtherVersionsAreRefusedByName) {
  const fs::path path = folder_ / "weights.safetensors";
  write_file(path, std::span<const std::byte>(safetensors_bytes({{"w", Tensor::of<float>({1}, {1})}}, {})));
  EXPECT_EQ(kind_of(path), ErrorKind::format);
  write_file(path, std::span<const std::byte>(safetensors_bytes({{"w", Tensor::of<float>({1}, {1})}},
                                                                {{"kind", "fovea checkpoint"}, {"version", "99"}})));
  EXPECT_EQ(kind_of(path), ErrorKind::unsupported);
  EXPECT_EQ(kind_of(folder_ / "missing"), ErrorKind::io);
}

// A disk that is full: files may not grow beyond 200 bytes.
TEST_F(CheckpointTest, AFullDiskLeavesTheOldOne) {
  const fs::path path = folder_ / "last.safetensors";
  write_checkpoint(example(), path);
  const std::vector<char> before = bytes_of(path);
  rlimit old{};
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &old), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = old;
  small.rlim_cur = 200;
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &small), 0);
  Checkpoint next = example();
  next.step = 9999;
  ErrorKind kind = ErrorKind::internal;
  try {
    write_checkpoint(next, path);
  } catch (const Error& e) { kind = e.kind(); }
  setrlimit(RLIMIT_FSIZE, &old);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(kind, ErrorKind::io);
  EXPECT_EQ(bytes_of(path), before);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1) << "a temporary file is left";
}

TEST_F(CheckpointTest, OneProcessAFolder) {
  const fs::path run = folder_ / "run";
  {
    RunFolder first(run);
    EXPECT_FALSE(first.holds_run());
    try {
      RunFolder second(run);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.kind(), ErrorKind::usage);
      EXPECT_NE(e.message().find("another process"), std::string::npos) << e.message();
    }
    write_checkpoint(example(), first.last());
    EXPECT_TRUE(first.has_checkpoint());
  }
  const RunFolder third(run);
  EXPECT_TRUE(third.has_checkpoint());
  EXPECT_FALSE(third.finished());
  write_bytes(folder_ / "file", {'x'});
  EXPECT_THROW(RunFolder(folder_ / "file"), Error);
}

// Networks with the same weights that compute something else are others; other batches and sizes are not.
TEST(Fingerprint, TellsNetworksApart) {
  const auto network = [](int64_t batch, int64_t side, ConvAttributes attributes, bool twice) {
    Model model;
    const Value x = input(model.graph, "x", {DType::f32, {batch, 3, side, side}});
    const Value w = parameter(model.graph, "w", {DType::f32, {3, 3, 3, 3}});
    const Value y = conv(model.graph, x, w, {}, attributes), z = relu(model.graph, y);
    model.graph.outputs = {{"y", flatten(model.graph, add(model.graph, z, twice ? z : y))}};
    return fingerprint(model);
  };
  const std::string one = network(1, 8, {.pad = 1}, false);
  EXPECT_EQ(one.size(), 16U);
  EXPECT_EQ(one, network(16, 12, {.pad = 1}, false));
  EXPECT_NE(one, network(1, 8, {.dilation = 2, .pad = 2}, false));
  EXPECT_NE(one, network(1, 8, {.pad = 1}, true));
}

}  // namespace
}  // namespace fovea
