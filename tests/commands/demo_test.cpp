// The demo with real data; without data it is tested in tests/cli/program_test.cpp.
#include "fovea/commands/demo.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <nlohmann/json.hpp>

#include "tests/data_folder.h"

namespace fovea {
namespace {

TEST(Demo, InspectsAPhotographWhereThereIsData) {
  const std::filesystem::path data = data_folder();
  if (!std::filesystem::exists(data / "weights/squeezenet1.1_onnx/model.onnx")) GTEST_SKIP() << "set FOVEA_DATA";
  const char* before = std::getenv("FOVEA_DATA");
  const std::string kept = before ? before : "";
  ::setenv("FOVEA_DATA", data.c_str(), 1);
  DemoOptions options;
  const auto folder = std::filesystem::temp_directory_path() / fmt::format("fovea_demo_{}", getpid());
  options.output = folder.string();
  const Report report = run(Context{}, options);
  if (before) ::setenv("FOVEA_DATA", kept.c_str(), 1);
  else ::unsetenv("FOVEA_DATA");
  EXPECT_EQ(report.json->at("guesses")[0].at("name"), "monarch");
  EXPECT_TRUE(std::filesystem::exists(folder / "index.html"));
  EXPECT_EQ(report.json->at("pictures")[0].at("heading"), "A dream");
  EXPECT_TRUE(std::filesystem::exists(folder / "dream.png"));
  std::filesystem::remove_all(folder);
}

}  // namespace
}  // namespace fovea
