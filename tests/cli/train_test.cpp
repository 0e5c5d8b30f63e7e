// `fovea train` as a person meets it: interrupted, killed at any moment and gone on with to the same bits, on a full
// disk, in a folder that is taken, with checkpoints and data that are wrong.
#include <gtest/gtest.h>

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <thread>

#include "fovea/base/rng.h"
#include "fovea/image/codec.h"
#include "fovea/image/image.h"
#include "tests/cli/program_folder.h"

namespace fovea {
namespace {

namespace fs = std::filesystem;
using Clock = std::chrono::steady_clock;

// 600 drawn digits, 19 steps an epoch; every kind of state is in it: moments, averages, running statistics, dropout.
constexpr const char* kRecipe = R"(data = "drawn:glyphs?count=600"
epochs = 6
batch = 32
augment = "crop:2"
average = 0.9
[network]
name = "small"
input = [1, 28, 28]
[[layer]]
kind = "conv"
name = "conv1"
out = 8
kernel = 5
norm = "batch_norm"
activation = "relu"
[[layer]]
kind = "max_pool"
kernel = 2
[[layer]]
kind = "dropout"
rate = 0.1
[[layer]]
kind = "linear"
name = "fc"
out = "classes"
[optimiser]
kind = "adam"
[schedule]
kind = "cosine"
rate = 0.003
)";

class Train : public ProgramFolder {
 protected:
  void SetUp() override {
    ProgramFolder::SetUp();
    if (IsSkipped()) return;
    write("small.toml", kRecipe);
    setenv("FOVEA_CACHE", (folder_ / "cache").c_str(), 1);
  }
  // Starts `fovea train …` in the folder; `limit`: bytes that a file may have, 0: any.
  pid_t start(const std::string& arguments, rlim_t limit = 0) const {
    const pid_t child = fork();
    if (child != 0) return child;
    if (limit > 0) {
      const rlimit most = {limit, limit};
      setrlimit(RLIMIT_FSIZE, &most);
      signal(SIGXFSZ, SIG_IGN);
    }
    const std::string line = "cd " + folder_.string() + " && exec " + program().string() + " train " + arguments +
                             " --threads 1 >out 2>err </dev/null";
    execl("/bin/sh", "sh", "-c", line.c_str(), nullptr);
    _exit(127);
  }
  int wait_for(pid_t child) {
    int status = 0;
    waitpid(child, &status, 0);
    out_ = read(folder_ / "out"), err_ = read(folder_ / "err");
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int run(const std::string& arguments, rlim_t limit = 0) { return wait_for(start(arguments, limit)); }
  // Exactly one line begins with "fovea: error: ", and it says this.
  void expect_one_message(const std::string& part) const {
    EXPECT_EQ(occurrences(err_, "fovea: error: "), 1u) << err_;
    EXPECT_NE(err_.find(part), std::string::npos) << err_;
    EXPECT_EQ(out_, "");
  }
  bool wait_until_exists(const fs::path& file) const {
    for (int i = 0; i < 600 && !fs::exists(file); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    return fs::exists(file);
  }
  fs::path checkpoint(const std::string& run) const { return folder_ / run / "checkpoints" / "last.safetensors"; }
  // The log without times, and without what only an interrupted run has.
  std::vector<nlohmann::json> log_of(const std::string& run) const {
    std::vector<nlohmann::json> lines;
    std::ifstream in(folder_ / run / "metrics.jsonl");
    for (std::string line; std::getline(in, line);) {
      nlohmann::json json = nlohmann::json::parse(line);
      if (json.at("kind") == "resumed") continue;
      json.erase("seconds");
      json.erase("samples_per_second");
      lines.push_back(std::move(json));
    }
    return lines;
  }
  void expect_equal_runs(const std::string& a, const std::string& b) const {
    const std::string x = read(folder_ / a / "final.onnx"), y = read(folder_ / b / "final.onnx");
    ASSERT_FALSE(x.empty());
    EXPECT_TRUE(x == y) << "final.onnx differs";
    const auto first = log_of(a), second = log_of(b);
    ASSERT_EQ(first.size(), second.size());
    for (size_t i = 0; i < first.size(); ++i) EXPECT_EQ(first[i], second[i]);
  }

  std::string out_, err_;
};

TEST_F(Train, AFinishedRunIsFreeOfPathsAndLeavesNothingToDo) {
  ASSERT_EQ(run(folder_.string() + "/small.toml -o a --epochs 1"), 0) << err_;
  const std::string model = read(folder_ / "a" / "final.onnx");
  EXPECT_EQ(model.find(folder_.string()), std::string::npos);
  EXPECT_NE(model.find("drawn:glyphs?count=600"), std::string::npos);
  EXPECT_EQ(log_of("a")[0].at("data"), "drawn:glyphs?count=600");
  EXPECT_EQ(log_of("a").back().at("reason"), "finished");
  EXPECT_EQ(run("--resume -o a"), 0) << err_;
  EXPECT_NE(out_.find("nothing left to do"), std::string::npos) << out_;
  EXPECT_EQ(run("small.toml --resume -o a"), 0) << err_;
  EXPECT_EQ(run("lenet5 drawn:glyphs --resume -o a"), 2);
  expect_one_message("a: holds a run of a network that a TOML file describes, not of zoo:lenet5");
  EXPECT_EQ(run("lenett5 drawn:glyphs -o b"), 3);
  expect_one_message("lenett5: no such file, nor such a network in the zoo; did you mean \"lenet5\"?");
  EXPECT_EQ(run("small.toml -o a"), 2);
  expect_one_message("holds a run already");
}

TEST_F(Train, CtrlCSavesAndSaysHowToGoOn) {
  ASSERT_EQ(run("small.toml -o whole --tune off"), 0) << err_;
  fs::create_directories(folder_ / "a");  // an empty one
  const pid_t child = start("small.toml --resume -o a --tune off --checkpoint-every 5");
  ASSERT_TRUE(wait_until_exists(checkpoint("a")));
  kill(child, SIGINT);
  EXPECT_EQ(wait_for(child), 130) << err_;
  EXPECT_NE(err_.find("fovea train --resume -o a"), std::string::npos) << err_;
  ASSERT_EQ(run("--resume -o a --tune off"), 0) << err_;
  expect_equal_runs("whole", "a");
}

// Kills at moments that differ from run to run of the test, so that many runs look at many moments.
TEST_F(Train, KilledAtAnyMomentItGoesOnToTheSameBits) {
  const auto begun = Clock::now();
  ASSERT_EQ(run("small.toml -o whole --tune off"), 0) << err_;
  const double seconds = std::chrono::duration<double>(Clock::now() - begun).count();
  const Rng rng(static_cast<uint64_t>(begun.time_since_epoch().count()));
  for (const std::string name : {"a", "b"}) {
    int kills = 0;
    std::string moments;
    for (uint64_t i = 0; i < 5 && !fs::exists(folder_ / name / "final.onnx"); ++i) {
      const pid_t child = start("small.toml --resume --tune off --checkpoint-every 5 -o " + name);
      const double moment = seconds * (0.1 + 0.6 * rng.fork(name).uniform(i));
      moments += std::to_string(moment) + " ";
      std::this_thread::sleep_for(std::chrono::duration<double>(moment));
      kill(child, SIGKILL);
      kills += wait_for(child) == -SIGKILL;
    }
    SCOPED_TRACE("killed after seconds: " + moments);
    ASSERT_EQ(run("small.toml --resume --tune off --checkpoint-every 5 -o " + name), 0) << err_;
    EXPECT_GT(kills, 0);
    expect_equal_runs("whole", name);
  }
}

TEST_F(Train, GoesOnAsItWasTunedWithoutTheCache) {
  ASSERT_EQ(run("small.toml -o whole"), 0) << err_;
  const pid_t child = start("small.toml -o a --checkpoint-every 5");
  ASSERT_TRUE(wait_until_exists(checkpoint("a")));
  kill(child, SIGKILL);
  wait_for(child);
  fs::remove_all(folder_ / "cache");
  ASSERT_EQ(run("--resume -o a"), 0) << err_;
  EXPECT_EQ(err_.find("last bits may differ"), std::string::npos) << err_;
  EXPECT_TRUE(read(folder_ / "whole" / "final.onnx") == read(folder_ / "a" / "final.onnx"));
}

TEST_F(Train, SaysWhenItCannotBeComputedAsBefore) {
  const pid_t child = start("small.toml -o a --tune off --checkpoint-every 5");
  ASSERT_TRUE(wait_until_exists(checkpoint("a")));
  kill(child, SIGKILL);
  wait_for(child);
  const std::string line =
      "cd " + folder_.string() + " && " + program().string() + " train --resume -o a --tune off --threads 2 >out 2>err";
  EXPECT_EQ(std::system(line.c_str()), 0);
  const std::string said = read(folder_ / "err");
  EXPECT_NE(said.find("the last bits may differ"), std::string::npos) << said;
  EXPECT_NE(said.find("it had 1 thread, now it would have 2"), std::string::npos) << said;
}

TEST_F(Train, AnUnfinishedRunIsAModel) {
  const pid_t child = start("small.toml -o a --tune off --epochs 500");
  ASSERT_TRUE(wait_until_exists(folder_ / "a" / "checkpoints" / "best.safetensors"));
  const auto fovea = [&](const std::string& arguments) {
    const int status =
        std::system(("cd " + folder_.string() + " && " + program().string() + " " + arguments + " >o2 2>e2").c_str());
    return WEXITSTATUS(status);
  };
  EXPECT_EQ(fovea("evaluate a/ 'drawn:glyphs?count=200' --json"), 0) << read(folder_ / "e2");
  EXPECT_EQ(nlohmann::json::parse(read(folder_ / "o2")).at("count"), 200);
  EXPECT_NE(read(folder_ / "e2").find("the run is not finished"), std::string::npos);
  kill(child, SIGINT);
  EXPECT_EQ(wait_for(child), 130) << err_;
  EXPECT_EQ(fovea("summary a"), 0) << read(folder_ / "e2");
  EXPECT_EQ(fovea("convert a -o a.onnx"), 0) << read(folder_ / "e2");
  Image picture(28, 28, 1);
  write_image(folder_ / "x.png", picture);
  EXPECT_EQ(fovea("classify a x.png"), 0) << read(folder_ / "e2");
  EXPECT_EQ(fovea("summary a --arch resnet18"), 2);
  fs::remove_all(folder_ / "a" / "checkpoints");
  EXPECT_EQ(fovea("summary a"), 2);
  EXPECT_NE(read(folder_ / "e2").find("no checkpoint yet"), std::string::npos) << read(folder_ / "e2");
}

TEST_F(Train, OneProcessAFolder) {
  const pid_t child = start("small.toml -o a --tune off --epochs 500 --checkpoint-every 5");
  ASSERT_TRUE(wait_until_exists(checkpoint("a")));
  const std::string line = "cd " + folder_.string() + " && " + program().string() + " train --resume -o a 2>e2";
  EXPECT_EQ(WEXITSTATUS(std::system(line.c_str())), 2);
  EXPECT_NE(read(folder_ / "e2").find("another process trains in this folder"), std::string::npos);
  kill(child, SIGKILL);
  wait_for(child);
  EXPECT_EQ(run("--resume -o a --epochs 1"), 0) << err_;  // the lock has gone with the process
}

TEST_F(Train, AFullDiskLeavesTheOldCheckpoint) {
  ASSERT_EQ(run("small.toml -o whole --tune off"), 0) << err_;
  const pid_t child = start("small.toml -o a --tune off --checkpoint-every 5");
  ASSERT_TRUE(wait_until_exists(checkpoint("a")));
  kill(child, SIGKILL);
  wait_for(child);
  const std::string before = read(checkpoint("a"));
  EXPECT_EQ(run("--resume -o a --tune off --checkpoint-every 5", before.size() / 2), 1) << err_;
  expect_one_message("last.safetensors");
  EXPECT_TRUE(read(checkpoint("a")) == before);
  ASSERT_EQ(run("--resume -o a --tune off"), 0) << err_;
  EXPECT_TRUE(read(folder_ / "whole" / "final.onnx") == read(folder_ / "a" / "final.onnx"));
}

TEST_F(Train, RefusesWhatDoesNotBelongToTheRun) {
  const pid_t child = start("small.toml -o a --tune off --checkpoint-every 5");
  ASSERT_TRUE(wait_until_exists(checkpoint("a")));
  kill(child, SIGKILL);
  wait_for(child);
  const std::string good = read(checkpoint("a")), log = read(folder_ / "a" / "metrics.jsonl");
  EXPECT_EQ(run("small.toml --resume -o a --rate 0.5"), 2);
  expect_one_message("\"rate = 0.003\" there, \"rate = 0.5\" now");
  EXPECT_EQ(run("--resume -o a --limit 100"), 2);
  expect_one_message("limit");
  std::string bad = good;
  bad[bad.size() - 10] = static_cast<char>(bad[bad.size() - 10] ^ 1);
  write("a/checkpoints/last.safetensors", bad);
  EXPECT_EQ(run("--resume -o a"), 3);
  expect_one_message("damaged");
  write("a/checkpoints/last.safetensors", good.substr(0, good.size() / 2));
  EXPECT_EQ(run("--resume -o a"), 3);
  expect_one_message("last.safetensors");
  bad = good;
  const size_t version = bad.find("\"version\":\"1\"");
  ASSERT_NE(version, std::string::npos);
  bad[version + 11] = '7';
  write("a/checkpoints/last.safetensors", bad);
  EXPECT_EQ(run("--resume -o a"), 3);
  expect_one_message("version 7");
  // Of another network, whole and sound.
  std::string other = kRecipe;
  other.replace(other.find("out = 8"), 7, "out = 9");
  write("other.toml", other);
  ASSERT_EQ(run("other.toml -o b --tune off --epochs 1 --checkpoint-every 5"), 0) << err_;
  write("a/checkpoints/last.safetensors", read(checkpoint("b")));
  EXPECT_EQ(run("--resume -o a"), 2);
  expect_one_message("of another network");
  EXPECT_EQ(read(folder_ / "a" / "metrics.jsonl"), log);  // nothing was touched
  write("a/checkpoints/last.safetensors", good);
  EXPECT_EQ(run("--resume -o a --tune off"), 0) << err_;
}

TEST_F(Train, DivergenceIsSaidAndLogged) {
  EXPECT_EQ(run("small.toml -o a --tune off --optimiser sgd --set schedule.rate=1e6 --set average=0"), 2);
  expect_one_message("diverged at step");
  const auto log = log_of("a");
  ASSERT_FALSE(log.empty());
  EXPECT_EQ(log.back().at("reason"), "diverged");
  EXPECT_NE(log.back().at("message").get<std::string>().find("diverged at step"), std::string::npos);
}

// IDX files of `count` grey pictures of 28 x 28 with labels n % classes.
std::string idx_pictures(int count, int side = 28) {
  std::string bytes = {0,
                       0,
                       8,
                       3,
                       0,
                       0,
                       static_cast<char>(count >> 8),
                       static_cast<char>(count),
                       0,
                       0,
                       0,
                       static_cast<char>(side),
                       0,
                       0,
                       0,
                       static_cast<char>(side)};
  for (int i = 0; i < count * side * side; ++i) bytes += static_cast<char>(i * 7919 >> 3);
  return bytes;
}
std::string idx_labels(int count, int classes) {
  std::string bytes = {0, 0, 8, 1, 0, 0, static_cast<char>(count >> 8), static_cast<char>(count)};
  for (int i = 0; i < count; ++i) bytes += static_cast<char>(i % classes);
  return bytes;
}

class TrainData : public Train {
 protected:
  void write_mnist(const std::string& pictures, const std::string& labels) const {
    write("mnist/train-images-idx3-ubyte", pictures);
    write("mnist/train-labels-idx1-ubyte", labels);
    write("mnist/t10k-images-idx3-ubyte", idx_pictures(40));
    write("mnist/t10k-labels-idx1-ubyte", idx_labels(40, 10));
  }
  // One message, this code, and no folder.
  void expect_refused(const std::string& data, int code, const std::string& part) {
    EXPECT_EQ(run("small.toml " + data + " -o r --tune off --set augment=\"\""), code) << data << "\n" << err_;
    expect_one_message(part);
    EXPECT_FALSE(fs::exists(folder_ / "r")) << data;
  }
};

TEST_F(TrainData, GoodFilesTrain) {
  write_mnist(idx_pictures(80), idx_labels(80, 10));
  EXPECT_EQ(run("small.toml mnist -o r --tune off --epochs 1"), 0) << err_;
}

TEST_F(TrainData, LabelsOutOfRange) {
  std::string labels = idx_labels(80, 10);
  labels[8 + 33] = 77;
  write_mnist(idx_pictures(80), labels);
  // IDX files name no classes: there are as many as the largest label says, most of them without a sample.
  expect_refused("mnist", 2, "67 of the 78 classes without samples in the train split");
  expect_one_message("the largest label, 77, is that of sample 33");
}

TEST_F(TrainData, AClassThatIsMissing) {
  std::string labels = idx_labels(80, 10);
  for (size_t i = 8; i < labels.size(); ++i)
    if (labels[i] == 4) labels[i] = 5;
  write_mnist(idx_pictures(80), labels);
  expect_refused("mnist", 2, "1 of the 10 classes without samples in the train split: 4");
  write_mnist(idx_pictures(80), idx_labels(80, 9));
  expect_refused("mnist", 3, "the test split, sample 9: its label is 9");
}

TEST_F(TrainData, AHeaderThatLies) {
  std::string pictures = idx_pictures(80);
  pictures[6] = 1;  // 336 pictures
  write_mnist(pictures, idx_labels(80, 10));
  expect_refused("mnist", 3, "train-images-idx3-ubyte");
  pictures[4] = 0x7f;  // 2 billion
  write_mnist(pictures, idx_labels(80, 10));
  expect_refused("mnist", 3, "train-images-idx3-ubyte");
}

TEST_F(TrainData, AGzipThatIsCutShort) {
  write_mnist(idx_pictures(80), idx_labels(80, 10));
  ASSERT_EQ(std::system(("gzip " + (folder_ / "mnist/train-images-idx3-ubyte").string()).c_str()), 0);
  const fs::path file = folder_ / "mnist/train-images-idx3-ubyte.gz";
  fs::resize_file(file, fs::file_size(file) / 2);
  expect_refused("mnist", 3, "train-images-idx3-ubyte.gz");
}

TEST_F(TrainData, ASetWithoutSamples) {
  write_mnist(idx_pictures(0), idx_labels(0, 10));
  expect_refused("mnist", 2, "mnist: the train split holds no samples");
}

// The zoo's LeNet-5 is one of grey pictures: it is built for colours where the set has them.
TEST_F(TrainData, ColourPicturesForANetworkOfGreyOnes) {
  for (int i = 0; i < 20; ++i) {
    const fs::path to = folder_ / "colours" / (i % 2 ? "odd" : "even");
    fs::create_directories(to);
    write_image(to / (std::to_string(i) + ".png"), Image(28, 28, 3));
  }
  EXPECT_EQ(run("lenet5 colours -o r --tune off --epochs 1 --batch 6"), 0) << err_;
}

TEST_F(TrainData, AnEmptyFolder) {
  fs::create_directories(folder_ / "nothing");
  expect_refused("nothing", 3, "nothing");
  expect_refused("nowhere", 3, "nowhere");
  fs::create_directories(folder_ / "classes" / "cats");
  fs::create_directories(folder_ / "classes" / "dogs");
  EXPECT_NE(run("small.toml classes -o r"), 0);
  EXPECT_FALSE(fs::exists(folder_ / "r"));
}

TEST_F(TrainData, PicturesOfManySizesAreFittedAndABrokenOneIsNamed) {
  for (int i = 0; i < 40; ++i) {
    const fs::path to = folder_ / "pictures" / (i % 2 ? "odd" : "even");
    fs::create_directories(to);
    Image picture(10 + i, 60 - i, i % 3 == 0 ? 1 : 3);
    write_image(to / (std::to_string(i) + ".png"), picture);
  }
  EXPECT_EQ(run("small.toml pictures -o sizes --tune off --epochs 1 --batch 8"), 0) << err_;
  write("pictures/odd/7.png", "no picture at all");
  EXPECT_EQ(run("small.toml pictures -o broken --tune off --epochs 1 --batch 8"), 3);
  expect_one_message("7.png");
  if (fs::exists(folder_ / "broken")) EXPECT_EQ(log_of("broken").back().at("reason"), "failed");
  EXPECT_EQ(run("small.toml pictures -o skipped --tune off --epochs 1 --batch 8 --skip-broken"), 0) << err_;
  // The first one of all, by which sets are told apart.
  write("pictures/even/0.png", "no picture at all");
  EXPECT_EQ(run("small.toml pictures -o first --tune off --epochs 1 --batch 8 --set preprocess=set --skip-broken"), 0)
      << err_;
  EXPECT_EQ(run("lenet5 pictures -o zoo --tune off --epochs 1 --batch 8 --skip-broken"), 0) << err_;
}

}  // namespace
}  // namespace fovea
