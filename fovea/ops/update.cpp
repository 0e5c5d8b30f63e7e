// update: the next values of many weights w with gradients g, elementwise, each with its state. With g ← factor · g:
//   sgd      g ← g + λw;  v ← μv + g;  w ← w − η·v, with Nesterov w ← w − η·(g + μv)
//   adam     g ← g + λw;  m ← β₁m + (1−β₁)g;  s ← β₂s + (1−β₂)g²;  w ← w − rate · m / (√s · spread + ε)
//   adamw    w ← shrink · w, then adam without the decay of g
//   rmsprop  g ← g + λw;  s ← αs + (1−α)g²;  [v ← μv +] g/(√s + ε);  w ← w − η·v
//   adagrad  g ← g + λw;  s ← s + g²;  w ← w − η·g/(√s + ε)
//   average  w ← αw + (1−α)g
//   set      w ← g
//   lookahead  where rate ≥ 0: w ← w + rate·(g − w), v ← w; else both stay. w is the slow weight, g and v are the fast
//   one
// States stand in the order m, s, v. Where the loss or the factor is NaN or infinite, everything stays as it is.
// Source: the optimisers' are named in train/optimiser.h; the form is PyTorch's.
#include "fovea/ops/update.h"

#include <cmath>
#include <limits>

#include "fovea/base/nearest.h"
#include "fovea/ops/abs.h"
#include "fovea/ops/add.h"
#include "fovea/ops/and.h"
#include "fovea/ops/div.h"
#include "fovea/ops/input.h"
#include "fovea/ops/less_equal.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

const std::vector<std::string>& kinds() {
  static const std::vector<std::string> list = {"sgd",     "adam",    "adamw", "rmsprop",
                                                "adagrad", "average", "set",   "lookahead"};
  return list;
}

Inferred infer(const Inference& in) {
  const size_t width = 2 + update_state_count(in.as<UpdateAttributes>());
  require(in.count() > kUpdateScalars && (in.count() - kUpdateScalars) % width == 0, ErrorKind::shape,
          "{} inputs, expected {} scalars and {} for each weight", in.count(), kUpdateScalars, width);
  const DType dtype = in.dtype(kUpdateScalars);
  require(dtype == DType::f32 || dtype == DType::f64, ErrorKind::type, "computes in f32; the weight is {}",
          to_string(dtype));
  for (size_t i = 0; i < kUpdateScalars; ++i)
    if (in.has(i))
      require(in.dtype(i) == dtype && in.shape(i).count() == 1, ErrorKind::shape, "scalar {} is {}, expected one {}", i,
              to_string(in.type(i)), to_string(dtype));
  std::vector<Type> types;
  for (size_t first = kUpdateScalars; first < in.count(); first += width) {
    require(in.dtype(first) == dtype, ErrorKind::type, "weights of {} and {} together", to_string(dtype),
            to_string(in.dtype(first)));
    for (size_t i = first; i < first + width; ++i) {
      require(in.type(i) == in.type(first), ErrorKind::shape, "input {} is {}, its weight {}", i, to_string(in.type(i)),
              to_string(in.type(first)));
      if (i != first + 1) types.push_back(in.type(first));
    }
  }
  return types;
}

struct Scalars {
  double rate = 1, loss = 0, spread = 1, shrink = 1, factor = 1;
  bool finite() const { return std::isfinite(loss) && std::isfinite(factor); }
};

// w and state (at most two) → their next values, in place.
void next(const UpdateAttributes& a, const Scalars& s, double& w, double g, double* state) {
  if (a.kind == "set") return void(w = g);
  if (a.kind == "average") return void(w = a.smoothing * w + (1 - a.smoothing) * g);
  if (a.kind == "lookahead") {
    if (s.rate >= 0) state[0] = w += s.rate * (g - w);
    return;
  }
  g = g * s.factor + a.weight_decay * w;
  if (a.kind == "sgd") {
    if (a.momentum != 0) {
      state[0] = a.momentum * state[0] + g;
      g = a.nesterov ? g + a.momentum * state[0] : state[0];
    }
    w -= s.rate * g;
  } else if (a.kind == "adam" || a.kind == "adamw") {
    state[0] = a.beta1 * state[0] + (1 - a.beta1) * g;
    state[1] = a.beta2 * state[1] + (1 - a.beta2) * g * g;
    w = s.shrink * w - s.rate * state[0] / (std::sqrt(state[1]) * s.spread + a.epsilon);
  } else if (a.kind == "rmsprop") {
    state[0] = a.smoothing * state[0] + (1 - a.smoothing) * g * g;
    g /= std::sqrt(state[0]) + a.epsilon;
    if (a.momentum != 0) g = state[1] = a.momentum * state[1] + g;
    w -= s.rate * g;
  } else {
    state[0] += g * g;
    w -= s.rate * g / (std::sqrt(state[0]) + a.epsilon);
  }
}

void reference(const Call& call) {
  const auto& a = call.as<UpdateAttributes>();
  const size_t states = update_state_count(a), width = 2 + states;
  const auto scalar = [&](size_t i, double otherwise) { return call.has(i) ? call.inputs[i].at(0) : otherwise; };
  const Scalars s{scalar(0, 1), scalar(1, 0), scalar(2, 1), scalar(3, 1), scalar(4, 1)};
  dispatch_float(call.inputs[kUpdateScalars].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    for (size_t first = kUpdateScalars, out = 0; first < call.inputs.size(); first += width, out += 1 + states) {
      const auto w = call.inputs[first].data<T>(), g = call.inputs[first + 1].data<T>();
      for (size_t i = 0; i < w.size(); ++i) {
        double weight = static_cast<double>(w[i]), state[2] = {};
        for (size_t k = 0; k < states; ++k) state[k] = static_cast<double>(call.inputs[first + 2 + k].data<T>()[i]);
        if (s.finite()) next(a, s, weight, static_cast<double>(g[i]), state);
        call.outputs[out].data<T>()[i] = static_cast<T>(weight);
        for (size_t k = 0; k < states; ++k) call.outputs[out + 1 + k].data<T>()[i] = static_cast<T>(state[k]);
      }
    }
  });
}

// The formulas as nodes, for one weight.
struct Composition {
  Graph& graph;
  const UpdateAttributes& a;
  UpdateScalars s;
  Value w, g;
  std::vector<Value> state;  // before, then after

  Value times(Value x, Value factor) { return factor ? mul(graph, x, factor) : x; }
  Value blend(Value old, double decay, Value now) {
    return add(graph, scale(graph, old, decay), scale(graph, now, 1 - decay));
  }
  Value root(Value square) { return shift(graph, sqrt(graph, square), a.epsilon); }
  void move(Value by) { w = sub(graph, w, times(by, s.rate)); }

  void apply() {
    if (a.kind == "set") return void(w = g);
    if (a.kind == "average") return void(w = blend(w, a.smoothing, g));
    if (a.kind == "lookahead") {
      const Value meets = less_equal(graph, scalar(graph, 0, graph.dtype(s.rate)), s.rate);
      const Value met = add(graph, w, mul(graph, sub(graph, g, w), s.rate));
      w = where(graph, meets, met, w);
      state[0] = where(graph, meets, met, state[0]);
      return;
    }
    g = times(g, s.factor);
    if (a.weight_decay != 0) g = add(graph, g, scale(graph, w, a.weight_decay));
    if (a.kind == "sgd") {
      if (a.momentum == 0) return move(g);
      state[0] = add(graph, scale(graph, state[0], a.momentum), g);
      move(a.nesterov ? add(graph, g, scale(graph, state[0], a.momentum)) : state[0]);
    } else if (a.kind == "adam" || a.kind == "adamw") {
      state[0] = blend(state[0], a.beta1, g);
      state[1] = blend(state[1], a.beta2, mul(graph, g, g));
      w = times(w, s.shrink);
      move(div(graph, state[0], shift(graph, times(sqrt(graph, state[1]), s.spread), a.epsilon)));
    } else if (a.kind == "rmsprop") {
      state[0] = blend(state[0], a.smoothing, mul(graph, g, g));
      Value by = div(graph, g, root(state[0]));
      if (a.momentum != 0) by = state[1] = add(graph, scale(graph, state[1], a.momentum), by);
      move(by);
    } else {
      state[0] = add(graph, state[0], mul(graph, g, g));
      move(div(graph, g, root(state[0])));
    }
  }
};

Value is_finite(Graph& graph, Value x) {
  const DType dtype = graph.dtype(x);
  const double most = dtype == DType::f64 ? std::numeric_limits<double>::max() : std::numeric_limits<float>::max();
  return less_equal(graph, abs(graph, x), scalar(graph, most, dtype));
}

std::vector<Value> decompose(Graph& graph, const Node& node, std::span<const Value> inputs) {
  const auto& a = node.attributes.as<UpdateAttributes>();
  const size_t states = update_state_count(a), width = 2 + states;
  const UpdateScalars s{inputs[0], inputs[1], inputs[2], inputs[3], inputs[4]};
  Value finite;
  for (const Value x : {s.loss, s.factor})
    if (x) finite = finite ? and_(graph, finite, is_finite(graph, x)) : is_finite(graph, x);
  const auto kept = [&](Value now, Value before) { return finite ? where(graph, finite, now, before) : now; };
  std::vector<Value> result;
  for (size_t first = kUpdateScalars; first < inputs.size(); first += width) {
    Composition c{graph, a, s, inputs[first], inputs[first + 1], {}};
    for (size_t k = 0; k < states; ++k) c.state.push_back(inputs[first + 2 + k]);
    c.apply();
    result.push_back(kept(c.w, inputs[first]));
    for (size_t k = 0; k < states; ++k) result.push_back(kept(c.state[k], inputs[first + 2 + k]));
  }
  return result;
}

// Two weights at once, one of them of a length that fills no vector; every scalar given.
Case make_case(std::string name, UpdateAttributes a, double loss, bool all_scalars, double rate = 0.1) {
  const auto scalar = [&](double value) {
    return Case::Input{.type = {DType::f32, {}}, .value = Tensor::full(DType::f32, {}, value), .differentiate = false};
  };
  const Case::Input none{.given = false};
  Case test{.name = std::move(name), .inputs = {}, .attributes = a};
  if (all_scalars) test.inputs = {scalar(rate), scalar(loss), scalar(1.25), scalar(0.99), scalar(0.5)};
  else test.inputs = {scalar(rate), none, none, none, none};
  for (const Shape& shape : {Shape{16, 3, 3, 5}, Shape{7}}) {
    test.inputs.push_back({.type = {DType::f32, shape}});
    test.inputs.push_back({.type = {DType::f32, shape}});
    for (size_t k = 0; k < update_state_count(a); ++k)
      test.inputs.push_back({.type = {DType::f32, shape}, .low = 0.1, .high = 2});
  }
  return test;
}

std::vector<Case> cases() {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  return {make_case("sgd", {.weight_decay = 0.01}, 1, true),
          make_case("momentum", {.momentum = 0.9, .weight_decay = 0.01}, 1, true),
          make_case("nesterov", {.momentum = 0.9, .nesterov = true}, 1, false),
          make_case("adam", {.kind = "adam", .weight_decay = 0.01}, 1, false),
          make_case("adamw", {.kind = "adamw"}, 1, true),
          make_case("rmsprop", {.kind = "rmsprop"}, 1, true),
          make_case("rmsprop_momentum", {.kind = "rmsprop", .momentum = 0.9}, 1, false),
          make_case("adagrad", {.kind = "adagrad", .epsilon = 1e-10}, 1, true),
          make_case("average", {.kind = "average", .smoothing = 0.95}, 1, true),
          make_case("set", {.kind = "set"}, 1, true),
          make_case("lookahead_meets", {.kind = "lookahead"}, 1, true),
          make_case("lookahead_waits", {.kind = "lookahead"}, 1, false, -1),
          make_case("infinite_loss", {.momentum = 0.9, .weight_decay = 0.01}, kInfinity, true),
          make_case("nan_loss", {.kind = "adam"}, std::nan(""), true)};
}

Cost cost(const Node& node, std::span<const Type>) {
  double elements = 0;
  for (const Type& type : node.outputs) elements += static_cast<double>(type.shape.count());
  return {.flops = 6 * elements};
}

}  // namespace

namespace ops {
const Op update = {.name = "update",
                   .doc = "the next values of weights and of an optimiser's state, in one pass",
                   .attributes = &UpdateAttributes::info,
                   .infer = infer,
                   .no_gradient = "a step of an optimiser ends the graph; differentiate its decomposition",
                   .reference = reference,
                   .cases = cases,
                   .cost = cost,
                   .decompose = decompose};
}

size_t update_state_count(const UpdateAttributes& a) {
  if (a.kind == "sgd") return a.momentum != 0 ? 1 : 0;
  if (a.kind == "adam" || a.kind == "adamw") return 2;
  if (a.kind == "rmsprop") return a.momentum != 0 ? 2 : 1;
  if (a.kind == "adagrad" || a.kind == "lookahead") return 1;
  if (a.kind == "average" || a.kind == "set") return 0;
  fail(ErrorKind::usage, "unknown kind of update \"{}\"{}", a.kind, did_you_mean(a.kind, kinds()));
}

std::vector<Value> update(Graph& graph, const UpdateScalars& scalars, const std::vector<UpdateItem>& items,
                          UpdateAttributes attributes) {
  const size_t states = update_state_count(attributes);
  std::vector<Value> inputs = {scalars.rate, scalars.loss, scalars.spread, scalars.shrink, scalars.factor};
  for (const UpdateItem& item : items) {
    require(item.state.size() == states, ErrorKind::internal, "{} states for an update of kind {}, expected {}",
            item.state.size(), attributes.kind, states);
    inputs.push_back(item.weight);
    inputs.push_back(item.gradient);
    inputs.insert(inputs.end(), item.state.begin(), item.state.end());
  }
  const Value first = graph.add(ops::update, std::move(inputs), std::move(attributes));
  std::vector<Value> result;
  for (size_t k = 0; k < items.size() * (1 + states); ++k) result.push_back({first.node, static_cast<int>(k)});
  return result;
}

}  // namespace fovea
