// A long run that makes a picture: progress, pictures on the way, Ctrl-C, and going on later.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "fovea/base/context.h"
#include "fovea/commands/command.h"
#include "fovea/compile/plan_book.h"
#include "fovea/insight/picture_synthesis.h"

namespace fovea {

struct PictureRunResult;

struct PictureRunSettings {
  std::string output;      // the picture; the run's state lies beside it, see state_file
  std::string resume;      // the state to go on from; empty: from the beginning
  std::string settings;    // what the run depends on, as lines; a state with other ones is refused
  std::string network;     // fingerprint() of it
  int64_t save_every = 0;  // steps between pictures (OUT_100.png) and states; 0: none
  size_t memory = 0;       // bytes that tiles were chosen by; a state keeps it
  std::string again;       // the command's words, for the line that says how to go on
  // Writes a page about the run: beside every picture on the way, and at the end however it ended. May be empty.
  std::function<void(const PictureRunResult&)> page = {};
};

// OUT.state of OUT.
std::string state_file(const std::string& output);

// All of the run, also what was done before it was resumed.
struct PictureRunResult {
  bool finished = false;
  bool under_way = false;                               // it goes on: this is for a page on the way
  std::string trouble;                                  // which term is no longer finite; the run ended there
  std::string resume;                                   // the line that goes on with it where it was stopped
  std::vector<std::vector<double>> totals;              // of each stage, of each step
  std::vector<std::vector<std::vector<double>>> terms;  // [stage][term][step]
  std::vector<std::string> names;                       // of the terms
  std::vector<double> step_seconds;                     // of each stage, the median; 0 where nothing was done
  std::vector<LossEstimate> estimates;                  // of each stage; no bytes: it was not begun in this call
  std::vector<std::string> files;                       // pictures on the way
  std::vector<std::string> plans;                       // of all programs
  double seconds = 0;
};

// What of the plans a state was made with are to be followed when the run goes on: for the PlanBook that is open while
// the picture's parts are built. `before`: how many programs the run compiles before its first stage.
struct ResumedPlans {
  std::vector<std::string> all, follow;
  size_t memory = 0;  // see PictureRunSettings
};
ResumedPlans plans_of_state(const std::string& file);

// While it lives, work is done by as many threads as a state was made with (see Checkpoint::threads), which is noted
// where that is another number: plans hold for their number of threads. Nothing for an empty name. Throws as
// read_checkpoint.
class ResumedThreads {
 public:
  ResumedThreads(const Context& context, const std::string& state);
  ~ResumedThreads();
  ResumedThreads(const ResumedThreads&) = delete;
  ResumedThreads& operator=(const ResumedThreads&) = delete;

 private:
  int before_;
};

class PictureRun {
 public:
  using Write = std::function<void(const std::string& file, const Tensor& levels, const std::vector<std::string>& plans,
                                   const std::string& unfinished)>;
  // The book is open already and has seen all programs that are compiled before the first stage. `write` makes a
  // picture of levels and writes it; `plans`: of all programs so far; `unfinished`: "after 100 of 500 steps" of a
  // picture that is not what the command makes, else empty.
  PictureRun(PictureRunSettings settings, PlanBook& book, Write write);

  // To be told of each stage as it begins: notes memory and time.
  void begun(const Context& context, size_t stage, const PictureLoss& loss, const PictureSynthesis& synthesis);
  // Makes the picture and writes it. When the context is cancelled: writes the picture so far and the state, and notes
  // how to go on. Where the loss is no longer finite it writes the last good picture and notes which term it was.
  // Throws what restoring throws.
  PictureRunResult run(const Context& context, PictureSynthesis& synthesis);

 private:
  void restore(PictureSynthesis& synthesis);
  void write_state(PictureSynthesis& synthesis);
  void show(bool under_way);
  void write_unfinished(const std::string& file, PictureSynthesis& synthesis);
  std::vector<std::string> all_plans() const;
  void step(const Context& context, PictureSynthesis& synthesis, const SynthesisStep& step);
  double seconds_left(const PictureSynthesis& synthesis) const;

  PictureRunSettings settings_;
  PlanBook& book_;
  Write write_;
  size_t before_ = 0;                 // programs before the first stage
  size_t stage_begins_ = 0;           // programs of the book when the stage began
  std::vector<std::string> earlier_;  // plans of stages before the one that was resumed
  std::vector<double> times_;         // of this stage's steps
  double last_ = 0, since_ = 0;       // of the last step and of this call, minus the seconds before it
  bool state_written_ = false;
  PictureRunResult result_;
};

// --depth, --save-every, --resume, --memory and --tile.
OptionList picture_run_options(int64_t& depth, int64_t& save_every, std::string& resume, std::string& memory,
                               int64_t& tile);

// "2G", "1500M", "900K", or a number of MiB. Throws Error{usage}.
size_t parse_memory(const std::string& text);

// "3,7" → {3, 7}; "" → {}. Throws Error{usage} naming the option.
std::vector<double> parse_numbers(const std::string& text, const std::string& option);
// "a,b" → {"a", "b"}.
std::vector<std::string> parse_names(const std::string& text);

}  // namespace fovea
