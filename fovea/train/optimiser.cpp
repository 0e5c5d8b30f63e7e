// sgd      g ← g + λw;  v ← μv + g;  w ← w − η·v, with Nesterov w ← w − η·(g + μv)
// adam     g ← g + λw;  m ← β₁m + (1−β₁)g;  s ← β₂s + (1−β₂)g²;  w ← w − η/(1−β₁ᵗ) · m / (√s/√(1−β₂ᵗ) + ε)
// adamw    w ← w − ηλw, then adam without the decay of g
// rmsprop  g ← g + λw;  s ← αs + (1−α)g²;  v ← μv + g/(√s + ε);  w ← w − η·v
// adagrad  g ← g + λw;  s ← s + g²;  w ← w − η·g/(√s + ε)
#include "fovea/train/optimiser.h"

#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/ops/add.h"
#include "fovea/ops/div.h"
#include "fovea/ops/input.h"
#include "fovea/ops/min.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

// One parameter on its way to its next value.
struct Step {
  Graph& graph;
  const OptimiserSettings& settings;
  Value w, g, rate;
  std::vector<Carry>& carry;

  Value state(const std::string& what) { return input(graph, what + " of " + graph.node(w).name, graph.type(w)); }
  void keep(Value next, Value state_input) { carry.push_back({next, state_input}); }
  Value scalar_input(const char* name) {
    if (const int node = graph.find(name); node >= 0) return {node, 0};
    return input(graph, name, {graph.dtype(w), {}});
  }
  // decay · old + (1 − decay) · now
  Value blend(Value old, double decay, Value now) {
    return add(graph, scale(graph, old, decay), scale(graph, now, 1 - decay));
  }
  Value root(Value s) { return shift(graph, sqrt(graph, s), settings.epsilon); }
  void move(Value by) { keep(sub(graph, w, mul(graph, by, rate)), w); }
};

void sgd(Step& s) {
  Graph& graph = s.graph;
  if (s.settings.momentum == 0) return s.move(s.g);
  const Value velocity = s.state("velocity");
  const Value next = add(graph, scale(graph, velocity, s.settings.momentum), s.g);
  s.move(s.settings.nesterov ? add(graph, s.g, scale(graph, next, s.settings.momentum)) : next);
  s.keep(next, velocity);
}

void adam(Step& s) {
  Graph& graph = s.graph;
  const bool decoupled = s.settings.kind == "adamw";
  const Value first = s.state("first moment"), second = s.state("second moment");
  const Value m = s.blend(first, s.settings.beta1, s.g);
  const Value v = s.blend(second, s.settings.beta2, mul(graph, s.g, s.g));
  // `rate` is η/(1−β₁ᵗ) here and "spread" 1/√(1−β₂ᵗ): step_feeds() knows t.
  const Value root = shift(graph, mul(graph, sqrt(graph, v), s.scalar_input("spread")), s.settings.epsilon);
  Value from = s.w;
  const bool decays = s.settings.weight_decay != 0 && (s.settings.decay_all || graph.shape(s.w).rank() >= 2);
  if (decoupled && decays) from = mul(graph, s.w, s.scalar_input("shrink"));
  s.keep(sub(graph, from, mul(graph, div(graph, m, root), s.rate)), s.w);
  s.keep(m, first);
  s.keep(v, second);
}

void rmsprop(Step& s) {
  Graph& graph = s.graph;
  const Value square = s.state("mean square");
  const Value next = s.blend(square, s.settings.smoothing, mul(graph, s.g, s.g));
  Value by = div(graph, s.g, s.root(next));
  if (s.settings.momentum != 0) {
    const Value velocity = s.state("velocity");
    by = add(graph, scale(graph, velocity, s.settings.momentum), by);
    s.keep(by, velocity);
  }
  s.move(by);
  s.keep(next, square);
}

void adagrad(Step& s) {
  const Value sum = s.state("sum of squares");
  const Value next = add(s.graph, sum, mul(s.graph, s.g, s.g));
  s.move(div(s.graph, s.g, s.root(next)));
  s.keep(next, sum);
}

struct Rule {
  const char* kind;
  void (*apply)(Step&);
};
constexpr Rule kRules[] = {{"sgd", sgd}, {"adam", adam}, {"adamw", adam}, {"rmsprop", rmsprop}, {"adagrad", adagrad}};

const Rule& rule_of(const std::string& kind) {
  for (const Rule& rule : kRules)
    if (kind == rule.kind) return rule;
  fail(ErrorKind::usage, "unknown optimiser \"{}\"{}; known: sgd, adam, adamw, rmsprop, adagrad", kind,
       did_you_mean(kind, optimiser_kinds()));
}

// Gradients scaled by min(1, most / (norm + 1e-6)), as torch.nn.utils.clip_grad_norm_.
std::vector<Value> clipped(Graph& graph, std::span<const Value> gradients, double most) {
  Value total;
  for (const Value g : gradients) {
    const Value square = reduce(graph, mul(graph, g, g));
    total = total ? add(graph, total, square) : square;
  }
  const DType dtype = graph.dtype(gradients[0]);
  const Value share = div(graph, scalar(graph, most, dtype), shift(graph, sqrt(graph, total), 1e-6));
  const Value factor = minimum(graph, share, scalar(graph, 1, dtype));
  std::vector<Value> result;
  for (const Value g : gradients) result.push_back(mul(graph, g, factor));
  return result;
}

}  // namespace

std::vector<Carry> optimise(Graph& graph, std::span<const Value> parameters, std::span<const Value> gradients,
                            const OptimiserSettings& settings) {
  require(parameters.size() == gradients.size() && !parameters.empty(), ErrorKind::internal,
          "{} parameters with {} gradients", parameters.size(), gradients.size());
  const Rule& rule = rule_of(settings.kind);
  std::vector<Value> directions(gradients.begin(), gradients.end());
  if (settings.clip_norm > 0) directions = clipped(graph, gradients, settings.clip_norm);
  std::vector<Carry> carry;
  const Value rate = input(graph, "rate", {graph.dtype(parameters[0]), {}});
  for (size_t i = 0; i < parameters.size(); ++i) {
    const Value w = parameters[i];
    const bool decays =
        settings.weight_decay != 0 && settings.kind != "adamw" && (settings.decay_all || graph.shape(w).rank() >= 2);
    const Value g = decays ? add(graph, directions[i], scale(graph, w, settings.weight_decay)) : directions[i];
    Step step{graph, settings, w, g, rate, carry};
    rule.apply(step);
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
  static const std::vector<std::string> kinds = [] {
    std::vector<std::string> list;
    for (const Rule& rule : kRules) list.emplace_back(rule.kind);
    return list;
  }();
  return kinds;
}

std::vector<Carry> moving_average(Graph& graph, std::span<const Carry> steps, double decay) {
  std::vector<Carry> carry;
  for (const Carry& step : steps) {
    if (graph.node(step.to).op != &ops::parameter) continue;
    const Value average = input(graph, "average of " + graph.node(step.to).name, graph.type(step.to));
    carry.push_back({add(graph, scale(graph, average, decay), scale(graph, step.from, 1 - decay)), average});
  }
  return carry;
}

}  // namespace fovea
