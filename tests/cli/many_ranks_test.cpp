// `mpirun -n K fovea train` as a person meets it: one voice, one folder, the same bits again, a stop at one step, going
// on with another K, and ranks that are killed.
#include <gtest/gtest.h>

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <thread>

#include "fovea/data/drawn.h"
#include "fovea/image/codec.h"
#include "fovea/train/mpi_group.h"
#include "tests/cli/program_folder.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;

class ManyRanks : public ProgramFolder {
 protected:
  void SetUp() override {
    if (std::system("command -v mpirun >/dev/null 2>&1") != 0) GTEST_SKIP() << "there is no mpirun";
    if (mpi_availability().starts_with("no module")) GTEST_SKIP() << mpi_availability();
    ProgramFolder::SetUp();
    if (IsSkipped()) return;
    const DrawnShapes shapes(240, 16, 2);
    for (int64_t i = 0; i < shapes.size(); ++i) {
      const Sample sample = shapes.get(i);
      const fs::path to = folder_ / "shapes" / shapes.classes()[static_cast<size_t>(sample.label)];
      fs::create_directories(to);
      write_image(to / (std::to_string(i) + ".png"), sample.image);
    }
  }

  // timeout's own code, 124, is a hang.
  std::string line(int ranks, const std::string& arguments) const {
    return "cd " + folder_.string() +
           " && exec env ASAN_OPTIONS=detect_leaks=0 OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 "
           "timeout 120 mpirun --oversubscribe --bind-to none -n " +
           std::to_string(ranks) + " " + program().string() +
           " train zoo:resnet20_cifar shapes --preprocess cifar "
           "--size 32 --crop 32 --batch 12 --tune off " +
           arguments + " >out 2>err </dev/null";
  }
  int run(int ranks, const std::string& arguments) {
    const int status = std::system(line(ranks, arguments).c_str());
    out_ = read(folder_ / "out"), err_ = read(folder_ / "err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  // Starts a long run, waits until it trains, sends a signal to one rank, and returns mpirun's exit code.
  int run_and_signal(int ranks, int rank, int signal, const std::string& output) {
    const pid_t child = fork();
    if (child == 0) {
      execl("/bin/sh", "sh", "-c", line(ranks, "--epochs 1000 --checkpoint-every 1 -o " + output).c_str(), nullptr);
      _exit(127);
    }
    const fs::path checkpoint = folder_ / output / "checkpoints" / "last.safetensors";
    for (int i = 0; i < 600 && !fs::exists(checkpoint); ++i)
      std::this_thread::sleep_for(std::chrono::milliseconds(100));
    EXPECT_TRUE(fs::exists(checkpoint)) << read(folder_ / "err");
    const pid_t target = process_of(rank);
    EXPECT_GT(target, 0);
    if (target > 0) kill(target, signal);
    int status = 0;
    waitpid(child, &status, 0);
    err_ = read(folder_ / "err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  std::string out_, err_;

 private:
  // The process of this test's run that is a rank: it works in our folder.
  pid_t process_of(int rank) const {
    const std::string wanted = "OMPI_COMM_WORLD_RANK=" + std::to_string(rank);
    std::error_code error;
    for (const auto& entry : fs::directory_iterator("/proc", error)) {
      const std::string name = entry.path().filename();
      if (name.find_first_not_of("0123456789") != std::string::npos) continue;
      if (fs::read_symlink(entry.path() / "cwd", error) != folder_) continue;
      const std::string environment = read(entry.path() / "environ");
      if (environment.find(wanted + '\0') != std::string::npos) return std::atoi(name.c_str());
    }
    return -1;
  }
};

TEST_F(ManyRanks, SpeakWithOneVoiceAndGiveTheSameBitsAgain) {
  ASSERT_EQ(run(2, "--epochs 1 --synchronised-batch-norm --json -o a"), 0) << err_;
  EXPECT_EQ(occurrences(out_, "\"finished\": true") + occurrences(out_, "\"finished\":true"), 1u) << out_;
  EXPECT_EQ(occurrences(err_, "epoch 1:"), 1u) << err_;
  ASSERT_EQ(run(2, "--epochs 1 --synchronised-batch-norm -o b"), 0) << err_;
  EXPECT_EQ(read(folder_ / "a" / "final.onnx"), read(folder_ / "b" / "final.onnx"));
  EXPECT_GT(fs::file_size(folder_ / "a" / "final.onnx"), 100000u);
}

TEST_F(ManyRanks, SayOnceWhatAllFind) {
  EXPECT_EQ(run(5, "--epochs 1 -o a"), 2);
  EXPECT_EQ(occurrences(err_, "fovea: error:"), 1u) << err_;
  EXPECT_NE(err_.find("cannot be shared out evenly among 5 ranks"), std::string::npos) << err_;
}

TEST_F(ManyRanks, StopAtOneStepAndGoOnWithAnotherNumber) {
  EXPECT_EQ(run_and_signal(2, 0, SIGINT, "a"), 130) << err_;
  EXPECT_EQ(occurrences(err_, "saved. To go on"), 1u) << err_;
  const size_t at = err_.find("stopped after step ");
  ASSERT_NE(at, std::string::npos) << err_;
  const int step = std::atoi(err_.c_str() + at + 19);
  // 216 pictures are not kept for testing: 18 steps an epoch.
  ASSERT_EQ(run(4, "--resume --json --epochs " + std::to_string(step / 18 + 1) + " -o a"), 0) << err_;
  EXPECT_NE(read(folder_ / "a" / "metrics.jsonl").find("{\"kind\":\"resumed\",\"step\":" + std::to_string(step)),
            std::string::npos);
  EXPECT_NE(out_.find("\"step\": " + std::to_string(18 * (step / 18 + 1))), std::string::npos) << out_;
}

TEST_F(ManyRanks, AreEndedByOneThatIsKilled) {
  const int code = run_and_signal(3, 1, SIGKILL, "a");
  EXPECT_NE(code, 0) << err_;
  EXPECT_NE(code, 124) << "the others hang\n" << err_;
  EXPECT_TRUE(fs::exists(folder_ / "a" / "checkpoints" / "last.safetensors"));
}

}  // namespace
}  // namespace fovea
