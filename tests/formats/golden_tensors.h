// Tables beside golden files: file TAB tensor TAB dtype TAB shape TAB the elements' little-endian bytes in hex.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include "fovea/formats/weights_file.h"

namespace fovea {

using Rows = std::vector<std::vector<std::string>>;

inline std::filesystem::path golden_folder(const std::string& name) {
  return std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden" / name;
}

// Lines of fields between tabs.
inline Rows read_rows(const std::filesystem::path& path) {
  std::ifstream in(path);
  Rows rows;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> row;
    size_t begin = 0;
    for (size_t end; (end = line.find('\t', begin)) != line.npos; begin = end + 1)
      row.push_back(line.substr(begin, end - begin));
    row.push_back(line.substr(begin));
    rows.push_back(std::move(row));
  }
  return rows;
}

inline std::string hex_of(const Tensor& tensor) {
  std::string text;
  for (size_t i = 0; i < tensor.bytes(); ++i) text += fmt::format("{:02x}", static_cast<unsigned>(tensor.raw()[i]));
  return text;
}

// Reads every file of a table by read_weights and compares all of its tensors and their order.
inline void expect_golden_tensors(const std::filesystem::path& folder, size_t least_files) {
  std::map<std::string, Rows> files;
  for (auto& row : read_rows(folder / "expected.txt")) {
    ASSERT_EQ(row.size(), 5u);
    files[row[0]].push_back(row);
  }
  ASSERT_GE(files.size(), least_files);
  for (const auto& [name, rows] : files) {
    SCOPED_TRACE(name);
    const Bytes bytes = Bytes::map(folder / "files" / name);
    EXPECT_TRUE(is_weights_file(bytes));
    WeightsFile file;
    try {
      file = read_weights(bytes);
    } catch (const Error& error) {
      ADD_FAILURE() << error.message();
      continue;
    }
    std::vector<std::string> order;
    for (const auto& row : rows) {
      order.push_back(row[1]);
      const auto found = file.weights.find(row[1]);
      if (found == file.weights.end()) {
        ADD_FAILURE() << "lacks " << row[1];
        continue;
      }
      EXPECT_EQ(to_string(found->second.dtype()), row[2]) << row[1];
      EXPECT_EQ(to_string(found->second.shape()), row[3]) << row[1];
      EXPECT_EQ(hex_of(found->second), row[4]) << row[1];
    }
    EXPECT_EQ(file.order, order);
    EXPECT_EQ(file.weights.size(), rows.size());
  }
}

// The message of the Error that reading ends in; "" when it ends well.
inline std::string reading_error(const Bytes& bytes, ErrorKind* kind = nullptr) {
  try {
    read_weights(bytes);
  } catch (const Error& error) {
    if (kind) *kind = error.kind();
    return error.message();
  }
  return "";
}

}  // namespace fovea
