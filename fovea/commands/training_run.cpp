#include "fovea/commands/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/counted.h"
#include "fovea/base/parallel.h"
#include "fovea/commands/fused_models.h"
#include "fovea/formats/onnx_write.h"
#include "fovea/formats/open.h"
#include "fovea/model/statistics.h"
#include "fovea/report/table.h"
#include "fovea/train/diagnosis.h"

namespace fovea {

namespace {

using Clock = std::chrono::steady_clock;
using Json = nlohmann::ordered_json;

constexpr double kSecondsBetweenCheckpoints = 60;
constexpr int64_t kLinesAnEpoch = 20;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double number(const Checkpoint& checkpoint, const char* name, double otherwise) {
  const auto found = checkpoint.numbers.find(name);
  return found == checkpoint.numbers.end() ? otherwise : found->second;
}

// The network with the weights that the run began with, where its folder keeps them: the file that they came from may
// have changed, and those that are frozen stand in no checkpoint.
Model with_first_weights(Model model, const std::filesystem::path& kept) {
  std::error_code error;
  if (!std::filesystem::exists(kept, error)) return model;
  const Model first = open_model(kept.string());
  for (auto& [name, value] : model.weights) {
    const auto found = first.weights.find(name);
    if (found != first.weights.end() && found->second.shape() == value.shape() &&
        found->second.dtype() == value.dtype())
      value = found->second;
  }
  return model;
}

// Takes the place of what a file that training went on from said of itself.
void state(Meaning& meaning, const std::string& key, std::string value) {
  std::erase_if(meaning.metadata, [&](const auto& entry) { return entry.first == key; });
  meaning.metadata.emplace_back(key, std::move(value));
}

TestResult as_test_result(const Evaluation& e) { return {e.count, e.errors, e.top1, e.top5, e.loss}; }

// Rank 0's text on every rank.
std::string broadcast_text(Group* group, std::string text) {
  if (!group || group->size() == 1) return text;
  int64_t size[] = {static_cast<int64_t>(text.size())};
  group->broadcast(std::as_writable_bytes(std::span<int64_t>(size)));
  text.resize(static_cast<size_t>(size[0]));
  if (!text.empty()) group->broadcast(std::as_writable_bytes(std::span<char>(text)));
  return text;
}

}  // namespace

std::unique_ptr<Trainer> trainer_for(const Context& context, const TrainingTask& task, const Engine& engine,
                                     const Checkpoint* before) {
  CompileOptions options = engine.compile_options;
  options.group = task.group;
  options.plan = broadcast_text(task.group, before ? before->plan : std::string());
  const auto made = [&] {
    return std::make_unique<Trainer>(task.model, task.recipe, task.train, *engine.backend, options, task.broken);
  };
  if (options.plan.empty()) return made();
  std::string why;
  if (before && before->threads != thread_count()) {
    why = fmt::format("it had {}, now it would have {}", counted(before->threads, "thread"), thread_count());
  } else {
    try {
      return made();
    } catch (const Error& e) {
      if (e.kind() != ErrorKind::usage) throw;
      why = e.message();
    }
  }
  options.plan.clear();
  std::unique_ptr<Trainer> trainer = made();
  context.note(fmt::format(
      "the run goes on with other algorithms than it began with, so the last bits may differ from those of an "
      "undisturbed run: {}",
      why));
  return trainer;
}

TrainingRun::TrainingRun(const Context& context, RunFolder& folder, TrainingTask task)
    : context_(context), folder_(folder), task_(std::move(task)), engine_(task_.engine) {
  start_ = saved_ = line_ = warm_ = Clock::now();
  std::optional<Checkpoint> before;
  if (folder_.has_checkpoint()) before = read_checkpoint(folder_.last());
  if (before) {
    require(before->model == fingerprint(task_.model), ErrorKind::usage,
            "{}: the checkpoint is of another network than {}; begin another run with -o", folder_.last().string(),
            task_.model.meaning.name);
    check_sets(*before);
    task_.model = with_first_weights(std::move(task_.model), folder_.network());
  }
  trainer_ = trainer_for(context_, task_, engine_, before ? &*before : nullptr);
  if (before) trainer_->restore(*before);
  trainer_->share();
  for (const std::string& note : trainer_->notes()) context_.note(note);
  writing([&] {
    write_file(folder_.recipe(), task_.recipe_text);
    std::error_code error;
    if (!before || !std::filesystem::exists(folder_.network(), error)) write_onnx(trainer_->model(), folder_.network());
  });
  first_step_ = trainer_->step();
  if (before) {
    best_errors_ = number(*before, "best errors", -1);
    best_step_ = number(*before, "best step", 0);
    seconds_before_ = number(*before, "run seconds", 0);
    loss_sum_ = number(*before, "line loss", 0);
    wrong_ = std::llround(number(*before, "line wrong", 0));
    seen_ = std::llround(number(*before, "line seen", 0));
    updates_ = std::llround(number(*before, "line updates", 0));
    records_.emplace(folder_.path(), trainer_->step());
    records_->append(ResumedRecord{trainer_->step()});
  } else {
    records_.emplace(folder_.path(), -1);
    start_records();
  }
}

// Another number of samples is another run: the batches would not be the same.
void TrainingRun::check_sets(const Checkpoint& before) const {
  const auto check = [&](const char* what, const Dataset* set) {
    const double count = number(before, what, -1), now = set ? static_cast<double>(set->size()) : 0;
    require(count < 0 || count == now, ErrorKind::usage,
            "{}: the run was begun with a {} of {}, now it is {}: the data has changed", folder_.path().string(), what,
            count, now);
  };
  check("train count", task_.train.get());
  check("test count", task_.test.get());
}

double TrainingRun::seconds() const { return seconds_before_ + since(start_); }

void TrainingRun::start_records() {
  RunStart start;
  start.model = task_.model.meaning.name;
  start.data = task_.data;
  start.parameters = statistics_of(task_.model).parameters;
  start.train_count = task_.train->size();
  start.test_count = task_.test ? task_.test->size() : 0;
  start.classes = task_.model.meaning.classes;
  start.steps_per_epoch = trainer_->steps_per_epoch();
  start.epochs = task_.recipe.epochs;
  start.batch = task_.recipe.batch;
  start.seed = task_.recipe.seed;
  records_->append(start);
  records_->add_filters(trainer_->model(), 0, 0);
}

void TrainingRun::on_update(const Trainer::Update& update) {
  loss_sum_ += update.loss, wrong_ += update.errors, seen_ += update.count, ++updates_;
  const double wrong = static_cast<double>(update.errors) / static_cast<double>(std::max<int64_t>(update.count, 1));
  shown_error_ = shown_loss_ < 0 ? wrong : 0.98 * shown_error_ + 0.02 * wrong;
  shown_loss_ = shown_loss_ < 0 ? update.loss : 0.98 * shown_loss_ + 0.02 * update.loss;
  context_.report({"training", update.step, trainer_->steps(),
                   fmt::format("epoch {:.2f}/{:g}  loss {:.4f}  {:.2f} % right  rate {:.3g}", update.epoch,
                               task_.recipe.epochs, shown_loss_, 100 * (1 - shown_error_), update.rate)});
  // What is left of a line at the end is too little to be one: the mean of a few updates.
  if (update.step % std::max<int64_t>(1, trainer_->steps_per_epoch() / kLinesAnEpoch) == 0) {
    const auto count = static_cast<double>(std::max<int64_t>(updates_, 1));
    const auto seen = static_cast<double>(std::max<int64_t>(seen_, 1));
    records_->append(StepRecord{update.step, update.epoch, loss_sum_ / count, 1 - static_cast<double>(wrong_) / seen,
                                update.rate, seen / std::max(since(line_), 1e-9)});
    loss_sum_ = 0, wrong_ = seen_ = updates_ = 0;
    line_ = Clock::now();
  }
  tell_time_left(update);
  const bool due = task_.checkpoint_every > 0 ? update.step % task_.checkpoint_every == 0
                                              : since(saved_) > kSecondsBetweenCheckpoints;
  // A checkpoint between an update and its look at the test set would lose the look.
  if (due && !update.look) save(false);
}

// Once, when enough has been done to know.
void TrainingRun::tell_time_left(const Trainer::Update& update) {
  constexpr int64_t kWarmUp = 10, kSteps = 50;
  const int64_t done = update.step - first_step_, left = trainer_->steps() - update.step;
  if (done == kWarmUp) warm_ = Clock::now();
  if (done != kSteps || left < kSteps) return;
  const double each = since(warm_) / static_cast<double>(kSteps - kWarmUp);
  context_.note(fmt::format("{} a second; the {} steps that are left take about {}, and the tests on top of that",
                            short_number(static_cast<double>(task_.recipe.batch) / std::max(each, 1e-9)), left,
                            short_time(each * static_cast<double>(left))));
}

Evaluation TrainingRun::evaluate_now(const Model& model, bool samples) const {
  FusedModels network(model, task_.engine, 0, test_views(task_.recipe.evaluation));
  return evaluate(context_, *task_.test, network, {0, task_.broken != Broken::fatal, samples, samples});
}

void TrainingRun::on_look(const Trainer::Look& look) {
  const Clock::time_point begin = Clock::now();
  EpochRecord record;
  record.step = look.step, record.epoch = look.epoch, record.rate = look.rate;
  record.train_loss = look.loss;
  record.train_accuracy = 1 - static_cast<double>(look.errors) / static_cast<double>(std::max<int64_t>(look.count, 1));
  std::string test;
  bool best = false;
  const Model model = trainer_->model();
  records_->add_filters(model, look.step, look.epoch);
  if (task_.test) {
    last_ = evaluate_now(model, look.step == trainer_->steps());
    record.test = as_test_result(*last_);
    best = best_errors_ < 0 || static_cast<double>(last_->errors) < best_errors_;
    if (best) best_errors_ = static_cast<double>(last_->errors), best_step_ = static_cast<double>(look.step);
    test = fmt::format(", test {:.4f}, {:.2f} % right ({} of {})", last_->loss, 100 * last_->top1,
                       counted(last_->errors, "error"), last_->count);
  }
  last_look_ = look;
  record.seconds = seconds();
  record.layers = look.layers;
  records_->append(record);
  context_.note(fmt::format("epoch {:g}: loss {:.4f}, {:.2f} % right{}, {}", look.epoch, look.loss,
                            100 * record.train_accuracy, test, short_time(record.seconds)));
  if (look.step < trainer_->steps()) save(best);
  else if (best) save(true);
  line_ += Clock::now() - begin;  // the test set's time is not the training's
}

void TrainingRun::save(bool best) {
  Checkpoint checkpoint = trainer_->checkpoint();
  checkpoint.recipe = task_.recipe_text;
  checkpoint.numbers["best errors"] = best_errors_;
  checkpoint.numbers["best step"] = best_step_;
  checkpoint.numbers["run seconds"] = seconds();
  checkpoint.numbers["train count"] = static_cast<double>(task_.train->size());
  checkpoint.numbers["test count"] = task_.test ? static_cast<double>(task_.test->size()) : 0;
  checkpoint.numbers["line loss"] = loss_sum_;
  checkpoint.numbers["line wrong"] = static_cast<double>(wrong_);
  checkpoint.numbers["line seen"] = static_cast<double>(seen_);
  checkpoint.numbers["line updates"] = static_cast<double>(updates_);
  writing([&] {
    write_checkpoint(checkpoint, folder_.last());
    if (best) write_checkpoint(checkpoint, folder_.best());
  });
  saved_ = Clock::now();
}

void TrainingRun::run() {
  trainer_->observe(
      {[this](const Trainer::Update& u) { on_update(u); }, [this](const Trainer::Look& l) { on_look(l); }});
  try {
    trainer_->run(context_);
    save(false);
  } catch (const Error& error) {
    record_failure(error);
    throw;
  }
  if (trainer_->finished()) return finish();
  records_->write_page();
  context_.note(fmt::format("stopped after step {} of {}; saved. To go on: fovea train --resume -o {}",
                            trainer_->step(), trainer_->steps(), folder_.path().string()));
}

// As far as that is still possible: the disk may be full.
void TrainingRun::record_failure(const Error& error) {
  const bool diverged = dynamic_cast<const Divergence*>(&error) != nullptr;
  try {
    records_->append(RunEnd{trainer_->step(), seconds(), diverged ? "diverged" : "failed", error.message()});
    records_->write_page();
  } catch (const Error&) {}
}

// The trained network comes last: where it lies, the run is finished.
void TrainingRun::finish() {
  Model model = trainer_->model();
  state(model.meaning, "trained_on", fmt::format("{} ({})", task_.data, task_.train->description()));
  state(model.meaning, "recipe", task_.metadata_text);
  state(model.meaning, "test", "");
  writing([&] {
    if (task_.test) {
      if (!last_ || last_->samples.empty()) last_ = evaluate_now(model, true);
      records_->add_evaluation(*last_, *task_.test, model.meaning.name, model.meaning.classes, seconds(),
                               task_.recipe.evaluation);
      state(model.meaning, "test",
            fmt::format("{} errors of {}{}", last_->errors, last_->count, views_note(task_.recipe.evaluation)));
    }
    records_->append(RunEnd{trainer_->step(), seconds()});
    records_->write_page();
    write_onnx(model, folder_.final_model());
  });
}

Report TrainingRun::report() const {
  Report report;
  Json json = {{"model", printable(task_.model.meaning.name)},
               {"folder", folder_.path().string()},
               {"finished", trainer_->finished()},
               {"step", trainer_->step()},
               {"steps", trainer_->steps()},
               {"epochs", task_.recipe.epochs},
               {"seconds", seconds()},
               {"train_loss", last_look_.loss}};
  report.text = fmt::format("{}: {} in {}\n", coloured(printable(task_.model.meaning.name), Ink::bold),
                            counted(trainer_->step(), "step"), short_time(seconds()));
  if (last_) {
    json.update({{"count", last_->count},
                 {"errors", last_->errors},
                 {"top1", last_->top1},
                 {"top5", last_->top5},
                 {"loss", last_->loss}});
    json["views"] = task_.recipe.evaluation;
    report.text += fmt::format("{} of {} on the test set{}: {} right\n", counted(last_->errors, "error"), last_->count,
                               views_note(task_.recipe.evaluation),
                               coloured(fmt::format("{:.2f} %", 100 * last_->top1), Ink::bold));
  }
  report.files = {folder_.path() / "report.html"};
  if (trainer_->finished()) report.files.push_back(folder_.final_model());
  Json files = Json::array();
  for (const auto& file : report.files) files.push_back(file.string()), report.text += "  " + file.string() + "\n";
  json["files"] = files;
  report.set_json(json);
  return report;
}

}  // namespace fovea
