// Damaged descriptions and recipes: any bytes are a result or an Error, and what is read can be written again.
#include <gtest/gtest.h>

#include <filesystem>
#include <vector>

#include "fovea/base/rng.h"
#include "fovea/formats/network_description.h"
#include "fovea/train/recipe_text.h"

namespace fovea {
namespace {

std::vector<std::string> originals() {
  std::vector<std::string> texts;
  for (const auto& entry : std::filesystem::directory_iterator(std::filesystem::path(FOVEA_SOURCE_DIR) / "recipes"))
    texts.emplace_back(Bytes::map(entry.path()).view());
  return texts;
}

// One to four changes: a piece removed, doubled, swapped with another place's, or a byte replaced by one that matters.
std::string damaged(std::string text, const Rng& rng) {
  static constexpr std::string_view kBytes = "[]{}\"'=.,\\#$-0123456789eE\n\t\0\x80\xFFnaif_";
  const uint64_t changes = 1 + rng.bits(0) % 4;
  for (uint64_t k = 1; k <= changes; ++k) {
    if (text.empty()) return text;
    const size_t at = rng.bits(4 * k) % text.size(),
                 length = std::min<size_t>(rng.bits(4 * k + 1) % 40, text.size() - at);
    const std::string piece = text.substr(at, length);
    switch (rng.bits(4 * k + 2) % 4) {
      case 0: text.erase(at, length); break;
      case 1: text.insert(at, piece); break;
      case 2: text.insert(rng.bits(4 * k + 3) % text.size(), piece); break;
      default: text[at] = kBytes[rng.bits(4 * k + 3) % kBytes.size()];
    }
  }
  return text;
}

TEST(NetworkMalformed, AnyBytesAreAResultOrAnError) {
  const std::vector<std::string> texts = originals();
  ASSERT_FALSE(texts.empty());
  int read = 0, refused = 0;
  for (uint64_t i = 0; i < 4000; ++i) {
    const std::string text = damaged(texts[i % texts.size()], Rng(11).fork(i));
    const Bytes file = Bytes::copy(text, "x.toml");
    try {
      read_network_description(file);
      ++read;
    } catch (const Error& e) {
      EXPECT_FALSE(e.message().empty());
      EXPECT_NE(e.kind(), ErrorKind::internal) << e.message() << "\n" << text;
      ++refused;
    }
    try {
      const std::string written = write_run_description(read_run_description(file));
      EXPECT_EQ(write_run_description(read_run_description(Bytes::copy(written))), written);
      ++read;
    } catch (const Error& e) {
      EXPECT_NE(e.kind(), ErrorKind::internal) << e.message() << "\n" << text;
      ++refused;
    }
  }
  EXPECT_GT(read, 100);
  EXPECT_GT(refused, 100);
}

TEST(NetworkMalformed, EveryPrefixOfAFile) {
  const std::string text(Bytes::map(std::filesystem::path(FOVEA_SOURCE_DIR) / "recipes" / "fast-cifar10.toml").view());
  for (size_t size = 0; size < text.size(); size += 7) {
    try {
      read_network_description(Bytes::copy(text.substr(0, size), "x.toml"));
    } catch (const Error& e) { EXPECT_NE(e.kind(), ErrorKind::internal) << e.message(); }
  }
}

}  // namespace
}  // namespace fovea
