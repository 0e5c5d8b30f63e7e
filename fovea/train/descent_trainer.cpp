// Training by steps that update the weights themselves, batch after batch: one Descent.
#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/data/statistics.h"
#include "fovea/train/descent.h"
#include "fovea/train/diagnosis.h"
#include "fovea/train/trainer_impl.h"

namespace fovea {

namespace {

using Clock = std::chrono::steady_clock;

// A running mean of the loss above this many times the first batch's (plus one) is called divergence.
constexpr double kDiverged = 20;
constexpr double kMemory = 0.98;  // of the running mean

using Update = Trainer::Update;
using Look = Trainer::Look;

struct State {
  Model model;  // without the weights that are carried
  Recipe recipe;
  Backend& backend;
  TrainingStep training;
  Descent descent;
  BatchReader reader;
  std::string network;
  int64_t total = 0;                  // updates
  std::map<std::string, Tensor> fed;  // to the run under way
  Clock::time_point begun;
  double first_loss = -1, smooth_loss = 0;
  // Since the last look at the test set.
  double loss_sum = 0;
  int64_t errors = 0, count = 0, batches = 0;
  double seconds = 0;
  std::vector<LayerNorms> layers;
  Update update;  // under way
  // Several ranks.
  Group* group = nullptr;             // null: this process alone
  const Context* context = nullptr;   // of the run under way
  std::atomic<bool> stopping{false};  // after the update under way

  int64_t ranks() const { return group ? group->size() : 1; }

  // An update takes a run of the program for each part of its batch.
  int64_t parts() const { return recipe.micro_batches; }
  int64_t step() const { return descent.step() / parts(); }
  int64_t steps_per_epoch() const { return std::max<int64_t>(1, reader.batches_per_epoch() / parts()); }
  double epoch(int64_t after) const { return static_cast<double>(after) / static_cast<double>(steps_per_epoch()); }
  double rate(int64_t after) const { return rate_at(recipe.schedule, epoch(after), recipe.epochs); }
  const std::map<std::string, Tensor>& feed(int64_t run);
  bool seen(const DescentStep& now);   // whether the update is done
  bool look_due(int64_t after) const;  // once `after` updates are done
  Look look();
  void check_loss(double loss, int64_t step) const;
  void check_norms(int64_t step) const;
  Weights carried() const;
  [[noreturn]] void diverged(const BadStep& bad) const;
};

constexpr size_t kLoss = 0, kErrors = 1, kTotal = 2, kNorms = 3;  // of what a step gives

CompileOptions with_carry(CompileOptions options, const TrainingStep& step, const Recipe& recipe) {
  options.carry = step.carry;
  options.bf16 = options.bf16 || recipe.bf16;
  return options;
}

// Carried inputs (not parameters) start from what starting_weights() says: averages and slow copies.
void set_initial_states(Program& program, const TrainingStep& step, const Weights& start) {
  for (const Carry& carry : step.carry) {
    const Node& node = step.graph.node(carry.to);
    if (std::string_view(node.op->name) != "input") continue;
    if (const auto found = start.find(node.name); found != start.end()) program.set_state(node.name, found->second);
  }
}

class DescentTrainer : public TrainerImpl {
 public:
  DescentTrainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train, Backend& backend,
                 const CompileOptions& options, Broken broken);
  void observe(Trainer::Observer observer) override;
  void run(const Context& context) override;
  int64_t step() const override { return state_->step(); }
  int64_t steps() const override { return state_->total; }
  int64_t steps_per_epoch() const override { return state_->steps_per_epoch(); }
  Model model() const override;
  Checkpoint checkpoint() const override;
  void restore(const Checkpoint& checkpoint) override;
  void share(int root) override;
  const TrainingStep& training() const override { return state_->training; }
  std::vector<std::string> notes() const override { return state_->training.notes(); }
  MemoryInfo memory() const override { return state_->descent.program().memory(); }

 private:
  std::unique_ptr<State> state_;
};

DescentTrainer::DescentTrainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train,
                               Backend& backend, const CompileOptions& options, Broken broken) {
  Group* const group = options.group && options.group->size() > 1 ? options.group : nullptr;
  const DataParallel parallel{.ranks = group ? group->size() : 1,
                              .synchronised_batch_norm = recipe.synchronised_batch_norm};
  TrainingStep training = training_step(model, recipe, parallel);
  Weights start = starting_weights(training, model.weights);
  const Preprocess how = preprocess_of(model, *train);
  BatchOptions batches = batch_options(recipe, model, broken);
  if (group) batches = share_of(batches, *group);
  fit_colours(batches.augmentations, *train);
  batches.classes = training.graph.shape(training.logits)[1];
  const std::string network = fingerprint(model);
  const std::vector<Value> watched = {training.loss, training.errors, training.total, append_norms(training)};
  Descent descent(training.graph, watched, start, backend, with_carry(options, training, recipe));
  set_initial_states(descent.program(), training, start);
  for (const Carry& carry : training.carry) model.weights.erase(training.graph.node(carry.to).name);
  state_.reset(new State{std::move(model), recipe, backend, std::move(training), std::move(descent),
                         BatchReader(std::move(train), how, batches), network});
  state_->group = group;
  state_->total = std::max<int64_t>(
      1, std::llround(std::ceil(recipe.epochs * static_cast<double>(state_->steps_per_epoch()) - 1e-9)));
}

const std::map<std::string, Tensor>& State::feed(int64_t run) {
  const int64_t now = run / parts(), part = run % parts();
  const bool last = part + 1 == parts();
  begun = Clock::now();
  if (last && group) stopping = group->any(context->cancelled());  // after this update, as all have agreed
  Batch batch = reader.next();
  fed = training.feeds(now, part, rate(now), total);
  if (group) own_masks(fed, *group);
  fed.merge(norms_feed(last && look_due(now + 1)));
  fed[training.picture] = std::move(batch.pictures);
  fed[training.labels] = std::move(batch.labels);
  return fed;
}

bool State::seen(const DescentStep& now) {
  const int64_t done = now.step / parts() + 1, part = now.step % parts();
  const double total_loss = now.watched[kTotal].at(0);
  if (first_loss < 0) first_loss = smooth_loss = total_loss;
  smooth_loss = kMemory * smooth_loss + (1 - kMemory) * total_loss;
  check_loss(total_loss, done);
  if (part == 0) update = {done, epoch(done), 0, 0, 0, rate(done - 1), false};
  update.loss += now.watched[kLoss].at(0) / static_cast<double>(parts());
  update.errors += static_cast<int64_t>(now.watched[kErrors].at(0));
  update.count += ranks() * fed[training.labels].shape().count();
  seconds += std::chrono::duration<double>(Clock::now() - begun).count();
  if (part + 1 < parts()) return false;
  loss_sum += update.loss, errors += update.errors, count += update.count, ++batches;
  update.look = look_due(done);
  if (update.look) {
    layers = layer_norms(training, now.watched[kNorms]);
    check_norms(done);
  }
  return true;
}

Weights State::carried() const {
  Weights states;
  for (const std::string& name : descent.program().state_names()) states[name] = descent.program().state(name);
  return states;
}

void State::diverged(const BadStep& bad) const {
  Recipe share = recipe;  // looked for by this rank alone, in its share of the batch
  share.batch /= ranks();
  throw Divergence(
      divergence_message(group ? training_step(model, share) : training, model.weights, carried(), fed, backend, bad));
}

void State::check_loss(double loss, int64_t step) const {
  if (std::isfinite(loss) && smooth_loss <= kDiverged * (first_loss + 1)) return;
  diverged({step, loss, first_loss, rate(step - 1), {}});
}

// The loss does not tell of everything: max(0, x) of a value that is no number may be 0.
void State::check_norms(int64_t step) const {
  for (const LayerNorms& layer : layers) {
    if (std::isfinite(layer.weight) && std::isfinite(layer.gradient)) continue;
    diverged({step, smooth_loss, first_loss, rate(step - 1),
              fmt::format("the {} of {} are no numbers", std::isfinite(layer.weight) ? "gradients" : "weights",
                          layer.name)});
  }
}

bool State::look_due(int64_t after) const {
  if (after >= total) return true;
  const double each = recipe.evaluate_every * static_cast<double>(steps_per_epoch());
  const auto looks = [&](int64_t s) { return std::floor(static_cast<double>(s) / each + 1e-9); };
  return looks(after) > looks(after - 1);
}

Look State::look() {
  Look look;
  look.step = step(), look.epoch = epoch(step()), look.rate = rate(step() - 1), look.seconds = seconds;
  look.loss = loss_sum / static_cast<double>(std::max<int64_t>(batches, 1));
  look.errors = errors, look.count = count;
  look.layers = layers;
  loss_sum = seconds = 0;
  errors = count = batches = 0;
  return look;
}

void DescentTrainer::observe(Trainer::Observer observer) {
  state_->descent.observe([this, observer = std::move(observer)](const DescentStep& now) {
    if (!state_->seen(now)) return;
    if (observer.step) observer.step(state_->update);
    if (state_->update.look) {
      const Look look = state_->look();
      if (observer.epoch) observer.epoch(look);
    }
    if (!state_->group && state_->context->cancelled()) state_->stopping = true;
  });
}

void DescentTrainer::run(const Context& context) {
  State& s = *state_;
  s.context = &context;
  s.stopping = false;
  Context between_updates = context;
  between_updates.cancel = &s.stopping;
  if (context.cancelled() && !s.group) return;
  s.descent.run(between_updates, s.total * s.parts(), [&s](int64_t run) { return s.feed(run); });
}

Model DescentTrainer::model() const {
  const State& s = *state_;
  Model result = s.model;
  const std::vector<std::string> names = s.descent.program().state_names();
  for (const Value p : result.graph.parameters()) {
    const std::string& name = result.graph.node(p).name;
    const std::string averaged = "average of " + name;
    for (const std::string& from : {averaged, name}) {
      if (!std::binary_search(names.begin(), names.end(), from)) continue;
      result.weights[name] = s.descent.program().state(from);
      break;
    }
  }
  result.meaning.trained = true;
  return trained_model(std::move(result), s.recipe);
}

Checkpoint DescentTrainer::checkpoint() const {
  const State& s = *state_;
  Checkpoint checkpoint;
  checkpoint.states = s.carried();
  checkpoint.step = s.step();
  if (const std::string bad = not_finite(checkpoint.states); !bad.empty())
    s.diverged({s.step(), s.smooth_loss, s.first_loss, s.rate(std::max<int64_t>(s.step() - 1, 0)),
                fmt::format("{} is no number any more", bad)});
  checkpoint.next = s.reader.position();
  checkpoint.model = s.network;
  checkpoint.threads = thread_count();
  checkpoint.plan = s.descent.program().plan();
  checkpoint.numbers = {{"loss sum", s.loss_sum},
                        {"errors", static_cast<double>(s.errors)},
                        {"count", static_cast<double>(s.count)},
                        {"batches", static_cast<double>(s.batches)},
                        {"seconds", s.seconds},
                        {"first loss", s.first_loss},
                        {"smooth loss", s.smooth_loss}};
  return checkpoint;
}

void DescentTrainer::restore(const Checkpoint& checkpoint) {
  State& s = *state_;
  check_states(checkpoint, s.network, s.descent.program().state_names());
  for (const auto& [name, value] : checkpoint.states) s.descent.program().set_state(name, value);
  s.reader.seek(checkpoint.next);
  s.descent.seek(checkpoint.step * s.parts());
  const auto number = [&](const char* name) {
    const auto found = checkpoint.numbers.find(name);
    return found == checkpoint.numbers.end() ? 0.0 : found->second;
  };
  s.loss_sum = number("loss sum"), s.seconds = number("seconds");
  s.errors = std::llround(number("errors")), s.count = std::llround(number("count"));
  s.batches = std::llround(number("batches"));
  s.first_loss = number("first loss"), s.smooth_loss = number("smooth loss");
}

void DescentTrainer::share(int root) {
  State& s = *state_;
  if (!s.group) return;
  broadcast_states(s.descent.program(), *s.group, root);
  const BatchPosition at = s.reader.position();
  int64_t where[] = {s.step(), at.epoch, at.batch};
  s.group->broadcast(std::as_writable_bytes(std::span<int64_t>(where)), root);
  if (s.group->rank() == root) return;
  s.descent.seek(where[0] * s.parts());
  s.reader.seek({where[1], where[2]});
}

}  // namespace

std::unique_ptr<TrainerImpl> descent_trainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train,
                                             Backend& backend, const CompileOptions& options, Broken broken) {
  return std::make_unique<DescentTrainer>(std::move(model), recipe, std::move(train), backend, options, broken);
}

}  // namespace fovea
