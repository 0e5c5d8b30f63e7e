// Tiny data sets that the tests of fovea/data write themselves.
#pragma once

#include <archive.h>
#include <archive_entry.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/base/error.h"

namespace fovea::testing_data {

namespace fs = std::filesystem;

// A folder of its own for each test.
class WithFolder : public testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/fovea-data-XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path write(const std::string& name, const std::string& content) const {
    fs::create_directories((folder_ / name).parent_path());
    write_file(folder_ / name, content);
    return folder_ / name;
  }
  fs::path folder_;
};

inline std::string big_endian(uint32_t value) {
  std::string text;
  for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255);
  return text;
}

inline std::string idx(const std::vector<uint32_t>& sizes, const std::string& values, char type = 8) {
  std::string file{'\0', '\0', type, static_cast<char>(sizes.size())};
  for (const uint32_t size : sizes) file += big_endian(size);
  return file + values;
}

// Pictures of 3 x 2 (height x width): pixel k of picture i is 10 i + k.
inline std::string idx_pictures(uint32_t count) {
  std::string values;
  for (uint32_t i = 0; i < count; ++i)
    for (uint32_t k = 0; k < 6; ++k) values += static_cast<char>(10 * i + k);
  return idx({count, 3, 2}, values);
}

// Records of CIFAR-10 (coarse < 0) or CIFAR-100: byte k of picture i is k + i + 7 c in plane c, modulo 256.
inline std::string cifar_record(int coarse, int label, int i) {
  std::string record;
  if (coarse >= 0) record += static_cast<char>(coarse);
  record += static_cast<char>(label);
  for (int c = 0; c < 3; ++c)
    for (int k = 0; k < 1024; ++k) record += static_cast<char>((k + i + 7 * c) & 255);
  return record;
}
inline std::string cifar10(const std::vector<int>& labels, int first = 0) {
  std::string file;
  for (size_t i = 0; i < labels.size(); ++i) file += cifar_record(-1, labels[i], first + static_cast<int>(i));
  return file;
}

inline std::string finished(archive* writer, const std::vector<std::pair<std::string, std::string>>& files, bool raw) {
  std::vector<char> out(size_t{1} << 20);
  size_t used = 0;
  EXPECT_EQ(archive_write_open_memory(writer, out.data(), out.size(), &used), ARCHIVE_OK);
  for (const auto& [name, content] : files) {
    archive_entry* entry = archive_entry_new();
    archive_entry_set_pathname(entry, name.c_str());
    archive_entry_set_filetype(entry, AE_IFREG);
    archive_entry_set_perm(entry, 0644);
    if (!raw) archive_entry_set_size(entry, static_cast<la_int64_t>(content.size()));
    EXPECT_EQ(archive_write_header(writer, entry), ARCHIVE_OK);
    archive_entry_free(entry);
    EXPECT_EQ(archive_write_data(writer, content.data(), content.size()), static_cast<la_ssize_t>(content.size()));
  }
  EXPECT_EQ(archive_write_close(writer), ARCHIVE_OK);
  archive_write_free(writer);
  return {out.data(), used};
}

inline std::string packed(const std::string& content, const std::string& filter) {
  archive* writer = archive_write_new();
  if (filter == "xz") archive_write_add_filter_xz(writer);
  else archive_write_add_filter_gzip(writer);
  archive_write_set_format_raw(writer);
  return finished(writer, {{"data", content}}, true);
}
inline std::string tar_gz(const std::vector<std::pair<std::string, std::string>>& files) {
  archive* writer = archive_write_new();
  archive_write_add_filter_gzip(writer);
  archive_write_set_format_ustar(writer);
  return finished(writer, files, false);
}

// What an error says and what kind it is; fails the test when nothing is thrown.
template <class F>
std::pair<ErrorKind, std::string> error_of(F&& f) {
  try {
    f();
  } catch (const Error& error) { return {error.kind(), error.message()}; }
  ADD_FAILURE() << "nothing was thrown";
  return {ErrorKind::internal, ""};
}

// That f throws an error of this kind whose message contains all of the words.
template <class F>
void expect_error(ErrorKind kind, const std::vector<std::string>& words, F&& f) {
  const auto [got, message] = error_of(std::forward<F>(f));
  EXPECT_EQ(got, kind) << message;
  for (const std::string& word : words)
    EXPECT_NE(message.find(word), std::string::npos) << word << " is not in: " << message;
}

}  // namespace fovea::testing_data
