// The program as a person or a script meets it: exit codes, messages, JSON. It stands one folder above the tests, or
// where FOVEA_PROGRAM says.
#include <gtest/gtest.h>

#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fovea/image/codec.h"
#include "fovea/image/image.h"
#include "tests/cli/program_folder.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

struct Outcome {
  int code = -1;
  std::string out, err;
};

class Program : public ProgramFolder {
 protected:
  Outcome run(const std::string& arguments) const {
    const fs::path out = folder_ / "out", err = folder_ / "err";
    const std::string line = "cd " + folder_.string() + " && " + program().string() + " " + arguments + " >" +
                             out.string() + " 2>" + err.string();
    const int status = std::system(line.c_str());
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, read(out), read(err)};
  }
  // One clear line, the right exit code, nothing on standard output.
  void expect_error(const std::string& arguments, int code, const std::string& part) const {
    const Outcome o = run(arguments);
    EXPECT_EQ(o.code, code) << arguments << "\n" << o.err;
    EXPECT_EQ(o.out, "") << arguments;
    EXPECT_TRUE(o.err.starts_with("fovea: error: ")) << o.err;
    EXPECT_NE(o.err.find(part), std::string::npos) << arguments << "\n" << o.err;
  }
};

TEST_F(Program, VersionAndHelp) {
  EXPECT_TRUE(run("--version").out.starts_with("fovea "));
  EXPECT_EQ(run("--help").code, 0);
  EXPECT_NE(run("classify --help").out.find("examples:"), std::string::npos);
  EXPECT_EQ(run("").code, 2);
}

TEST_F(Program, WrongUsage) {
  expect_error("clasify a b", 2, "did you mean \"classify\"?");
  expect_error("summary", 2, "MODEL");
  expect_error("summary x.onnx --sise 3", 2, "did you mean \"--size\"?");
  expect_error("--bogus", 2, "unknown option --bogus");
  expect_error("summary ''", 2, "empty name");
  expect_error("summary x.onnx --threads 0", 2, "threads");
  expect_error("summary x.onnx --preprocess tourchvision", 2, "did you mean \"torchvision\"?");
}

TEST_F(Program, BadModelFiles) {
  expect_error("summary missing.onnx", 3, "missing.onnx: no such file");
  write("model.onnx", "");
  expect_error("summary model.onnx", 3, "model.onnx");
  expect_error("summary modle.onnx", 3, "did you mean \"model.onnx\"?");
  write("text.onnx", "this is not a network at all, it is a sentence");
  expect_error("summary text.onnx", 3, "text.onnx");
  expect_error("summary .", 3, "is a folder");
}

TEST_F(Program, TrainsInspectsConvertsAndAgreesWithItself) {
  const Outcome demo = run("demo --train --steps 3 -o page --json --quiet --threads 2");
  ASSERT_EQ(demo.code, 0) << demo.err;
  EXPECT_EQ(demo.err, "");
  const auto json = nlohmann::json::parse(demo.out);
  ASSERT_EQ(json.at("networks").size(), 3u);
  EXPECT_EQ(json.at("networks")[0].at("name"), "drawn shapes");
  EXPECT_EQ(json.at("networks")[2].at("guesses")[0].at("name"), "2");  // builtin:digits on a drawn 2
  const std::string page = read(folder_ / "page/index.html");
  EXPECT_EQ(page.find("http:"), std::string::npos);
  for (const std::string network : {"shapes", "cifar10", "digits"}) {
    for (const char* file :
         {"index.html", "picture.png", "saliency.png", "grad-cam.png", "filters.png", "stage-1.png", "inspection.json"})
      EXPECT_TRUE(fs::exists(folder_ / "page" / network / file)) << network << " " << file;
    EXPECT_NE(page.find("href=\"" + network + "/index.html\""), std::string::npos) << network;
    EXPECT_EQ(read(folder_ / "page" / network / "index.html").find("http:"), std::string::npos);
  }
}

TEST_F(Program, UnwritableOutput) {
  write("file", "in the way");
  expect_error("demo --train --steps 1 -o file/page --quiet", 1, "file/page");
  expect_error("classify missing.onnx missing.png -o .", 1, "is a folder");
  expect_error("classify missing.onnx missing.png -o sheet.txt", 2, "sheet.png");
}

}  // namespace
}  // namespace fovea
