#include "fovea/commands/picture_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/base/parallel.h"
#include "fovea/commands/model_options.h"
#include "fovea/report/table.h"
#include "fovea/train/checkpoint.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

double now() { return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count(); }

double median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::nth_element(values.begin(), values.begin() + static_cast<int64_t>(values.size() / 2), values.end());
  return values[values.size() / 2];
}

constexpr const char* kHistory = "history of stage ";

struct SavedPlans {
  std::vector<std::string> plans;
  size_t before = 0, stage_begins = 0;
  // Of the run so far.
  std::vector<std::string> names;
  std::vector<double> step_seconds;
  double seconds = 0;
};

SavedPlans saved_plans(const Checkpoint& checkpoint, const std::string& file) {
  try {
    const Json json = Json::parse(checkpoint.plan);
    SavedPlans saved{json.at("plans").get<std::vector<std::string>>(),
                     json.at("before").get<size_t>(),
                     json.at("stage").get<size_t>(),
                     json.value("terms", std::vector<std::string>{}),
                     json.value("step_seconds", std::vector<double>{}),
                     json.value("seconds", 0.0)};
    require(saved.before <= saved.stage_begins && saved.stage_begins <= saved.plans.size(), ErrorKind::format,
            "{}: its plans are damaged", file);
    return saved;
  } catch (const nlohmann::json::exception&) {
    fail(ErrorKind::format, "{}: is no state of a picture that fovea was making", file);
  }
}

// The losses so far, for the state: of each stage [steps, 1 + terms].
void save_history(const PictureRunResult& result, Weights& states) {
  for (size_t k = 0; k < result.totals.size(); ++k) {
    const auto steps = static_cast<int64_t>(result.totals[k].size());
    if (steps == 0) continue;
    const size_t columns = 1 + result.terms[k].size();
    Tensor table(DType::f64, {steps, static_cast<int64_t>(columns)});
    const auto to = table.data<double>();
    for (size_t i = 0; i < static_cast<size_t>(steps); ++i) {
      to[i * columns] = result.totals[k][i];
      for (size_t t = 1; t < columns; ++t) to[i * columns + t] = result.terms[k][t - 1][i];
    }
    states[kHistory + std::to_string(k)] = std::move(table);
  }
}

// Takes them out of the state again.
void take_history(std::map<std::string, Tensor>& states, size_t stages, PictureRunResult& result) {
  result.totals.resize(stages);
  result.terms.resize(stages);
  for (size_t k = 0; k < stages; ++k) {
    const auto found = states.find(kHistory + std::to_string(k));
    if (found == states.end()) continue;
    const Tensor& table = found->second;
    if (table.rank() != 2 || table.dtype() != DType::f64 || table.size(1) != 1 + std::ssize(result.names)) continue;
    const auto from = table.data<double>();
    const auto columns = static_cast<size_t>(table.size(1));
    result.terms[k].resize(columns - 1);
    for (size_t i = 0; i < from.size(); i += columns) {
      result.totals[k].push_back(from[i]);
      for (size_t t = 1; t < columns; ++t) result.terms[k][t - 1].push_back(from[i + t]);
    }
  }
  std::erase_if(states, [](const auto& entry) { return entry.first.starts_with(kHistory); });
}

// "term 1.2e+03, term 4.5": the largest three first.
std::string largest_terms(const SynthesisStep& step) {
  std::vector<size_t> order(step.value.terms.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return step.value.terms[a] > step.value.terms[b]; });
  std::string text;
  for (size_t k = 0; k < std::min<size_t>(3, order.size()); ++k)
    text += fmt::format("{}{} {:.3g}", k ? ", " : "", step.loss.terms()[order[k]].name, step.value.terms[order[k]]);
  return text;
}

}  // namespace

OptionList picture_run_options(int64_t& depth, int64_t& save_every, std::string& resume, std::string& memory,
                               int64_t& tile) {
  return {
      {"--depth", "BITS", "16: a result of 16 bits (.png, .tif, .ppm)", &depth, false, {}, 8, 16},
      {"--save-every",
       "N",
       "also write the picture (OUT_100.png) and the state of the work every N steps",
       &save_every,
       false,
       {},
       0,
       1e6},
      {"--resume", "FILE", "go on from a state, OUT.state, with the same command", &resume},
      {"--memory", "AMOUNT",
       "memory that may be used, such as 2G; large pictures are worked on in exact tiles; else 70 % of what is free",
       &memory},
      {"--tile", "N", "tiles of that many pixels whatever the memory; 0: by it", &tile, false, {}, 0, 65536}};
}

std::string state_file(const std::string& output) { return output + ".state"; }

ResumedPlans plans_of_state(const std::string& file) {
  const Checkpoint checkpoint = read_checkpoint(file);
  const SavedPlans saved = saved_plans(checkpoint, file);
  ResumedPlans result{saved.plans, {saved.plans.begin(), saved.plans.begin() + static_cast<int64_t>(saved.before)}};
  if (const auto memory = checkpoint.numbers.find("memory");
      memory != checkpoint.numbers.end() && memory->second >= 0 && memory->second < 1e18)
    result.memory = static_cast<size_t>(memory->second);
  result.follow.insert(result.follow.end(), saved.plans.begin() + static_cast<int64_t>(saved.stage_begins),
                       saved.plans.end());
  return result;
}

ResumedThreads::ResumedThreads(const Context& context, const std::string& state) : before_(thread_count()) {
  if (state.empty()) return;
  require_file(state, "the state of a stopped run, OUT.state");
  const int then = read_checkpoint(state).threads;
  require(then >= 1 && then <= 1024, ErrorKind::format, "{}: is damaged: it was made with {} threads", state, then);
  if (then == before_) return;
  context.note(fmt::format("with {} thread{}, as it was begun", then, then > 1 ? "s" : ""));
  set_thread_count(then);
}

ResumedThreads::~ResumedThreads() { set_thread_count(before_); }

PictureRun::PictureRun(PictureRunSettings settings, PlanBook& book, Write write)
    : settings_(std::move(settings)),
      book_(book),
      write_(std::move(write)),
      before_(book.compiled()),
      stage_begins_(book.compiled()) {}

std::vector<std::string> PictureRun::all_plans() const {
  std::vector<std::string> plans = earlier_;
  const auto& own = book_.plans();
  // Those before the first stage are in `earlier_` already where the run was resumed.
  const size_t from = earlier_.empty() ? 0 : before_;
  for (size_t k = from; k < book_.compiled(); ++k) plans.push_back(own[k]);
  return plans;
}

void PictureRun::restore(PictureSynthesis& synthesis) {
  const std::string& file = settings_.resume;
  const Checkpoint checkpoint = read_checkpoint(file);
  const SavedPlans saved = saved_plans(checkpoint, file);
  require(checkpoint.model == settings_.network, ErrorKind::usage, "{}: was made with another network", file);
  require(checkpoint.recipe == settings_.settings, ErrorKind::usage,
          "{}: was made with other settings or pictures and cannot go on with these; then:\n{}now:\n{}", file,
          checkpoint.recipe, settings_.settings);
  require(saved.before == before_, ErrorKind::usage, "{}: was made by another version of fovea", file);
  earlier_.assign(saved.plans.begin(), saved.plans.begin() + static_cast<int64_t>(saved.stage_begins));
  DescentState state{{checkpoint.states.begin(), checkpoint.states.end()}, checkpoint.numbers};
  result_.names = saved.names;
  take_history(state.tensors, synthesis.stages().size(), result_);
  synthesis.restore(state);
  result_.step_seconds = saved.step_seconds;
  result_.step_seconds.resize(synthesis.stages().size());
  since_ -= saved.seconds;
}

void PictureRun::write_state(PictureSynthesis& synthesis) {
  DescentState state = synthesis.state();
  Checkpoint checkpoint;
  for (auto& [name, tensor] : state.tensors) checkpoint.states[name] = std::move(tensor);
  save_history(result_, checkpoint.states);
  checkpoint.numbers = std::move(state.numbers);
  checkpoint.numbers["memory"] = static_cast<double>(settings_.memory);
  checkpoint.step = synthesis.done();
  checkpoint.model = settings_.network;
  checkpoint.recipe = settings_.settings;
  const size_t begins = earlier_.empty() ? stage_begins_ : earlier_.size() + stage_begins_ - before_;
  checkpoint.plan = Json{
      {"plans", all_plans()},
      {"before", before_},
      {"stage", begins},
      {"terms", result_.names},
      {"step_seconds", result_.step_seconds},
      {"seconds",
       now() - since_}}.dump();
  checkpoint.threads = thread_count();
  writing([&] { write_checkpoint(checkpoint, state_file(settings_.output)); });
  state_written_ = true;
}

void PictureRun::write_unfinished(const std::string& file, PictureSynthesis& synthesis) {
  const std::string how = fmt::format("after {} of {}", synthesis.done(), counted(synthesis.total(), "step"));
  writing([&] { write_(file, synthesis.shown(), all_plans(), how); });
}

void PictureRun::begun(const Context& context, size_t stage, const PictureLoss& loss,
                       const PictureSynthesis& synthesis) {
  const LossEstimate& e = loss.estimate();
  const SynthesisStage& s = synthesis.stages()[stage];
  context.note(fmt::format(
      "{}x{}: {}, about {} an evaluation, {} of memory{}", s.width, s.height, counted(s.steps, "step"),
      duration_text(e.seconds), short_bytes(static_cast<double>(e.bytes)),
      e.tiling.tiled
          ? fmt::format(", in {} tiles of {}x{}", e.tiling.count(), e.tiling.columns.length, e.tiling.rows.length)
          : ""));
  result_.estimates.resize(synthesis.stages().size());
  result_.estimates[stage] = e;
  times_.clear();
  last_ = now();
}

void PictureRun::show(bool under_way) {
  if (!settings_.page) return;
  result_.under_way = under_way;
  result_.seconds = now() - since_;
  settings_.page(result_);
}

// By this stage's steps and the sizes of those that come.
double PictureRun::seconds_left(const PictureSynthesis& synthesis) const {
  const double each = median(times_);
  const auto& stages = synthesis.stages();
  const auto pixels = [&](size_t k) { return static_cast<double>(stages[k].height * stages[k].width); };
  const size_t at = synthesis.stage();
  int64_t before = synthesis.done();
  for (size_t k = 0; k < at; ++k) before -= stages[k].steps;
  double left = each * static_cast<double>(stages[at].steps - before);
  for (size_t k = at + 1; k < stages.size(); ++k)
    left += each * pixels(k) / pixels(at) * static_cast<double>(stages[k].steps);
  return left;
}

void PictureRun::step(const Context& context, PictureSynthesis& synthesis, const SynthesisStep& s) {
  PictureRunResult& result = result_;
  const double time = now();
  times_.push_back(time - last_);
  last_ = time;
  const SynthesisStage& stage = synthesis.stages()[s.stage];
  if (result.names.empty())
    for (const LossTerm& term : s.loss.terms()) result.names.push_back(term.name);
  result.totals.resize(synthesis.stages().size());
  result.terms.resize(synthesis.stages().size());
  result.step_seconds.resize(synthesis.stages().size());
  result.totals[s.stage].push_back(s.value.total);
  result.terms[s.stage].resize(s.value.terms.size());
  for (size_t t = 0; t < s.value.terms.size(); ++t) result.terms[s.stage][t].push_back(s.value.terms[t]);
  result.step_seconds[s.stage] = median(times_);
  const std::string what = fmt::format("{}x{}", stage.width, stage.height),
                    left = synthesis.stages().size() > 1
                               ? fmt::format("{} left in all, ", duration_text(seconds_left(synthesis)))
                               : "";
  context.report({what, s.step, stage.steps, fmt::format("{}loss {:.4g}: {}", left, s.value.total, largest_terms(s))});
  if (settings_.save_every == 0 || s.done % settings_.save_every != 0 || s.done == s.total) return;
  const fs::path out = settings_.output;
  const std::string file =
      (out.parent_path() / fmt::format("{}_{}{}", out.stem().string(), s.done, out.extension().string())).string();
  try {
    write_unfinished(file, synthesis);
    result.files.push_back(file);
    write_state(synthesis);
    result.resume = fmt::format("{} --resume {}", settings_.again, state_file(settings_.output));
    show(true);
  } catch (const WriteError& e) {
    context.note(fmt::format("{}; the work goes on without it", e.message()));  // a full disk may have room at the end
  }
  last_ = now();
}

PictureRunResult PictureRun::run(const Context& context, PictureSynthesis& synthesis) {
  since_ = now();
  if (!settings_.resume.empty()) {
    restore(synthesis);
    context.note(fmt::format("going on after step {} of {}", synthesis.done(), synthesis.total()));
  }
  last_ = now();
  const PictureSynthesis::Outcome outcome = synthesis.run(context, [&](const SynthesisStep& s) {
    step(context, synthesis, s);
    if (s.step == synthesis.stages()[s.stage].steps) stage_begins_ = book_.compiled();
  });
  result_.seconds = now() - since_;
  result_.finished = outcome.finished;
  result_.trouble = outcome.trouble;
  result_.resume.clear();
  result_.plans = all_plans();
  if (outcome.finished) writing([&] { write_(settings_.output, synthesis.shown(), result_.plans, ""); });
  else write_unfinished(settings_.output, synthesis);
  const std::string state = state_file(settings_.output);
  if (!outcome.trouble.empty()) {
    show(false);
    context.note(fmt::format(
        "{}; {} holds the last good picture, of step {}. A smaller --rate, other weights or --exact may help",
        outcome.trouble, settings_.output, synthesis.done()));
    return result_;
  }
  if (!outcome.finished) {
    write_state(synthesis);
    result_.resume = fmt::format("{} --resume {}", settings_.again, state);
    context.note(fmt::format("stopped after step {} of {}: {} holds the picture so far; to go on: {}", synthesis.done(),
                             synthesis.total(), settings_.output, result_.resume));
  } else if (state_written_ || settings_.resume == state) {
    std::error_code error;
    fs::remove(state, error);  // nothing is left to go on with
  }
  if (const auto& losses = result_.totals.empty() ? std::vector<double>() : result_.totals.back();
      outcome.finished && losses.size() > 1 && losses.back() > losses.front())
    context.note(fmt::format("the loss has grown, from {:.4g} to {:.4g}: a smaller --rate may help", losses.front(),
                             losses.back()));
  show(false);
  return result_;
}

size_t parse_memory(const std::string& text) {
  if (text.empty()) return 0;
  double number = 0;
  const char* end = text.data() + text.size();
  const auto [rest, error] = std::from_chars(text.data(), end, number);
  std::string unit(rest, end);
  std::transform(unit.begin(), unit.end(), unit.begin(), [](unsigned char c) { return std::toupper(c); });
  for (const char* suffix : {"IB", "B"})
    if (unit.size() > 1 && unit.ends_with(suffix)) unit.resize(unit.size() - std::string(suffix).size());
  const double factor = unit == "K" ? 1024.0 : unit.empty() || unit == "M" ? 1048576.0 : unit == "G" ? 1073741824.0 : 0;
  require(error == std::errc() && factor > 0 && number >= 0 && number * factor < 1e18, ErrorKind::usage,
          "--memory {}: expected an amount such as 2G, 1500M or a number of MiB", text);
  return static_cast<size_t>(number * factor);
}

std::vector<std::string> parse_names(const std::string& text) {
  std::vector<std::string> names;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(',', begin), text.size());
    if (end > begin) names.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return names;
}

std::vector<double> parse_numbers(const std::string& text, const std::string& option) {
  std::vector<double> numbers;
  for (const std::string& word : parse_names(text)) {
    double number = 0;
    const auto [rest, error] = std::from_chars(word.data(), word.data() + word.size(), number);
    require(error == std::errc() && rest == word.data() + word.size() && std::isfinite(number), ErrorKind::usage,
            "{} {}: \"{}\" is no number, expected numbers with commas between them, such as 3,7", option, text, word);
    numbers.push_back(number);
  }
  return numbers;
}

}  // namespace fovea
