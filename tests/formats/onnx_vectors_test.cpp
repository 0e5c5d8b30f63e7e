// Every ONNX test vector of the shared data, on the interpreter.
#include <gtest/gtest.h>

#include <filesystem>

#include "fovea/formats/onnx_vectors.h"
#include "tests/data_folder.h"

namespace fovea {
namespace {

TEST(OnnxVectors, AllPassOrAreRefused) {
  const auto root = data_folder() / "onnx";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << "no test vectors at " << root << "; set FOVEA_DATA";
  const auto folders = find_vectors(root);
  size_t passed = 0, failed = 0;
  for (const auto& folder : folders) {
    const VectorResult result = run_vector(folder);
    if (result.status == "passed") ++passed;
    else fmt::print("{} {}: {}\n", result.status, std::filesystem::relative(folder, root).string(), result.detail);
    if (result.status == "failed") {
      ++failed;
      ADD_FAILURE() << folder << ": " << result.detail;
    }
  }
  fmt::print("{} cases, {} passed, {} failed, {} unsupported\n", folders.size(), passed, failed,
             folders.size() - passed - failed);
  EXPECT_GE(passed * 10, folders.size() * 9);
}

TEST(OnnxVectors, SharedNetworks) {
  const auto root = data_folder() / "weights" / "squeezenet1.1_onnx";
  if (!std::filesystem::exists(root)) GTEST_SKIP() << "no networks at " << root << "; set FOVEA_DATA";
  const VectorResult result = run_vector(root);
  EXPECT_EQ(result.status, "passed") << result.detail;
}

}  // namespace
}  // namespace fovea
