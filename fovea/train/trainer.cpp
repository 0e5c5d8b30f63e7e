#include "fovea/train/trainer.h"

#include <fmt/format.h>

#include <chrono>
#include <cmath>
#include <cstring>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/train/diagnosis.h"

namespace fovea {

namespace {

using Clock = std::chrono::steady_clock;

// A running mean of the loss above this many times the first batch's (plus one) is called divergence.
constexpr double kDiverged = 20;
constexpr double kMemory = 0.98;  // of the running mean

BatchOptions batch_options(const Recipe& recipe, Broken broken) {
  BatchOptions options;
  options.size = recipe.batch;
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
  Program program;
  BatchReader reader;
  std::string network;
  int64_t step = 0;
  int64_t total = 0;
  double first_loss = -1, smooth_loss = 0;
  // Since the last look at the test set.
  double loss_sum = 0;
  int64_t errors = 0, count = 0, batches = 0;
  double seconds = 0;

  double epoch() const { return static_cast<double>(step) / static_cast<double>(reader.batches_per_epoch()); }
  double rate() const { return rate_at(recipe.schedule, epoch(), recipe.epochs); }
  Update update();
  bool look_due(int64_t after) const;  // once `after` updates are done
  Look look();
  void check_loss(double loss, const Batch& batch, const std::map<std::string, Tensor>& feeds, double rate);
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

const Preprocess& preprocess_of(const Model& model) {
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "{} does not say how a picture becomes its input; give --preprocess", model.meaning.name);
  return *model.meaning.preprocess;
}

}  // namespace

Trainer::Trainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train, Backend& backend,
                 const CompileOptions& options, Broken broken) {
  TrainingStep training = training_step(model, recipe);
  Weights start = starting_weights(training, model.weights);
  const Preprocess how = preprocess_of(model);
  BatchOptions batches = batch_options(recipe, broken);
  fit_colours(batches.augmentations, *train);
  batches.classes = training.graph.shape(training.logits)[1];
  const std::string network = fingerprint(model);
  const std::vector<Value> watched = {training.loss, training.errors, training.total, append_norms(training)};
  Program program = compile(training.graph, watched, start, backend, with_carry(options, training, recipe));
  set_initial_states(program, training, start);
  state_.reset(new State{std::move(model), recipe, backend, std::move(training), std::move(program),
                         BatchReader(std::move(train), how, batches), network});
  state_->total = std::max<int64_t>(
      1, std::llround(std::ceil(recipe.epochs * static_cast<double>(state_->reader.batches_per_epoch()) - 1e-9)));
}

Trainer::~Trainer() = default;

int64_t Trainer::step() const { return state_->step; }
int64_t Trainer::steps() const { return state_->total; }
int64_t Trainer::steps_per_epoch() const { return state_->reader.batches_per_epoch(); }
const TrainingStep& Trainer::training() const { return state_->training; }
MemoryInfo Trainer::memory() const { return state_->program.memory(); }

Trainer::Update Trainer::State::update() {
  const Batch batch = reader.next();
  const double now = rate();
  std::map<std::string, Tensor> feeds = training.feeds(step, now);
  feeds.merge(norms_feed(look_due(step + 1)));
  for (const auto& [name, value] : feeds) {
    Tensor place = program.input(name);
    std::memcpy(place.raw(), value.raw(), value.bytes());
  }
  const auto feed = [&](const std::string& name, const Tensor& value) {
    Tensor place = program.input(name);
    require(value.shape() == place.shape(), ErrorKind::usage, "a batch is {}, the network takes {}",
            to_string(value.shape()), to_string(place.shape()));
    std::memcpy(place.raw(), value.raw(), value.bytes());
  };
  feed(training.picture, batch.pictures);
  feed(training.labels, batch.labels);
  program.execute();
  const double loss = program.want(kLoss).at(0);
  check_loss(program.want(kTotal).at(0), batch, feeds, now);
  ++step;
  const auto wrong = static_cast<int64_t>(program.want(kErrors).at(0)), size = batch.labels.shape().count();
  loss_sum += loss, errors += wrong, count += size, ++batches;
  return {step, epoch(), loss, wrong, size, now};
}

void Trainer::State::check_loss(double loss, const Batch& batch, const std::map<std::string, Tensor>& feeds,
                                double rate) {
  if (first_loss < 0) first_loss = smooth_loss = loss;
  smooth_loss = kMemory * smooth_loss + (1 - kMemory) * loss;
  const bool number = std::isfinite(loss);
  if (number && smooth_loss <= kDiverged * (first_loss + 1)) return;
  std::map<std::string, Tensor> all = feeds;
  all[training.picture] = batch.pictures;
  all[training.labels] = batch.labels;
  Weights states;
  for (const std::string& name : program.state_names()) states[name] = program.state(name);
  fail(ErrorKind::usage, "{}",
       divergence_message(training, model.weights, states, all, backend, {step + 1, loss, first_loss, rate}));
}

bool Trainer::State::look_due(int64_t after) const {
  if (after >= total) return true;
  const double each = recipe.evaluate_every * static_cast<double>(reader.batches_per_epoch());
  const auto looks = [&](int64_t s) { return std::floor(static_cast<double>(s) / each + 1e-9); };
  return looks(after) > looks(after - 1);
}

Trainer::Look Trainer::State::look() {
  Look record{step,   epoch(), loss_sum / static_cast<double>(std::max<int64_t>(batches, 1)), errors, count,
              rate(), seconds};
  loss_sum = seconds = 0;
  errors = count = batches = 0;
  return record;
}

void Trainer::run(const Context& context, const Observer& observer) {
  State& s = *state_;
  while (s.step < s.total && !context.cancelled()) {
    const auto start = Clock::now();
    const Update record = s.update();
    s.seconds += std::chrono::duration<double>(Clock::now() - start).count();
    if (observer.step) observer.step(record);
    if (!s.look_due(s.step)) continue;
    const Look seen = s.look();
    if (observer.epoch) observer.epoch(seen);
  }
}

Model Trainer::model() const {
  const State& s = *state_;
  Model result = s.model;
  const std::vector<std::string> names = s.program.state_names();
  for (const Value p : result.graph.parameters()) {
    const std::string& name = result.graph.node(p).name;
    const std::string averaged = "average of " + name;
    for (const std::string& from : {averaged, name}) {
      if (!std::binary_search(names.begin(), names.end(), from)) continue;
      result.weights[name] = s.program.state(from);
      break;
    }
  }
  result.meaning.trained = true;
  return result;
}

Checkpoint Trainer::checkpoint() const {
  const State& s = *state_;
  Checkpoint checkpoint;
  for (const std::string& name : s.program.state_names()) checkpoint.states[name] = s.program.state(name);
  checkpoint.step = s.step;
  checkpoint.next = s.reader.position();
  checkpoint.model = s.network;
  checkpoint.threads = thread_count();
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
  const std::vector<std::string> names = s.program.state_names();
  for (const std::string& name : names)
    require(checkpoint.states.contains(name), ErrorKind::usage, "the checkpoint has no \"{}\": other settings made it",
            name);
  for (const auto& [name, value] : checkpoint.states) {
    require(std::binary_search(names.begin(), names.end(), name), ErrorKind::usage,
            "the checkpoint has \"{}\", which these settings do not: other settings made it", name);
    s.program.set_state(name, value);
  }
  s.reader.seek(checkpoint.next);
  s.step = checkpoint.step;
  const auto number = [&](const char* name) {
    const auto found = checkpoint.numbers.find(name);
    return found == checkpoint.numbers.end() ? 0.0 : found->second;
  };
  s.loss_sum = number("loss sum"), s.seconds = number("seconds");
  s.errors = std::llround(number("errors")), s.count = std::llround(number("count"));
  s.batches = std::llround(number("batches"));
  s.first_loss = number("first loss"), s.smooth_loss = number("smooth loss");
}

}  // namespace fovea
