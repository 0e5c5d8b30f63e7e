// Training by L-BFGS: f(w) = the mean loss of all batches + decay/2 · |w|², the same function wherever it is asked for,
// so batches stand in the set's order and pictures are as they are. One step of the optimiser (up to 20 directions,
// each with a line search) is one update and one epoch. What such a step has begun and not ended is not kept.
#include <fmt/format.h>

#include <chrono>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/data/statistics.h"
#include "fovea/train/diagnosis.h"
#include "fovea/train/full_batch.h"
#include "fovea/train/lbfgs.h"
#include "fovea/train/trainer_impl.h"

namespace fovea {

namespace {

using Clock = std::chrono::steady_clock;
using Feeds = std::map<std::string, Tensor>;

constexpr size_t kMostKept = size_t{512} << 20;  // bytes of batches that are kept between evaluations
constexpr const char* kPrefix = "lbfgs ";        // of the optimiser's part in a checkpoint

struct Stopped {};  // a step that is given up

Recipe even_recipe(Recipe recipe, int64_t samples) {
  recipe.batch = even_batch(samples, recipe.batch / recipe.micro_batches);
  recipe.micro_batches = 1;
  return recipe;
}

BatchOptions in_order(const Recipe& recipe, const Model& model, Broken broken) {
  BatchOptions options = batch_options(recipe, model, broken);
  options.shuffle = false;
  return options;
}

class FullBatchTrainer : public TrainerImpl {
 public:
  FullBatchTrainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train, Backend& backend,
                   const CompileOptions& options, Broken broken);
  void observe(Trainer::Observer observer) override { observer_ = std::move(observer); }
  void run(const Context& context) override;
  int64_t step() const override { return step_; }
  int64_t steps() const override { return total_; }
  int64_t steps_per_epoch() const override { return 1; }
  Model model() const override;
  Checkpoint checkpoint() const override;
  void restore(const Checkpoint& checkpoint) override;
  void share(int) override {}
  const TrainingStep& training() const override { return training_; }
  std::vector<std::string> notes() const override;
  MemoryInfo memory() const override { return set_.program().memory(); }

 private:
  Feeds batch(int64_t number);
  double evaluate(std::span<const float> weights, std::span<float> gradient);
  double add_decay(std::span<const float> weights, std::span<float> gradient) const;
  std::vector<LayerNorms> norms(std::span<const float> weights, std::span<const float> gradient) const;
  void update();
  void tell();
  bool look_due() const;
  [[noreturn]] void diverged(double loss, const std::string& what);
  Weights carried() const;

  Model model_;  // without the weights that are carried
  Recipe recipe_;
  Backend& backend_;
  int64_t samples_, batches_;
  TrainingStep training_;
  BatchReader reader_;
  FullBatch set_;
  Lbfgs<float> optimiser_;
  std::string network_;
  int64_t total_ = 0, step_ = 0;
  Trainer::Observer observer_;
  std::vector<Feeds> kept_;  // batches, as far as memory goes; empty: each is made again
  bool keep_ = false;
  // Of the step under way.
  const Context* context_ = nullptr;
  int64_t evaluation_ = 0;
  Trainer::Update now_;
  std::vector<LayerNorms> layers_;
  double first_loss_ = -1;
  // Since the last look at the test set.
  Trainer::Look since_;
  int64_t updates_ = 0;
};

FullBatchTrainer::FullBatchTrainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train,
                                   Backend& backend, const CompileOptions& options, Broken broken)
    : model_(std::move(model)),
      recipe_(even_recipe(recipe, train->size())),
      backend_(backend),
      samples_(train->size()),
      batches_(samples_ / std::max<int64_t>(recipe_.batch, 1)),
      training_(training_step(model_, recipe_)),
      reader_(train, preprocess_of(model_, *train), in_order(recipe_, model_, broken)),
      set_(training_, model_.weights, backend, options, batches_, [this](int64_t number) { return batch(number); }),
      optimiser_({.rate = recipe.schedule.rate, .line_search = true}),
      network_(fingerprint(model_)),
      total_(std::max<int64_t>(1, std::llround(std::ceil(recipe.epochs - 1e-9)))) {
  require(!options.group || options.group->size() == 1, ErrorKind::unsupported,
          "L-BFGS trains in one process; take another optimiser under mpirun");
  for (const Carry& carry : training_.carry) model_.weights.erase(training_.graph.node(carry.to).name);
  const size_t bytes = training_.graph.type({training_.graph.find(training_.picture), 0}).bytes();
  keep_ = bytes <= kMostKept / static_cast<size_t>(batches_);
}

std::vector<std::string> FullBatchTrainer::notes() const {
  std::vector<std::string> lines = training_.notes();
  const int64_t left = samples_ - batches_ * recipe_.batch;
  lines.push_back(
      fmt::format("L-BFGS: each epoch is one step on the whole set, in {} batches of {}{}; pictures are not changed",
                  batches_, recipe_.batch,
                  left > 0 ? fmt::format(" ({} samples of {} do not fill one and are left out)", left, samples_) : ""));
  return lines;
}

// The reader goes through the set again and again in one order, and so do evaluations.
Feeds FullBatchTrainer::batch(int64_t number) {
  if (context_->cancelled()) throw Stopped{};
  if (static_cast<size_t>(number) < kept_.size()) return kept_[static_cast<size_t>(number)];
  if (reader_.position().batch != number) reader_.seek({0, number});
  Batch next = reader_.next();
  Feeds feeds = {{training_.picture, std::move(next.pictures)}, {training_.labels, std::move(next.labels)}};
  if (keep_) kept_.push_back(feeds);
  return feeds;
}

double FullBatchTrainer::add_decay(std::span<const float> weights, std::span<float> gradient) const {
  const OptimiserSettings& settings = recipe_.optimiser;
  if (settings.weight_decay == 0) return 0;
  double square = 0;
  size_t at = 0;
  for (const Value g : training_.gradients) {
    const Shape& shape = training_.graph.shape(g);
    const auto count = static_cast<size_t>(shape.count());
    if (settings.decay_all || shape.rank() >= 2)
      for (size_t i = at; i < at + count; ++i) {
        square += static_cast<double>(weights[i]) * static_cast<double>(weights[i]);
        gradient[i] += static_cast<float>(settings.weight_decay) * weights[i];
      }
    at += count;
  }
  return settings.weight_decay / 2 * square;
}

std::vector<LayerNorms> FullBatchTrainer::norms(std::span<const float> weights, std::span<const float> gradient) const {
  std::vector<LayerNorms> layers;
  std::map<std::string, size_t> numbers;
  size_t at = 0;
  for (size_t p = 0; p < training_.trained.size(); ++p) {
    const std::string name = layer_of_parameter(training_.trained[p]);
    const auto [found, added] = numbers.emplace(name, layers.size());
    if (added) layers.push_back({name});
    LayerNorms& layer = layers[found->second];  // squares, for now
    const auto count = static_cast<size_t>(training_.graph.shape(training_.gradients[p]).count());
    for (size_t i = at; i < at + count; ++i) {
      layer.weight += static_cast<double>(weights[i]) * static_cast<double>(weights[i]);
      layer.gradient += static_cast<double>(gradient[i]) * static_cast<double>(gradient[i]);
    }
    at += count;
  }
  for (LayerNorms& layer : layers) layer.weight = std::sqrt(layer.weight), layer.gradient = std::sqrt(layer.gradient);
  return layers;
}

double FullBatchTrainer::evaluate(std::span<const float> weights, std::span<float> gradient) {
  const double loss = set_(weights, gradient);
  if (evaluation_++ == 0) {  // where the step begins: what is told of it
    now_ = {step_ + 1,     static_cast<double>(step_ + 1), set_.loss(),
            set_.errors(), batches_ * recipe_.batch,       recipe_.schedule.rate,
            false};
    layers_ = norms(weights, gradient);
    if (first_loss_ < 0) first_loss_ = loss;
    if (!std::isfinite(loss)) diverged(loss, {});
    for (const LayerNorms& layer : layers_)
      if (!std::isfinite(layer.weight) || !std::isfinite(layer.gradient))
        diverged(loss, fmt::format("the {} of {} are no numbers", std::isfinite(layer.weight) ? "gradients" : "weights",
                                   layer.name));
  }
  context_->report(
      {"training", step_, total_,
       fmt::format("epoch {}/{}  loss {:.4f}  evaluation {} of the set", step_ + 1, total_, set_.loss(), evaluation_)});
  return loss + add_decay(weights, gradient);
}

void FullBatchTrainer::diverged(double loss, const std::string& what) {
  const Context nobody;
  context_ = &nobody;  // the message is wanted even when the run is to stop
  Feeds feeds = batch(0);
  feeds.merge(training_.feeds(0, 0));
  throw Divergence(divergence_message(training_, model_.weights, carried(), feeds, backend_,
                                      {step_ + 1, loss, first_loss_, recipe_.schedule.rate, what}));
}

void FullBatchTrainer::update() {
  const auto begun = Clock::now();
  std::vector<float> weights = set_.weights();
  evaluation_ = 0;
  optimiser_.step(weights, [this](std::span<const float> w, std::span<float> g) { return evaluate(w, g); });
  set_.set_weights(weights);
  ++step_;
  since_.loss += now_.loss, since_.errors += now_.errors, since_.count += now_.count, ++updates_;
  since_.seconds += std::chrono::duration<double>(Clock::now() - begun).count();
}

bool FullBatchTrainer::look_due() const {
  if (step_ >= total_) return true;
  const auto looks = [&](int64_t s) { return std::floor(static_cast<double>(s) / recipe_.evaluate_every + 1e-9); };
  return looks(step_) > looks(step_ - 1);
}

void FullBatchTrainer::tell() {
  now_.look = look_due();
  if (observer_.step) observer_.step(now_);
  if (!now_.look) return;
  Trainer::Look look = since_;
  look.step = step_, look.epoch = static_cast<double>(step_), look.rate = now_.rate, look.layers = layers_;
  look.loss /= static_cast<double>(std::max<int64_t>(updates_, 1));
  since_ = {}, updates_ = 0;
  if (observer_.epoch) observer_.epoch(look);
}

void FullBatchTrainer::run(const Context& context) {
  while (step_ < total_ && !context.cancelled()) {
    context_ = &context;
    const Lbfgs<float> before = optimiser_;
    const Weights states = carried();
    try {
      update();
    } catch (const Stopped&) {
      optimiser_ = before;
      for (const auto& [name, value] : states) set_.program().set_state(name, value);
      return;
    }
    tell();
  }
}

Weights FullBatchTrainer::carried() const {
  Weights states;
  for (const std::string& name : set_.program().state_names()) states[name] = set_.program().state(name);
  return states;
}

Model FullBatchTrainer::model() const {
  Model result = model_;
  const Weights states = carried();
  for (const Value p : result.graph.parameters())
    if (const auto found = states.find(result.graph.node(p).name); found != states.end())
      result.weights[found->first] = found->second;
  result.meaning.trained = true;
  return trained_model(std::move(result), recipe_);
}

Checkpoint FullBatchTrainer::checkpoint() const {
  Checkpoint checkpoint;
  checkpoint.states = carried();
  if (const std::string bad = not_finite(checkpoint.states); !bad.empty())
    throw Divergence(fmt::format("training diverged at step {}: {} is no number any more", step_, bad));
  const LbfgsState optimiser = optimiser_.state();
  for (const auto& [name, value] : optimiser.vectors) checkpoint.states[kPrefix + name] = value;
  for (const auto& [name, value] : optimiser.numbers) checkpoint.numbers[kPrefix + name] = value;
  checkpoint.step = step_;
  checkpoint.next = {step_, 0};
  checkpoint.model = network_;
  checkpoint.threads = thread_count();
  checkpoint.plan = set_.program().plan();
  checkpoint.numbers.insert({{"loss sum", since_.loss},
                             {"errors", static_cast<double>(since_.errors)},
                             {"count", static_cast<double>(since_.count)},
                             {"batches", static_cast<double>(updates_)},
                             {"seconds", since_.seconds},
                             {"first loss", first_loss_}});
  return checkpoint;
}

void FullBatchTrainer::restore(const Checkpoint& checkpoint) {
  const std::string_view prefix = kPrefix;
  LbfgsState optimiser;
  Checkpoint network = checkpoint;
  for (const auto& [name, value] : checkpoint.states) {
    if (!name.starts_with(prefix)) continue;
    optimiser.vectors[name.substr(prefix.size())] = value;
    network.states.erase(name);
  }
  for (const auto& [name, value] : checkpoint.numbers)
    if (name.starts_with(prefix)) optimiser.numbers[name.substr(prefix.size())] = value;
  check_states(network, network_, set_.program().state_names());
  const auto size = static_cast<int64_t>(set_.weights().size());
  for (const auto& [name, value] : optimiser.vectors)
    require(value.shape() == Shape{size}, ErrorKind::usage, "the checkpoint has \"{}\" of {}, expected [{}]", name,
            to_string(value.shape()), size);
  optimiser_.restore(optimiser);
  for (const auto& [name, value] : network.states) set_.program().set_state(name, value);
  step_ = checkpoint.step;
  const auto number = [&](const char* name) {
    const auto found = checkpoint.numbers.find(name);
    return found == checkpoint.numbers.end() ? 0.0 : found->second;
  };
  since_ = {};
  since_.loss = number("loss sum"), since_.seconds = number("seconds"), first_loss_ = number("first loss");
  since_.errors = std::llround(number("errors")), since_.count = std::llround(number("count"));
  updates_ = std::llround(number("batches"));
}

}  // namespace

std::unique_ptr<TrainerImpl> full_batch_trainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train,
                                                Backend& backend, const CompileOptions& options, Broken broken) {
  return std::make_unique<FullBatchTrainer>(std::move(model), recipe, std::move(train), backend, options, broken);
}

}  // namespace fovea
