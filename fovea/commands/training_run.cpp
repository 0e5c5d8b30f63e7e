#include "fovea/commands/training_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <nlohmann/json.hpp>

#include "fovea/commands/fused_models.h"
#include "fovea/formats/onnx_write.h"
#include "fovea/model/statistics.h"
#include "fovea/report/table.h"

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

// Takes the place of what a file that training went on from said of itself.
void state(Meaning& meaning, const std::string& key, std::string value) {
  std::erase_if(meaning.metadata, [&](const auto& entry) { return entry.first == key; });
  meaning.metadata.emplace_back(key, std::move(value));
}

TestResult as_test_result(const Evaluation& e) { return {e.count, e.errors, e.top1, e.top5, e.loss}; }

}  // namespace

TrainingRun::TrainingRun(const Context& context, RunFolder& folder, TrainingTask task)
    : context_(context), folder_(folder), task_(std::move(task)), engine_(task_.engine) {
  start_ = saved_ = line_ = Clock::now();
  engine_.compile_options.group = task_.group;
  std::optional<Checkpoint> before;
  if (folder_.has_checkpoint()) before = read_checkpoint(folder_.last());
  trainer_ = std::make_unique<Trainer>(task_.model, task_.recipe, task_.train, *engine_.backend,
                                       engine_.compile_options, task_.broken);
  if (before) trainer_->restore(*before);
  trainer_->share();
  if (before) {
    best_errors_ = number(*before, "best errors", -1);
    best_step_ = number(*before, "best step", 0);
    seconds_before_ = number(*before, "run seconds", 0);
    records_.emplace(folder_.path(), trainer_->step());
    records_->append(ResumedRecord{trainer_->step()});
  } else {
    records_.emplace(folder_.path(), -1);
    start_records();
  }
}

double TrainingRun::seconds() const { return seconds_before_ + since(start_); }

void TrainingRun::start_records() {
  RunStart start;
  start.model = task_.model.meaning.name;
  start.data = task_.train->description();
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
  if (update.step % std::max<int64_t>(1, trainer_->steps_per_epoch() / kLinesAnEpoch) == 0 ||
      update.step == trainer_->steps()) {
    const auto count = static_cast<double>(std::max<int64_t>(updates_, 1));
    const auto seen = static_cast<double>(std::max<int64_t>(seen_, 1));
    records_->append(StepRecord{update.step, update.epoch, loss_sum_ / count, 1 - static_cast<double>(wrong_) / seen,
                                update.rate, seen / std::max(since(line_), 1e-9)});
    loss_sum_ = 0, wrong_ = seen_ = updates_ = 0;
    line_ = Clock::now();
  }
  const bool due = task_.checkpoint_every > 0 ? update.step % task_.checkpoint_every == 0
                                              : since(saved_) > kSecondsBetweenCheckpoints;
  if (due && update.step < trainer_->steps()) save(false);
}

Evaluation TrainingRun::evaluate_now(const Model& model, bool samples) const {
  FusedModels network(model, task_.engine, 0);
  return evaluate(context_, *task_.test, network, {0, task_.broken != Broken::fatal, samples, samples});
}

void TrainingRun::on_look(const Trainer::Look& look) {
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
    test = fmt::format(", test {:.4f}, {:.2f} % right ({} errors of {})", last_->loss, 100 * last_->top1, last_->errors,
                       last_->count);
  }
  last_look_ = look;
  record.seconds = seconds();
  record.layers = look.layers;
  records_->append(record);
  context_.note(fmt::format("epoch {:g}: loss {:.4f}, {:.2f} % right{}, {}", look.epoch, look.loss,
                            100 * record.train_accuracy, test, short_time(record.seconds)));
  if (look.step < trainer_->steps()) save(best);
  else if (best) save(true);
  line_ = Clock::now();  // the test set's time is not the training's
}

void TrainingRun::save(bool best) {
  Checkpoint checkpoint = trainer_->checkpoint();
  checkpoint.recipe = task_.recipe_text;
  checkpoint.numbers["best errors"] = best_errors_;
  checkpoint.numbers["best step"] = best_step_;
  checkpoint.numbers["run seconds"] = seconds();
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
  } catch (const Error&) {
    records_->append(RunEnd{trainer_->step(), seconds(), "diverged"});
    throw;
  }
  save(false);
  if (trainer_->finished()) return finish();
  records_->write_page();
  context_.note(fmt::format("stopped after step {} of {}; saved. To go on: fovea train --resume -o {}",
                            trainer_->step(), trainer_->steps(), folder_.path().string()));
}

// The trained network comes last: where it lies, the run is finished.
void TrainingRun::finish() {
  Model model = trainer_->model();
  state(model.meaning, "trained_on", task_.train->description());
  state(model.meaning, "recipe", task_.public_recipe);
  state(model.meaning, "test", "");
  writing([&] {
    if (task_.test) {
      if (!last_ || last_->samples.empty()) last_ = evaluate_now(model, true);
      records_->add_evaluation(*last_, *task_.test, model.meaning.name, model.meaning.classes, seconds());
      state(model.meaning, "test", fmt::format("{} errors of {}", last_->errors, last_->count));
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
  report.text = fmt::format("{}: {} steps in {}\n", coloured(printable(task_.model.meaning.name), Ink::bold),
                            trainer_->step(), short_time(seconds()));
  if (last_) {
    json.update({{"count", last_->count},
                 {"errors", last_->errors},
                 {"top1", last_->top1},
                 {"top5", last_->top5},
                 {"loss", last_->loss}});
    report.text += fmt::format("{} errors of {} on the test set: {} right\n", last_->errors, last_->count,
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
