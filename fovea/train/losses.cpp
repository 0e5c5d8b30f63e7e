// Losses of one sample with scores z[c] and label y; t[c] = 1 for c = y, else 0:
//
//   cross_entropy   −Σ_c t'[c] · log softmax(z)[c],  t' = (1 − ε) · t + ε / C with label smoothing ε
//   logistic        −Σ_c log σ(z[c]) for c = y, log σ(−z[c]) for the others; as softplus(±z): nothing cancels
//   squared         ½ Σ_c (z[c] − t[c])²
//   weston_watkins  1/C · Σ_{c≠y} max(0, margin − z[y] + z[c])^power
//   crammer_singer  max_{c≠y} max(0, margin − z[y] + z[c])^power
//
// A batch's loss is the mean over its samples with a label in [0, C). At a kink the hinges' gradient is 0; among equal
// largest violations of crammer_singer it is divided evenly, one of the subgradients.
//
// Sources: Szegedy et al., "Rethinking the Inception architecture", CVPR 2016, section 7 (label smoothing); Bishop,
// "Pattern recognition and machine learning", 2006, equations 4.108 and 5.14; Rifkin & Klautau, "In defense of
// one-vs-all classification", JMLR 5, 2004; Weston & Watkins, "Support vector machines for multi-class pattern
// recognition", ESANN 1999, with the mean over classes of PyTorch's multi_margin_loss; Crammer & Singer, "On the
// algorithmic implementation of multiclass kernel-based vector machines", JMLR 2, 2001.
#include "fovea/train/losses.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/model/heads.h"
#include "fovea/ops/add.h"
#include "fovea/ops/and.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/div.h"
#include "fovea/ops/equal.h"
#include "fovea/ops/greater_equal.h"
#include "fovea/ops/input.h"
#include "fovea/ops/less.h"
#include "fovea/ops/max.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/not.h"
#include "fovea/ops/or.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/softmax.h"
#include "fovea/ops/softmax_cross_entropy.h"
#include "fovea/ops/softplus.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

const ReduceAttributes kOverClasses{.kind = "sum", .axes = 1};
const ReduceAttributes kOverClassesKept{.kind = "sum", .axes = 1, .keep = true};

// A batch of scores and labels, and what all losses make of them.
class Batch {
 public:
  Batch(Graph& graph, Value logits, Value labels) : z(logits), y(labels), g(graph) {
    const Type scores = g.type(logits), given = g.type(labels);
    require(scores.dtype == DType::f32 || scores.dtype == DType::f64, ErrorKind::type,
            "logits are {}, expected f32 or f64", to_string(scores));
    require(scores.shape.rank() == 2 && scores.shape[1] > 0, ErrorKind::shape, "logits are {}, expected N,C",
            to_string(scores));
    require(given.dtype == DType::i64, ErrorKind::type, "labels are {}, expected class numbers i64[{}]",
            to_string(given), scores.shape[0]);
    require(given.shape == Shape{scores.shape[0]}, ErrorKind::shape, "labels are {}, expected i64[{}]: one a row of {}",
            to_string(given), scores.shape[0], to_string(scores));
    samples = scores.shape[0];
    classes = scores.shape[1];
  }

  Value number(double value) { return scalar(g, value, g.dtype(z)); }
  // [N,1]
  Value column(Value v) { return reshape(g, v, Shape{samples, 1}); }
  // bool [N]: whether the sample has a label.
  Value counts() {
    if (!counts_) {
      const Value first = constant(g, Tensor::scalar<int64_t>(0)), end = constant(g, Tensor::scalar(classes));
      counts_ = and_(g, greater_equal(g, y, first), less(g, y, end));
    }
    return counts_;
  }
  // The same as 0 and 1, [N], of the logits' type.
  Value weights() { return weights_ ? weights_ : weights_ = cast(g, counts(), g.dtype(z)); }
  // The class numbers, i64 [1,C].
  Value numbers() {
    if (numbers_) return numbers_;
    std::vector<int64_t> all(static_cast<size_t>(classes));
    std::iota(all.begin(), all.end(), int64_t{0});
    return numbers_ = constant(g, Tensor::of<int64_t>({1, classes}, all));
  }
  // bool [N,C]: where the label is; false throughout for a sample without one.
  Value is_label() { return is_label_ ? is_label_ : is_label_ = equal(g, column(y), numbers()); }
  // t: the same as 0 and 1, of the logits' type.
  Value one_hot() { return one_hot_ ? one_hot_ : one_hot_ = cast(g, is_label(), g.dtype(z)); }
  // z[y] [N,1]; 0 without a label. Chosen, not multiplied: another class's infinity does no harm.
  Value label_score() { return reduce(g, where(g, is_label(), z, number(0)), kOverClassesKept); }
  // How many samples count, but 1 where none does.
  Value divisor() { return maximum(g, reduce(g, weights(), {.kind = "sum"}), number(1)); }

  const Value z, y;
  int64_t samples = 0, classes = 0;
  Graph& g;

 private:
  Value counts_, weights_, numbers_, is_label_, one_hot_;
};

// Each of the following returns one loss a sample [N], 0 for a sample without a label.

Value cross_entropy(Batch& b, const LossSettings& settings) {
  const double smooth = settings.label_smoothing;
  if (smooth == 0) return softmax_cross_entropy(b.g, b.z, b.y);
  const Value even = mul(b.g, b.column(b.weights()), b.number(smooth / static_cast<double>(b.classes)));
  return softmax_cross_entropy(b.g, b.z, add(b.g, mul(b.g, b.one_hot(), b.number(1 - smooth)), even));
}

Value logistic(Batch& b, const LossSettings&) {
  const Value away = sub(b.g, b.number(1), mul(b.g, b.one_hot(), b.number(2)));  // −1 at the label, else 1
  return mul(b.g, b.weights(), reduce(b.g, softplus(b.g, mul(b.g, b.z, away)), kOverClasses));
}

Value squared(Batch& b, const LossSettings&) {
  const Value error = sub(b.g, b.z, b.one_hot());
  return mul(b.g, mul(b.g, b.weights(), b.number(0.5)), reduce(b.g, mul(b.g, error, error), kOverClasses));
}

// (max(0, margin − z[y] + z[c]))^power for c ≠ y, else 0: [N,C].
Value violations(Batch& b, const LossSettings& settings) {
  const Value others = sub(b.g, b.column(b.weights()), b.one_hot());
  const Value lead = add(b.g, sub(b.g, b.z, b.label_score()), b.number(settings.margin));
  const Value violation = mul(b.g, others, relu(b.g, lead));
  return settings.power == 2 ? mul(b.g, violation, violation) : violation;
}

Value weston_watkins(Batch& b, const LossSettings& settings) {
  return reduce(b.g, violations(b, settings), {.kind = "mean", .axes = 1});
}

Value crammer_singer(Batch& b, const LossSettings& settings) {
  return reduce(b.g, violations(b, settings), {.kind = "max", .axes = 1});
}

struct Kind {
  std::string_view name;
  Value (*of_samples)(Batch&, const LossSettings&);
};
constexpr Kind kKinds[] = {{"cross_entropy", cross_entropy},
                           {"logistic", logistic},
                           {"squared", squared},
                           {"weston_watkins", weston_watkins},
                           {"crammer_singer", crammer_singer}};

const Kind& checked(const LossSettings& settings) {
  const Kind* kind = nullptr;
  for (const Kind& k : kKinds)
    if (k.name == settings.kind) kind = &k;
  require(kind, ErrorKind::usage, "there is no loss \"{}\"{}", settings.kind,
          did_you_mean(settings.kind, loss_kinds()));
  require(settings.label_smoothing >= 0 && settings.label_smoothing <= 1, ErrorKind::usage,
          "label smoothing is {}, expected 0 to 1", settings.label_smoothing);
  require(settings.label_smoothing == 0 || settings.kind == "cross_entropy", ErrorKind::usage,
          "label smoothing goes with the loss cross_entropy, not with {}", settings.kind);
  require(settings.margin > 0 && std::isfinite(settings.margin), ErrorKind::usage, "the margin is {}, expected above 0",
          settings.margin);
  require(settings.power == 1 || settings.power == 2, ErrorKind::usage, "the power is {}, expected 1 or 2",
          settings.power);
  return *kind;
}

// bool [N]: labelled, and at least k classes score better.
Value is_wrong(Batch& b, int64_t k) {
  require(k >= 1, ErrorKind::usage, "a guess among the best {} can never be right; expected 1 or more", k);
  const Value best = b.label_score(), label = b.column(b.y);
  const Value beaten = less(b.g, b.z, best);
  const Value later = and_(b.g, equal(b.g, b.z, best), greater_equal(b.g, b.numbers(), label));
  // Not "greater": a NaN, here or there, compares false, and so counts as better.
  const Value better = cast(b.g, not_(b.g, or_(b.g, beaten, later)), DType::i64);
  const Value wrong =
      greater_equal(b.g, reduce(b.g, better, kOverClasses), constant(b.g, Tensor::scalar(std::min(k, b.classes))));
  return and_(b.g, b.counts(), wrong);
}

bool only_reshapes(const Node& node) {
  const std::string_view op = node.op->name;
  return op == "identity" || op == "reshape" || op == "flatten" || op == "squeeze" || op == "unsqueeze";
}

// A sigmoid, or a softmax over the axis of the classes.
bool squashes_classes(const Node& node, int64_t classes) {
  if (node.op->name == "sigmoid") return true;
  if (node.op->name != "softmax" && node.op->name != "log_softmax") return false;
  const Shape& shape = node.outputs[0].shape;
  const int64_t axis = normal_axis(node.attributes.as<SoftmaxAttributes>().axis, shape.rank(), "softmax");
  return axis > 0 && shape[static_cast<size_t>(axis)] == classes;
}

Value output_of(const Graph& graph, std::string_view name) {
  std::vector<std::string> names;
  for (const NamedValue& output : graph.outputs) {
    if (output.name == name) return output.value;
    names.push_back(output.name);
  }
  fail(ErrorKind::usage, "the network has no output \"{}\"{}", name, did_you_mean(name, names));
}

}  // namespace

const std::vector<std::string>& loss_kinds() {
  static const std::vector<std::string> names = [] {
    std::vector<std::string> all;
    for (const Kind& k : kKinds) all.emplace_back(k.name);
    return all;
  }();
  return names;
}

Value classification_loss(Graph& graph, Value logits, Value labels, const LossSettings& settings) {
  const Kind& kind = checked(settings);
  Batch batch(graph, logits, labels);
  return div(graph, reduce(graph, kind.of_samples(batch, settings), {.kind = "sum"}), batch.divisor());
}

Value error_count(Graph& graph, Value logits, Value labels, int64_t k) {
  Batch batch(graph, logits, labels);
  return reduce(graph, cast(graph, is_wrong(batch, k), DType::i64), {.kind = "sum"});
}

Value accuracy(Graph& graph, Value logits, Value labels, int64_t k) {
  Batch batch(graph, logits, labels);
  const Value right = and_(graph, batch.counts(), not_(graph, is_wrong(batch, k)));
  return div(graph, reduce(graph, cast(graph, right, graph.dtype(logits)), {.kind = "sum"}), batch.divisor());
}

Value logits_of(Graph& graph, Value scores) {
  const Shape shape = graph.shape(scores);
  const int64_t samples = shape.rank() > 0 ? shape[0] : 0;
  const bool one_a_class = shape.rank() >= 2 && shape[1] > 0 && shape.count(1, shape.rank()) == shape[1];
  require(one_a_class, ErrorKind::shape,
          "the scores \"{}\" are {}, expected N,C: one number a class (is the picture larger than the network's own?)",
          graph.node(scores).name, to_string(graph.type(scores)));
  Value logits = scores, at = scores;
  while (at) {
    const Node& node = graph.node(at);
    if (!only_reshapes(node) && !squashes_classes(node, shape[1])) break;
    const Value before = node.inputs[0];
    const Shape& from = graph.shape(before);
    if (from.rank() < 1 || from[0] != samples || from.count() != shape.count()) break;
    if (!only_reshapes(node)) {
      logits = before;
      break;
    }
    at = before;
  }
  return graph.shape(logits).rank() == 2 ? logits : reshape(graph, logits, Shape{samples, shape[1]});
}

std::vector<Head> auxiliary_heads(const Graph& graph) {
  std::vector<Head> heads;
  for (const std::string& name : auxiliary_outputs(graph)) heads.push_back({name, 0.3});
  return heads;
}

NetworkLoss network_loss(Graph& graph, std::string_view scores, Value labels, const LossSettings& settings,
                         const std::vector<Head>& heads) {
  NetworkLoss result;
  const auto loss_of = [&](std::string_view output) {
    const Value value = output_of(graph, output);
    try {
      const Value logits = logits_of(graph, value);
      if (!result.logits) result.logits = logits;
      return classification_loss(graph, logits, labels, settings);
    } catch (const Error& e) { throw e.within(fmt::format("output \"{}\"", output)); }
  };
  result.total = result.main = loss_of(scores);
  for (const Head& head : heads) {
    require(head.weight >= 0 && std::isfinite(head.weight), ErrorKind::usage,
            "the loss of output \"{}\" weighs {}, expected 0 or more", head.output, head.weight);
    const Value loss = loss_of(head.output);
    result.heads.push_back({head.output, loss});
    const Value weighed = mul(graph, loss, scalar(graph, head.weight, graph.dtype(loss)));
    result.total = add(graph, result.total, weighed);
  }
  return result;
}

}  // namespace fovea
