// The log of a training run: metrics.jsonl, one JSON object a line, appended to while the run goes on.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/train/norms.h"

namespace fovea {

// {"kind":"start", …}: what is trained on what; the first line of a log.
struct RunStart {
  std::string model, data;
  int64_t parameters = 0, train_count = 0, test_count = 0;
  std::vector<std::string> classes;
  int64_t steps_per_epoch = 0;
  double epochs = 0;
  int64_t batch = 0;
  uint64_t seed = 0;
};

// {"kind":"step", …}: means over the steps since the line before it.
struct StepRecord {
  int64_t step = 0;  // updates done
  double epoch = 0;  // epochs done, with their fraction
  double loss = 0, accuracy = 0;
  double rate = 0;
  double samples_per_second = 0;
};

struct TestResult {
  int64_t count = 0, errors = 0;
  double top1 = 0, top5 = 0;  // shares, 0..1
  double loss = 0;
};

// {"kind":"epoch", …}: an evaluation, usually at the end of an epoch.
struct EpochRecord {
  int64_t step = 0;
  double epoch = 0;
  double train_loss = 0, train_accuracy = 0;  // means over the training steps since the evaluation before
  std::optional<TestResult> test;
  double rate = 0;
  double seconds = 0;  // since the start of the run, without the time in which it was interrupted
  std::vector<LayerNorms> layers;
};

// {"kind":"resumed", …}: the run went on from here.
struct ResumedRecord {
  int64_t step = 0;
};

// {"kind":"end", …}.
struct RunEnd {
  int64_t step = 0;
  double seconds = 0;
  std::string reason = "finished";  // finished, diverged, failed
  std::string message = {};         // what went wrong; empty for a run that has finished
};

using LogRecord = std::variant<RunStart, StepRecord, EpochRecord, ResumedRecord, RunEnd>;

// One line without its end. A number that is not finite becomes null.
std::string to_json_line(const LogRecord& record);
// The record of a line; nothing for a kind that this version does not know. A missing number is NaN or 0. Throws
// Error{format} naming the key, with what was expected and found.
std::optional<LogRecord> parse_json_line(std::string_view line);

// All that a log says, by kind and in its order.
struct RunHistory {
  std::optional<RunStart> start;
  std::vector<StepRecord> steps;
  std::vector<EpochRecord> epochs;
  std::vector<ResumedRecord> resumed;
  std::optional<RunEnd> end;
  bool cut = false;     // the last line was not whole and is left out
  int64_t unknown = 0;  // lines of other kinds

  // The evaluation with the fewest errors, the first of equals; null when there is none.
  const EpochRecord* best() const;
};

// Reads a log. A last line without its end is left out (the run was killed while it wrote, or is writing now). Throws
// Error{io} for a missing file and Error{format}, naming file and line, for any other line that is not a record.
RunHistory read_run_log(const std::filesystem::path& path);
RunHistory parse_run_log(const Bytes& file);

// Appends to a log. Every line is handed to the system at once, so that a killed process loses none that was appended.
class RunLog {
 public:
  // Opens or makes the file and takes away a last line that is not whole. Throws Error{io}.
  explicit RunLog(std::filesystem::path path);
  ~RunLog();
  RunLog(const RunLog&) = delete;
  RunLog& operator=(const RunLog&) = delete;

  // Throws Error{io}: the disk is full.
  void append(const LogRecord& record);
  // Takes away what was logged after a step, and that the run has ended: for resuming from a checkpoint of that step.
  // What stays, stays as it is. Throws Error{io} and, as reading does, Error{format}.
  void truncate_after(int64_t step);

 private:
  void open();
  std::filesystem::path path_;
  int file_ = -1;
};

}  // namespace fovea
