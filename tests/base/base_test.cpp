#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <set>

#include "fovea/base/bytes.h"
#include "fovea/base/error.h"
#include "fovea/base/memory.h"
#include "fovea/base/parallel.h"
#include "fovea/base/rng.h"

namespace fovea {
namespace {

std::filesystem::path scratch() {
  const auto path = std::filesystem::temp_directory_path() / fmt::format("fovea_base_{}", ::getpid());
  std::filesystem::create_directories(path);
  return path;
}

// Known answers of Philox 4x32-10 for counter 0 and key 0 (Random123's kat_vectors).
TEST(Rng, IsPhilox) {
  const Rng rng(0);
  EXPECT_EQ(rng.bits(0), 0x6627e8d5u);
  EXPECT_EQ(rng.bits(1), 0xe169c58du);
  EXPECT_EQ(rng.bits(2), 0xbc57ac4cu);
  EXPECT_EQ(rng.bits(3), 0x9b00dbd8u);
}

TEST(Rng, IsKeyedAndUniform) {
  const Rng a(1), b(2);
  double sum = 0, square = 0, normal = 0, normal_square = 0;
  constexpr int n = 40000;
  int equal = 0;
  for (uint64_t i = 0; i < n; ++i) {
    sum += a.uniform_double(i);
    square += a.uniform_double(i) * a.uniform_double(i);
    normal += a.fork("normal").normal(i);
    normal_square += a.fork("normal").normal(i) * a.fork("normal").normal(i);
    equal += a.bits(i) == b.bits(i);
    ASSERT_LT(a.below(i, 7), 7u);
  }
  EXPECT_NEAR(sum / n, 0.5, 0.01);
  EXPECT_NEAR(square / n, 1.0 / 3, 0.01);
  EXPECT_NEAR(normal / n, 0, 0.03);
  EXPECT_NEAR(normal_square / n, 1, 0.04);
  EXPECT_EQ(equal, 0);
  EXPECT_NE(a.fork(1).key(), a.fork(2).key());
  EXPECT_EQ(a.fork("x").key(), Rng(1).fork("x").key());
}

TEST(Bytes, MapsSlicesAndNamesWhatIsWrong) {
  const auto folder = scratch();
  write_file(folder / "file", std::string_view("hello"));
  const Bytes bytes = Bytes::map(folder / "file");
  EXPECT_EQ(bytes.view(), "hello");
  EXPECT_EQ(bytes.slice(1, 3).view(), "ell");
  EXPECT_THROW(bytes.slice(3, 3), Error);
  EXPECT_THROW(bytes.slice(6, 0), Error);
  EXPECT_THROW(bytes.slice(1, SIZE_MAX), Error);
  write_file(folder / "empty", std::string_view());
  EXPECT_TRUE(Bytes::map(folder / "empty").empty());
  for (const auto& path : {folder / "missing", folder}) {
    try {
      Bytes::map(path);
      ADD_FAILURE() << "opened " << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::io);
      EXPECT_NE(error.message().find(path.string()), std::string::npos) << error.message();
    }
  }
}

TEST(WriteFile, LeavesTheOldFileWhenItFails) {
  const auto folder = scratch();
  write_file(folder / "kept", std::string_view("old"));
  EXPECT_THROW(write_file(folder / "none" / "file", std::string_view("new")), Error);
  EXPECT_THROW(write_file("/dev/full/file", std::string_view("new")), Error);
  write_file(folder / "kept", std::string_view("new"));
  EXPECT_EQ(Bytes::map(folder / "kept").view(), "new");
  for (const auto& entry : std::filesystem::directory_iterator(folder))
    EXPECT_EQ(entry.path().extension(), "") << "left behind: " << entry.path();
}

TEST(Parallel, CoversEachIndexOnce) {
  for (const int64_t count : {0, 1, 2, 7, 1000}) {
    std::vector<int> hits(static_cast<size_t>(count), 0);
    parallel_for(count, 3, [&](int64_t i) { ++hits[static_cast<size_t>(i)]; });
    for (const int hit : hits) EXPECT_EQ(hit, 1);
  }
}

TEST(Memory, PiecesAreAlignedZeroedAndApart) {
  Region region;
  std::set<std::byte*> starts;
  for (const size_t size : {size_t{1}, size_t{100}, size_t{5} << 20, size_t{64}, size_t{3} << 20}) {
    std::byte* piece = region.take(size);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(piece) % 64, 0u);
    EXPECT_EQ(piece[0], std::byte{0});
    EXPECT_EQ(piece[size - 1], std::byte{0});
    std::memset(piece, 0xAB, size);
    EXPECT_TRUE(starts.insert(piece).second);
  }
}

TEST(Error, AddsWhereItHappened) {
  const Error inner(ErrorKind::shape, "expected 3, got 4");
  EXPECT_EQ(inner.within("conv \"c1\"").message(), "conv \"c1\": expected 3, got 4");
  EXPECT_EQ(inner.within("x").kind(), ErrorKind::shape);
}

}  // namespace
}  // namespace fovea
