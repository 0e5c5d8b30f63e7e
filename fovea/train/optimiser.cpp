// The rules themselves are the operator update: ops/update.cpp has their formulas. Here stands what belongs to a whole
// network: which weights go together, what is carried, clipping, and the numbers of each step.
#include "fovea/train/optimiser.h"

#include <algorithm>
#include <cmath>

#include <fmt/ranges.h>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/ops/add.h"
#include "fovea/ops/div.h"
#include "fovea/ops/input.h"
#include "fovea/ops/min.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sum_of_squares.h"
#include "fovea/ops/update.h"

namespace fovea {

namespace {

// Weights of fewer elements are updated together, in one step for all of them.
constexpr int64_t kLarge = 1 << 14;

const std::vector<std::string>& state_names(const OptimiserSettings& settings) {
  static const std::vector<std::string> none, velocity = {"velocity"}, moments = {"first moment", "second moment"},
                                              square = {"mean square"}, square_velocity = {"mean square", "velocity"},
                                              sum = {"sum of squares"};
  if (settings.kind == "sgd") return settings.momentum != 0 ? velocity : none;
  if (settings.kind == "rmsprop") return settings.momentum != 0 ? square_velocity : square;
  return settings.kind == "adagrad" ? sum : moments;
}

// What of the settings is the same for every weight.
UpdateAttributes attributes_of(const OptimiserSettings& s) {
  UpdateAttributes a{.kind = s.kind};
  if (s.kind == "sgd" || s.kind == "rmsprop") a.momentum = s.momentum;
  a.nesterov = s.kind == "sgd" && s.nesterov;
  a.beta1 = s.beta1;
  a.beta2 = s.beta2;
  a.smoothing = s.smoothing;
  a.epsilon = s.epsilon;
  return a;
}

Value scalar_input(Graph& graph, const char* name, DType dtype) {
  if (const int node = graph.find(name); node >= 0) return {node, 0};
  return input(graph, name, {dtype, {}});
}

// Appends updates of all items, large ones each alone, small ones together, and what they carry.
void append_updates(Graph& graph, const UpdateScalars& scalars, const std::vector<UpdateItem>& items,
                    const UpdateAttributes& attributes, std::vector<Carry>& carry) {
  const auto together = [&](const std::vector<UpdateItem>& some) {
    if (some.empty()) return;
    const std::vector<Value> next = update(graph, scalars, some, attributes);
    size_t k = 0;
    for (const UpdateItem& item : some) {
      carry.push_back({next[k++], item.weight});
      for (const Value state : item.state) carry.push_back({next[k++], state});
    }
  };
  std::vector<UpdateItem> small;
  for (const UpdateItem& item : items) {
    if (graph.shape(item.weight).count() < kLarge) small.push_back(item);
    else together({item});
  }
  together(small);
}

// The loss to watch, and the factor min(1, most / (norm + 1e-6)) as torch.nn.utils.clip_grad_norm_ has it. A norm that
// is not finite makes the loss so: nothing changes then.
void clip(Graph& graph, std::span<const Value> gradients, double most, UpdateScalars& scalars) {
  const DType dtype = graph.dtype(gradients[0]);
  const Value norm = sqrt(graph, sum_of_squares(graph, gradients));
  const Value share = div(graph, scalar(graph, most, dtype), shift(graph, norm, 1e-6));
  scalars.factor = minimum(graph, share, scalar(graph, 1, dtype));
  const Value nothing = scale(graph, norm, 0);
  scalars.loss = scalars.loss ? add(graph, scalars.loss, nothing) : nothing;
}

}  // namespace

std::vector<Carry> optimise(Graph& graph, std::span<const Value> parameters, std::span<const Value> gradients,
                            const OptimiserSettings& settings, Value loss) {
  require(parameters.size() == gradients.size() && !parameters.empty(), ErrorKind::internal,
          "{} parameters with {} gradients", parameters.size(), gradients.size());
  require(std::find(optimiser_kinds().begin(), optimiser_kinds().end(), settings.kind) != optimiser_kinds().end(),
          ErrorKind::usage, "unknown optimiser \"{}\"; known: {}{}", settings.kind, fmt::join(optimiser_kinds(), ", "),
          did_you_mean(settings.kind, optimiser_kinds()));
  const DType dtype = graph.dtype(parameters[0]);
  UpdateScalars scalars{.rate = scalar_input(graph, "rate", dtype), .loss = loss};
  if (settings.kind == "adam" || settings.kind == "adamw") scalars.spread = scalar_input(graph, "spread", dtype);
  if (settings.clip_norm > 0) clip(graph, gradients, settings.clip_norm, scalars);
  // Those that decay and those that do not, matrices and vectors.
  struct Items {
    bool decays = false, vectors = false;
    std::vector<UpdateItem> items;
  };
  Items groups[] = {{false, false, {}}, {false, true, {}}, {true, false, {}}, {true, true, {}}};
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Value w = parameters[i];
    UpdateItem item{w, gradients[i], {}};
    for (const std::string& what : state_names(settings))
      item.state.push_back(input(graph, what + " of " + graph.node(w).name, graph.type(w)));
    const bool vector = graph.shape(w).rank() < 2,
               decays = settings.weight_decay != 0 && (settings.decay_all || !vector);
    const bool other_rate = vector && settings.bias_factor != 1;
    groups[2 * static_cast<size_t>(decays) + static_cast<size_t>(other_rate)].items.push_back(std::move(item));
  }
  std::vector<Carry> carry;
  const Value rate = scalars.rate;
  for (const Items& group : groups) {
    if (group.items.empty()) continue;
    UpdateAttributes attributes = attributes_of(settings);
    scalars.rate = group.vectors ? scale(graph, rate, settings.bias_factor) : rate;
    if (group.decays && settings.kind == "adamw") scalars.shrink = scalar_input(graph, "shrink", dtype);
    else if (group.decays) attributes.weight_decay = settings.weight_decay / (group.vectors ? settings.bias_factor : 1);
    append_updates(graph, scalars, group.items, attributes, carry);
  }
  return carry;
}

std::map<std::string, Tensor> step_feeds(const OptimiserSettings& settings, int64_t step, double rate, DType dtype) {
  const auto number = [&](double x) { return Tensor::full(dtype, {}, x); };
  if (settings.kind != "adam" && settings.kind != "adamw") return {{"rate", number(rate)}};
  const auto t = static_cast<double>(step + 1);
  std::map<std::string, Tensor> feeds = {{"rate", number(rate / (1 - std::pow(settings.beta1, t)))},
                                         {"spread", number(1 / std::sqrt(1 - std::pow(settings.beta2, t)))}};
  if (settings.kind == "adamw" && settings.weight_decay != 0)
    feeds["shrink"] = number(1 - rate * settings.weight_decay);
  return feeds;
}

const std::vector<std::string>& optimiser_kinds() {
  static const std::vector<std::string> kinds = {"sgd", "adam", "adamw", "rmsprop", "adagrad"};
  return kinds;
}

std::vector<Carry> moving_average(Graph& graph, std::span<const Carry> steps, double decay, Value loss) {
  std::vector<UpdateItem> items;
  for (const Carry& step : steps) {
    if (graph.node(step.to).op != &ops::parameter) continue;
    items.push_back({input(graph, "average of " + graph.node(step.to).name, graph.type(step.to)), step.from, {}});
  }
  std::vector<Carry> carry;
  append_updates(graph, {.loss = loss}, items, {.kind = "average", .smoothing = decay}, carry);
  return carry;
}

std::vector<Carry> lookahead(Graph& graph, std::span<const Carry> steps, Value loss) {
  std::vector<UpdateItem> items;
  std::vector<Carry> carry;
  std::vector<Value> fast;
  for (const Carry& step : steps) {
    if (graph.node(step.to).op != &ops::parameter) {
      carry.push_back(step);
      continue;
    }
    const Value slow = input(graph, "slow copy of " + graph.node(step.to).name, graph.type(step.to));
    items.push_back({slow, step.from, {step.from}});
    fast.push_back(step.to);
  }
  if (items.empty()) return carry;
  const UpdateScalars scalars{.rate = scalar_input(graph, "lookahead rate", graph.dtype(fast[0])), .loss = loss};
  const std::vector<Value> next = update(graph, scalars, items, {.kind = "lookahead"});
  for (size_t i = 0; i < items.size(); ++i) {
    carry.push_back({next[2 * i], items[i].weight});
    carry.push_back({next[2 * i + 1], fast[i]});
  }
  return carry;
}

double lookahead_rate(const LookaheadSettings& settings, int64_t step, int64_t steps) {
  const int64_t done = step + 1;
  if (settings.every <= 0) return -1;
  if (done % settings.every != 0) return done == steps ? 0 : -1;
  const double share = steps > 0 ? std::min(1.0, static_cast<double>(done) / static_cast<double>(steps)) : 1;
  return 1 - settings.decay * std::pow(share, settings.power);
}

std::vector<Carry> unless_diverged(Graph& graph, std::span<const Carry> steps, Value loss) {
  std::vector<Carry> carry;
  for (const Carry& step : steps)
    carry.push_back({update(graph, {.loss = loss}, {{step.to, step.from, {}}}, {.kind = "set"})[0], step.to});
  return carry;
}

}  // namespace fovea
