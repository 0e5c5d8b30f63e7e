#include "fovea/train/trainer.h"

#include <fmt/format.h>

#include <atomic>
#include <chrono>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/data/statistics.h"
#include "fovea/train/descent.h"
#include "fovea/train/diagnosis.h"

namespace fovea {

namespace {

using Clock = std::chrono::steady_clock;

// A running mean of the loss above this many times the first batch's (plus one) is called divergence.
constexpr double kDiverged = 20;
constexpr double kMemory = 0.98;  // of the running mean

BatchOptions batch_options(const Recipe& recipe, const Model& model, Broken broken) {
  BatchOptions options;
  options.size = recipe.batch / recipe.micro_batches;
  options.standardise = stated_standardisation(model.meaning).value_or(Standardisation());
  options.seed = recipe.seed;
  options.broken = broken == Broken::leave_out ? Broken::replace : broken;
  options.augmentations = parse_augmentations(recipe.augment);
  return options;
}

}  // namespace

struct Trainer::State {
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
  std::atomic<bool> stopping{false};  // after the update under way, as all ranks have agreed

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
  void check_loss(double loss, int64_t step);
};

namespace {

constexpr size_t kLoss = 0, kErrors = 1, kTotal = 2, kNorms = 3;  // of what a step gives

CompileOptions with_carry(CompileOptions options, const TrainingStep& step, const Recipe& recipe) {
  options.carry = step.carry;
  options.bf16 = options.bf16 || recipe.bf16;
  return options;
}

// Carried inputs (not parameters) start from what starting_weights() says: the averages.
void set_initial_states(Program& program, const TrainingStep& step, const Weights& start) {
  for (const Carry& carry : step.carry) {
    const Node& node = step.graph.node(carry.to);
    if (std::string_view(node.op->name) != "input") continue;
    if (const auto found = start.find(node.name); found != start.end()) program.set_state(node.name, found->second);
  }
}

// Rows of numbers need none.
Preprocess preprocess_of(const Model& model, const Dataset& train) {
  const bool rows = train.size() > 0 && train.get(0).has_values();
  require(rows || model.meaning.preprocess.has_value(), ErrorKind::usage,
          "{} does not say how a picture becomes its input; give --preprocess", model.meaning.name);
  return model.meaning.preprocess.value_or(Preprocess());
}

}  // namespace

Trainer::Trainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train, Backend& backend,
                 const CompileOptions& options, Broken broken) {
  Group* const group = options.group && options.group->size() > 1 ? options.group : nullptr;
  const DataParallel parallel{.ranks = group ? group->size() : 1,
                              .synchronised_batch_norm = recipe.synchronised_batch_norm};
  require(recipe.optimiser.kind != "lbfgs", ErrorKind::unsupported,
          "L-BFGS is a library call (train/lbfgs.h, train/full_batch.h), not yet a way to run a whole training");
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

Trainer::~Trainer() = default;

int64_t Trainer::step() const { return state_->step(); }
int64_t Trainer::steps() const { return state_->total; }
int64_t Trainer::steps_per_epoch() const { return state_->steps_per_epoch(); }
const TrainingStep& Trainer::training() const { return state_->training; }
MemoryInfo Trainer::memory() const { return state_->descent.program().memory(); }

const std::map<std::string, Tensor>& Trainer::State::feed(int64_t run) {
  const int64_t now = run / parts(), part = run % parts();
  const bool last = part + 1 == parts();
  begun = Clock::now();
  if (last) stopping = group ? group->any(context->cancelled()) : context->cancelled();  // after this update
  Batch batch = reader.next();
  fed = training.feeds(now, part, rate(now));
  if (group) own_masks(fed, *group);
  fed.merge(norms_feed(last && look_due(now + 1)));
  fed[training.picture] = std::move(batch.pictures);
  fed[training.labels] = std::move(batch.labels);
  return fed;
}

bool Trainer::State::seen(const DescentStep& now) {
  const int64_t done = now.step / parts() + 1, part = now.step % parts();
  check_loss(now.watched[kTotal].at(0), done);
  if (part == 0) update = {done, epoch(done), 0, 0, 0, rate(done - 1)};
  update.loss += now.watched[kLoss].at(0) / static_cast<double>(parts());
  update.errors += static_cast<int64_t>(now.watched[kErrors].at(0));
  update.count += ranks() * fed[training.labels].shape().count();
  seconds += std::chrono::duration<double>(Clock::now() - begun).count();
  if (part + 1 < parts()) return false;
  loss_sum += update.loss, errors += update.errors, count += update.count, ++batches;
  if (look_due(done)) layers = layer_norms(training, now.watched[kNorms]);
  return true;
}

void Trainer::State::check_loss(double loss, int64_t step) {
  if (first_loss < 0) first_loss = smooth_loss = loss;
  smooth_loss = kMemory * smooth_loss + (1 - kMemory) * loss;
  if (std::isfinite(loss) && smooth_loss <= kDiverged * (first_loss + 1)) return;
  Weights states;
  for (const std::string& name : descent.program().state_names()) states[name] = descent.program().state(name);
  Recipe share = recipe;  // looked for by this rank alone, in its share of the batch
  share.batch /= ranks();
  fail(ErrorKind::usage, "{}",
       divergence_message(group ? training_step(model, share) : training, model.weights, states, fed, backend,
                          {step, loss, first_loss, rate(step - 1)}));
}

bool Trainer::State::look_due(int64_t after) const {
  if (after >= total) return true;
  const double each = recipe.evaluate_every * static_cast<double>(steps_per_epoch());
  const auto looks = [&](int64_t s) { return std::floor(static_cast<double>(s) / each + 1e-9); };
  return looks(after) > looks(after - 1);
}

Trainer::Look Trainer::State::look() {
  Look look;
  look.step = step(), look.epoch = epoch(step()), look.rate = rate(step() - 1), look.seconds = seconds;
  look.loss = loss_sum / static_cast<double>(std::max<int64_t>(batches, 1));
  look.errors = errors, look.count = count;
  look.layers = layers;
  loss_sum = seconds = 0;
  errors = count = batches = 0;
  return look;
}

void Trainer::observe(Observer observer) {
  state_->descent.observe([this, observer = std::move(observer)](const DescentStep& now) {
    if (!state_->seen(now)) return;
    if (observer.step) observer.step(state_->update);
    if (!state_->look_due(state_->update.step)) return;
    const Look look = state_->look();
    if (observer.epoch) observer.epoch(look);
  });
}

void Trainer::run(const Context& context) {
  State& s = *state_;
  s.context = &context;
  s.stopping = false;
  Context between_updates = context;
  if (s.group || s.parts() > 1) between_updates.cancel = &s.stopping;
  if (context.cancelled() && !s.group) return;
  s.descent.run(between_updates, s.total * s.parts(), [&s](int64_t run) { return s.feed(run); });
}

Model Trainer::model() const {
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

Checkpoint Trainer::checkpoint() const {
  const State& s = *state_;
  Checkpoint checkpoint;
  for (const std::string& name : s.descent.program().state_names())
    checkpoint.states[name] = s.descent.program().state(name);
  checkpoint.step = s.step();
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

void Trainer::restore(const Checkpoint& checkpoint) {
  State& s = *state_;
  require(checkpoint.model == s.network, ErrorKind::usage,
          "the checkpoint is of another network (its fingerprint is {}, this one's {})", checkpoint.model, s.network);
  const std::vector<std::string> names = s.descent.program().state_names();
  for (const std::string& name : names)
    require(checkpoint.states.contains(name), ErrorKind::usage, "the checkpoint has no \"{}\": other settings made it",
            name);
  for (const auto& [name, value] : checkpoint.states) {
    require(std::binary_search(names.begin(), names.end(), name), ErrorKind::usage,
            "the checkpoint has \"{}\", which these settings do not: other settings made it", name);
    s.descent.program().set_state(name, value);
  }
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

void Trainer::share(int root) {
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

}  // namespace fovea
