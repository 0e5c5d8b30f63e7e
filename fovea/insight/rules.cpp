// deconvnet: d_x = max(0, d_y);  guided: d_x = f'(x) · max(0, d_y);  gradient: d_x = f'(x) · d_y, at rectifiers.
// Relevance: with m = R / value, a linear layer y = W x + b gives m_x = Wᵀ(m_y · |y| / (|y| + ε)), an activation
// m_x = m_y · y / x, which for relu, leaky relu and max pooling is the derivative.
// Rescale: with Δ the difference of the two rows, m_x = m_y · Δy / Δx at nonlinearities.
// Sources: see rules.h.
#include "fovea/insight/rules.h"

#include <algorithm>

#include "fovea/base/nearest.h"
#include "fovea/ops/abs.h"
#include "fovea/ops/add.h"
#include "fovea/ops/clip.h"
#include "fovea/ops/div.h"
#include "fovea/ops/input.h"
#include "fovea/ops/less_equal.h"
#include "fovea/ops/max.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/roll.h"
#include "fovea/ops/sign.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"
#include "fovea/ops/sum_to.h"
#include "fovea/ops/where.h"

namespace fovea {

namespace {

// Keeps |x| + tiny above zero where x is: far below every activation, far above the least float.
constexpr double kTiny = 1e-30;
// Below this share of the sizes, a difference in f32 has less than two digits: the derivative stands for the quotient.
constexpr double kLostDifference = 1e-5;

bool is_rectifier(const Differentiation& d) {
  if (d.node.op != &ops::clip) return true;
  const Tensor* bound = d.input(1) ? d.graph.known(d.input(1)) : nullptr;
  if (d.input(1) && !bound) return false;
  return (bound ? bound->at(0) : d.as<ClipAttributes>().min) == 0;
}

// The operator's own derivative of another signal.
std::vector<Value> derivative(const Differentiation& d, Value signal) {
  require(d.node.op->gradient != nullptr, ErrorKind::unsupported, "{} \"{}\" has no gradient: {}", d.node.op->name,
          d.node.name, d.node.op->no_gradient);
  std::vector<Value> signals(d.d_outputs.begin(), d.d_outputs.end());
  signals[0] = signal;
  return d.node.op->gradient({d.graph, d.node, d.outputs, signals, d.wanted});
}

std::vector<Value> deconvnet_rectifier(const Differentiation& d) {
  if (!is_rectifier(d)) return derivative(d, d.d_output());
  std::vector<Value> result(d.node.inputs.size());
  result[0] = relu(d.graph, d.d_output());
  return result;
}

std::vector<Value> guided_rectifier(const Differentiation& d) {
  return derivative(d, is_rectifier(d) ? relu(d.graph, d.d_output()) : d.d_output());
}

Rules for_rectifiers(GradientFunction function) {
  Rules rules;
  for (const std::string& name : rectifier_names()) rules[name] = function;
  return rules;
}

// ε of a layer's values: the number fed times their root mean square.
Value epsilon_of(Graph& g, Value y) {
  const int node = g.find(kRelevanceEpsilon);
  require(node >= 0, ErrorKind::internal, "relevance needs an input \"{}\"", kRelevanceEpsilon);
  const Value mean_square = reduce(g, mul(g, y, y), {.kind = "mean"});
  return add(g, mul(g, {node, 0}, sqrt(g, mean_square)), scalar(g, kTiny, g.dtype(y)));
}

// Whether a batch norm takes what the node computes: the two are one linear layer.
bool is_normalised(const Differentiation& d) {
  for (int i = d.outputs[0].node + 1; i < d.graph.size(); ++i) {
    const Node& node = d.graph.node(i);
    if (node.op->name == "batch_norm" && node.inputs[0] == d.outputs[0]) return true;
  }
  return false;
}

std::vector<Value> relevance_of_linear(const Differentiation& d) {
  if (is_normalised(d)) return derivative(d, d.d_output());
  Graph& g = d.graph;
  const Value size = abs(g, d.outputs[0]);
  return derivative(d, mul(g, d.d_output(), div(g, size, add(g, size, epsilon_of(g, d.outputs[0])))));
}

// y / x, 0 where x is 0.
std::vector<Value> passed_on(const Differentiation& d, Value epsilon) {
  Graph& g = d.graph;
  const Value x = d.input(0);
  const Value ratio = div(g, mul(g, d.outputs[0], sign(g, x)), add(g, abs(g, x), epsilon));
  std::vector<Value> result(d.node.inputs.size());
  result[0] = mul(g, d.d_output(), ratio);
  return result;
}

std::vector<Value> relevance_of_activation(const Differentiation& d) {
  return passed_on(d, epsilon_of(d.graph, d.input(0)));
}

std::vector<Value> relevance_of_normalisation(const Differentiation& d) {
  return passed_on(d, scalar(d.graph, kTiny, d.graph.dtype(d.input(0))));
}

std::vector<Value> relevance_of_product(const Differentiation& d) {
  const bool both = d.wanted.size() > 1 && d.wanted[0] && d.wanted[1];
  if (!both) return derivative(d, d.d_output());
  return derivative(d, mul(d.graph, d.d_output(), scalar(d.graph, 0.5, d.graph.dtype(d.d_output()))));
}

Rules make_relevance_rules() {
  Rules rules;
  for (const char* name :
       {"conv", "conv_input_gradient", "gemm", "matmul", "add", "sub", "batch_norm", "channel_affine"})
    rules[name] = relevance_of_linear;
  for (const char* name : {"clip", "elu", "celu", "selu", "gelu", "hard_swish", "mish", "softplus", "sigmoid",
                           "hard_sigmoid", "tanh", "softsign", "thresholded_relu"})
    rules[name] = relevance_of_activation;
  rules["lrn"] = relevance_of_normalisation;
  rules["mul"] = relevance_of_product;
  return rules;
}

// The values of the other row of a pair: [2,…] with its rows exchanged.
Value other_row(Graph& g, Value v) {
  require(
      g.shape(v).rank() >= 1 && g.shape(v)[0] == 2, ErrorKind::unsupported,
      "\"{}\" is {}: DeepLIFT follows a picture and its baseline as the two rows of a batch, and here they are mixed",
      g.node(v).name, to_string(g.shape(v)));
  return roll(g, v, {1}, {0});
}

// Differences between the rows, and where they are lost in rounding.
struct Difference {
  Value value, lost, divisor;
  Difference(Graph& g, Value x) {
    const Value other = other_row(g, x);
    const auto number = [&](double v) { return scalar(g, v, g.dtype(x)); };
    value = sub(g, x, other);
    lost = less_equal(g, abs(g, value), mul(g, add(g, abs(g, x), abs(g, other)), number(kLostDifference)));
    divisor = where(g, lost, number(1), value);
  }
};

std::vector<Value> rescaled_activation(const Differentiation& d) {
  Graph& g = d.graph;
  const Difference x(g, d.input(0));
  const Value y = sub(g, d.outputs[0], other_row(g, d.outputs[0]));
  std::vector<Value> result = derivative(d, d.d_output());
  const Value mean = mul(g, add(g, result[0], other_row(g, result[0])), scalar(g, 0.5, g.dtype(y)));
  result.assign(d.node.inputs.size(), {});
  result[0] = where(g, x.lost, mean, mul(g, d.d_output(), div(g, y, x.divisor)));
  return result;
}

// With M = max(y, y'), M − y' goes to where the picture's maximum was, y − M to where the baseline's was.
std::vector<Value> rescaled_max_pool(const Differentiation& d) {
  Graph& g = d.graph;
  const Difference x(g, d.input(0));
  const Value y = d.outputs[0], other = other_row(g, y);
  const Value own = derivative(d, mul(g, d.d_output(), sub(g, maximum(g, y, other), other)))[0];
  const Value both = sub(g, own, other_row(g, own));
  std::vector<Value> result(d.node.inputs.size());
  result[0] = where(g, x.lost, scalar(g, 0, g.dtype(y)), div(g, both, x.divisor));
  return result;
}

// Δ(a b) = Δa · (b + b')/2 + Δb · (a + a')/2.
std::vector<Value> rescaled_product(const Differentiation& d) {
  const bool both = d.wanted.size() > 1 && d.wanted[0] && d.wanted[1];
  if (!both) return derivative(d, d.d_output());
  Graph& g = d.graph;
  std::vector<Value> result;
  for (size_t i = 0; i < 2; ++i) {
    const Value partner = d.input(1 - i);
    const Value mean = mul(g, add(g, partner, other_row(g, partner)), scalar(g, 0.5, g.dtype(partner)));
    result.push_back(sum_to(g, mul(g, d.d_output(), mean), g.shape(d.input(i))));
  }
  return result;
}

Rules make_rescale_rules() {
  Rules rules = for_rectifiers(rescaled_activation);
  for (const char* name :
       {"sigmoid", "hard_sigmoid", "tanh", "softsign", "erf", "exp", "log", "sqrt", "abs", "reciprocal"})
    rules[name] = rescaled_activation;
  rules["max_pool"] = rescaled_max_pool;
  rules["mul"] = rescaled_product;
  return rules;
}

}  // namespace

const std::vector<std::string>& rectifier_names() {
  static const std::vector<std::string> names = {"relu", "clip",       "leaky_relu", "prelu",
                                                 "elu",  "celu",       "selu",       "thresholded_relu",
                                                 "gelu", "hard_swish", "mish",       "softplus"};
  return names;
}

const std::vector<std::string>& gradient_rule_names() {
  static const std::vector<std::string> names = {"deconvnet", "guided", "gradient"};
  return names;
}

const Rules& gradient_rules(std::string_view name) {
  static const Rules plain, deconvnet = for_rectifiers(deconvnet_rectifier), guided = for_rectifiers(guided_rectifier);
  if (name == "gradient") return plain;
  if (name == "deconvnet") return deconvnet;
  if (name == "guided") return guided;
  fail(ErrorKind::usage, "there is no gradient rule \"{}\"; known: {}{}", name, fmt::join(gradient_rule_names(), ", "),
       did_you_mean(name, gradient_rule_names()));
}

const Rules& relevance_rules() {
  static const Rules rules = make_relevance_rules();
  return rules;
}

const Rules& rescale_rules() {
  static const Rules rules = make_rescale_rules();
  return rules;
}

}  // namespace fovea
