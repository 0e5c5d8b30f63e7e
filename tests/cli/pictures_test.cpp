// Ctrl-C at any moment of style, texture and dream, as a person presses it: the picture so far is kept, the message
// says how to go on, and going on ends in the same bytes.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "fovea/data/drawn_scenes.h"
#include "fovea/image/codec.h"
#include "tests/cli/program_folder.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

class Pictures : public ProgramFolder, public testing::WithParamInterface<const char*> {
 protected:
  void SetUp() override {
    ProgramFolder::SetUp();
    if (IsSkipped()) return;
    write_image(folder_ / "ship.png", draw_scene("ship", 96, Rng(1)));
    write_image(folder_ / "car.png", draw_scene("automobile", 96, Rng(2)));
  }
  // The exit code; -1 where a signal ended it. Below 0 seconds: it is left alone.
  int run(const std::string& arguments, double interrupted_after = -1) const {
    const pid_t child = fork();
    if (child == 0) {
      if (chdir(folder_.c_str()) != 0 || !std::freopen("err", "w", stderr) || !std::freopen("out", "w", stdout))
        _exit(99);
      const std::string line = "exec " + program().string() + " " + arguments;
      execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
      _exit(99);
    }
    if (interrupted_after >= 0) {
      std::this_thread::sleep_for(std::chrono::duration<double>(interrupted_after));
      kill(child, SIGINT);
    }
    int status = 0;
    waitpid(child, &status, 0);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
};

TEST_P(Pictures, CtrlCAtAnyMoment) {
  const std::string line = GetParam();
  const auto begin = std::chrono::steady_clock::now();
  ASSERT_EQ(run(line + " -o whole.png"), 0) << read(folder_ / "err");
  const double seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  const std::string whole = read(folder_ / "whole.png");
  ASSERT_FALSE(whole.empty());
  int kept = 0;
  for (const double share : {0.02, 0.1, 0.2, 0.4, 0.6, 0.8}) {
    fs::remove(folder_ / "part.png");
    fs::remove(folder_ / "part.png.state");
    const int code = run(line + " -o part.png", share * seconds);
    if (code == 0) continue;  // it was done before
    const std::string said = read(folder_ / "err");
    if (code == 130) EXPECT_NE(said.find("interrupted"), std::string::npos) << said;
    else EXPECT_EQ(code, -1) << said;  // before it listened to signals
    if (!fs::exists(folder_ / "part.png")) continue;
    ++kept;
    EXPECT_GT(read_image(folder_ / "part.png").width(), 0);
    if (!fs::exists(folder_ / "part.png.state")) {  // stopped when the picture was done already
      EXPECT_EQ(read(folder_ / "part.png"), whole) << share << said;
      continue;
    }
    EXPECT_NE(said.find("to go on: fovea "), std::string::npos) << said;
    EXPECT_NE(said.find("--resume part.png.state"), std::string::npos) << said;
    ASSERT_EQ(run(line + " -o part.png --resume part.png.state"), 0) << read(folder_ / "err");
    EXPECT_EQ(read(folder_ / "part.png"), whole) << share;
    EXPECT_FALSE(fs::exists(folder_ / "part.png.state"));
  }
  EXPECT_GE(kept, 1) << "of runs that were stopped within " << seconds << " s";
}

INSTANTIATE_TEST_SUITE_P(
    Commands, Pictures,
    testing::Values("style ship.png car.png --model random-filters --size 96 --first-size 40 --steps 8 --tune off",
                    "texture ship.png --model random-filters --source-size 96 --steps 25 --tune off",
                    "dream ship.png --model builtin:cifar10 --size 128 --steps 8 --tune off"));

}  // namespace
}  // namespace fovea
