#include "fovea/train/trainer.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/data/first_sample.h"
#include "fovea/data/statistics.h"
#include "fovea/train/trainer_impl.h"

namespace fovea {

Trainer::Trainer(Model model, const Recipe& recipe, std::shared_ptr<const Dataset> train, Backend& backend,
                 const CompileOptions& options, Broken broken)
    : impl_((recipe.optimiser.kind == "lbfgs" ? full_batch_trainer : descent_trainer)(
          std::move(model), recipe, std::move(train), backend, options, broken)) {}

Trainer::~Trainer() = default;

void Trainer::observe(Observer observer) { impl_->observe(std::move(observer)); }
void Trainer::run(const Context& context) { impl_->run(context); }
int64_t Trainer::step() const { return impl_->step(); }
int64_t Trainer::steps() const { return impl_->steps(); }
int64_t Trainer::steps_per_epoch() const { return impl_->steps_per_epoch(); }
Model Trainer::model() const { return impl_->model(); }
Checkpoint Trainer::checkpoint() const { return impl_->checkpoint(); }
void Trainer::restore(const Checkpoint& checkpoint) { impl_->restore(checkpoint); }
void Trainer::share(int root) { impl_->share(root); }
const TrainingStep& Trainer::training() const { return impl_->training(); }
std::vector<std::string> Trainer::notes() const { return impl_->notes(); }
MemoryInfo Trainer::memory() const { return impl_->memory(); }

BatchOptions batch_options(const Recipe& recipe, const Model& model, Broken broken) {
  BatchOptions options;
  options.size = recipe.batch / recipe.micro_batches;
  options.standardise = stated_standardisation(model.meaning).value_or(Standardisation());
  options.seed = recipe.seed;
  options.broken = broken == Broken::leave_out ? Broken::replace : broken;
  options.augmentations = parse_augmentations(recipe.augment);
  return options;
}

// Rows of numbers need none.
Preprocess preprocess_of(const Model& model, const Dataset& train) {
  const bool rows = train.size() > 0 && first_sample(train, true).has_values();
  require(rows || model.meaning.preprocess.has_value(), ErrorKind::usage,
          "{} does not say how a picture becomes its input; give --preprocess", model.meaning.name);
  return model.meaning.preprocess.value_or(Preprocess());
}

std::string not_finite(const Weights& states) {
  const auto bad = [](auto values) {
    return std::any_of(values.begin(), values.end(), [](auto x) { return !std::isfinite(x); });
  };
  for (const auto& [name, value] : states) {
    if (value.dtype() == DType::f32 && bad(value.data<float>())) return name;
    if (value.dtype() == DType::f64 && bad(value.data<double>())) return name;
  }
  return {};
}

void check_states(const Checkpoint& checkpoint, const std::string& network, const std::vector<std::string>& names) {
  require(checkpoint.model == network, ErrorKind::usage,
          "the checkpoint is of another network (its fingerprint is {}, this one's {})", checkpoint.model, network);
  for (const std::string& name : names)
    require(checkpoint.states.contains(name), ErrorKind::usage, "the checkpoint has no \"{}\": other settings made it",
            name);
  for (const auto& [name, value] : checkpoint.states)
    require(std::find(names.begin(), names.end(), name) != names.end(), ErrorKind::usage,
            "the checkpoint has \"{}\", which these settings do not: other settings made it", name);
}

}  // namespace fovea
