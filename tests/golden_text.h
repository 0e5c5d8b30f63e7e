// Golden numbers as a text: a line a tensor, its name, its shape as "2x3x4", and its values with blanks between.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include "fovea/tensor/tensor.h"

namespace fovea {

// tests/golden/<name>/golden.txt as tensors of this type; a line that is cut short fails the test that asks.
inline std::map<std::string, Tensor> golden_text(const std::string& name, DType dtype) {
  std::map<std::string, Tensor> result;
  std::ifstream in(std::filesystem::path(FOVEA_SOURCE_DIR) / "tests/golden" / name / "golden.txt");
  for (std::string line; std::getline(in, line);) {
    std::istringstream words(line);
    std::string tensor_name, sizes;
    words >> tensor_name >> sizes;
    Shape shape;
    std::istringstream parts(sizes);
    for (std::string part; std::getline(parts, part, 'x');) shape.push_back(std::stoll(part));
    Tensor tensor(dtype, shape);
    double value = 0;
    for (int64_t i = 0; i < tensor.count(); ++i) {
      words >> value;
      tensor.set(i, value);
    }
    EXPECT_TRUE(words) << tensor_name;
    result[tensor_name] = tensor;
  }
  return result;
}

}  // namespace fovea
