// The program that is built beside the tests, and a folder of its own for each test that runs it.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

namespace fovea {

// It stands one folder above the tests, or where FOVEA_PROGRAM says.
inline std::filesystem::path program() {
  if (const char* given = std::getenv("FOVEA_PROGRAM")) return given;
  return std::filesystem::read_symlink("/proc/self/exe").parent_path().parent_path() / "fovea";
}

// The bytes of a file; none where there is no file.
inline std::string read(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

inline size_t occurrences(const std::string& text, const std::string& part) {
  size_t count = 0;
  for (size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1)) ++count;
  return count;
}

// Skips, aloud, where the program is not built.
class ProgramFolder : public testing::Test {
 protected:
  void SetUp() override {
    if (!std::filesystem::exists(program())) GTEST_SKIP() << program() << " is not built";
    char pattern[] = "/tmp/fovea-test-XXXXXX";
    folder_ = mkdtemp(pattern);
  }
  void TearDown() override {
    if (!folder_.empty()) std::filesystem::remove_all(folder_);
  }
  void write(const std::string& name, const std::string& text) const {
    std::filesystem::create_directories((folder_ / name).parent_path());
    std::ofstream(folder_ / name, std::ios::binary) << text;
  }
  std::filesystem::path folder_;
};

}  // namespace fovea
