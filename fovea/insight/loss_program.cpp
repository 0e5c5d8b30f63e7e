#include "fovea/insight/loss_program.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/compile/optimise.h"
#include "fovea/ops/abs.h"
#include "fovea/ops/add.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/div.h"
#include "fovea/ops/fused_conv.h"
#include "fovea/ops/gate.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scale.h"
#include "fovea/transform/gradient.h"

namespace fovea {

namespace {

constexpr double kNothing = 1e-8;  // as in jcjohnson/neural-style

struct Built {
  LossGraph loss;
  Value levels;
  std::vector<std::vector<Value>> sums;  // of each term
};

LayerSize size_of_layer(const Shape& maps) { return {maps[1], maps[2], maps[3]}; }

// The network and the sums of every term.
Built build(const Model& model, const std::vector<LossTerm>& terms, int64_t height, int64_t width, bool tile) {
  std::vector<std::string> names;
  for (const LossTerm& term : terms) names.push_back(term.layer);
  LayerNetwork network = layer_network(model, names, height, width);
  Built built{{std::move(network.graph), {}, network.layers, {}, {}}, network.levels, {}};
  Graph& graph = built.loss.graph;
  std::vector<TermMaps> maps(terms.size());
  for (size_t k = 0; k < terms.size(); ++k) {
    const LossTerm& term = terms[k];
    const Shape shape = graph.shape(network.layers[k]);
    if (const size_t first = first_of_layer(terms, k); first < k) {
      maps[k] = maps[first];
      maps[k].inputs.clear();
    } else {
      maps[k].maps = network.layers[k];
      if (tile) {
        maps[k].window = input(graph, window_input(k), {DType::i64, {4}});
        maps[k].owned = input(graph, owned_input(k), {DType::f32, {1, 1, shape[2], shape[3]}});
      }
    }
    for (size_t i = 0; i < term.inputs.size(); ++i) {
      const int64_t channels = term.inputs[i].size(1);
      maps[k].inputs.push_back(input(graph, term_input(k, i), {DType::f32, {1, channels, shape[2], shape[3]}}));
    }
    built.sums.push_back(term.sums(graph, maps[k]));
    built.loss.sums.push_back(built.sums.back().size());
    require(!term.normalise_gradient || !term.layer.empty(), ErrorKind::usage,
            "{}: only gradients of a layer are normalised, not those of the picture itself", term.name);
    if (term.normalise_gradient) built.loss.normalised.push_back(k);
  }
  return built;
}

// Σ |x| + 1e-8, a scalar.
Value norm_of(Graph& graph, Value x) {
  return add(graph, reduce(graph, abs(graph, x)), scalar(graph, kNothing, graph.dtype(x)));
}

Value flat(Graph& graph, Value x) { return reshape(graph, x, Shape{graph.shape(x).count()}); }

// With normalised terms the gradient is that of no loss: it goes back from the sums with seeds.
Value normalised_gradient(Built& built, const std::vector<LossTerm>& terms, std::span<const Value> values) {
  Graph& graph = built.loss.graph;
  std::vector<Value> sums, seeds;
  for (size_t k = 0; k < terms.size(); ++k) {
    Value factor = scalar(graph, terms[k].weight);
    if (terms[k].normalise_gradient) {
      const Value own = gradient(graph, values[k], std::vector<Value>{built.loss.layers[k]})[0];
      factor = div(graph, factor, norm_of(graph, own));
    }
    const std::vector<Value> d = gradient(graph, values[k], built.sums[k]);
    for (size_t i = 0; i < d.size(); ++i) {
      sums.push_back(flat(graph, built.sums[k][i]));
      seeds.push_back(flat(graph, mul(graph, d[i], factor)));
    }
  }
  const Value all = sums.size() == 1 ? sums[0] : concat(graph, sums, 0);
  const Value seed = seeds.size() == 1 ? seeds[0] : concat(graph, seeds, 0);
  return gradient(graph, all, std::vector<Value>{built.levels}, {}, seed)[0];
}

Value plus(Graph& graph, Value a, Value b) { return a ? add(graph, a, b) : b; }

}  // namespace

std::string term_input(size_t term, size_t index) { return fmt::format("input {} of term {}", index, term); }
std::string window_input(size_t term) { return fmt::format("window of term {}", term); }
std::string owned_input(size_t term) { return fmt::format("owned by term {}", term); }
std::string sum_input(size_t term, size_t index) { return fmt::format("sum {} of term {}", index, term); }
std::string seed_input(size_t term, size_t index) { return fmt::format("seed {} of term {}", index, term); }

size_t first_of_layer(const std::vector<LossTerm>& terms, size_t term) {
  size_t first = 0;
  while (terms[first].layer != terms[term].layer) ++first;
  return first;
}

LossGraph whole_loss(const Model& model, const std::vector<LossTerm>& terms, int64_t height, int64_t width) {
  Built built = build(model, terms, height, width, false);
  Graph& graph = built.loss.graph;
  std::vector<Value> values;
  Value total;
  for (size_t k = 0; k < terms.size(); ++k) {
    const LayerSize size = size_of_layer(graph.shape(built.loss.layers[k]));
    values.push_back(terms[k].finish(graph, built.sums[k], size));
    total = plus(graph, total, scale(graph, values.back(), terms[k].weight));
  }
  built.loss.wants = values;
  built.loss.wants.push_back(built.loss.normalised.empty() ? gradient(graph, total, std::vector<Value>{built.levels})[0]
                                                           : normalised_gradient(built, terms, values));
  prune(built.loss);
  return std::move(built.loss);
}

LossGraph tile_loss(const Model& model, const std::vector<LossTerm>& terms, int64_t height, int64_t width) {
  Built built = build(model, terms, height, width, true);
  Graph& graph = built.loss.graph;
  const auto gate_input = [&](const char* name) { return input(graph, name, {DType::boolean, {}}); };
  const Value sums_wanted = gate_input(kSumsWanted), gradient_wanted = gate_input(kGradientWanted);
  Value total;
  std::vector<Value> own(terms.size());  // ⟨seed, sum⟩ of each term
  for (size_t k = 0; k < terms.size(); ++k)
    for (size_t i = 0; i < built.sums[k].size(); ++i) {
      const Value sum = built.sums[k][i];
      const Value seed = input(graph, seed_input(k, i), {DType::f32, graph.shape(sum)});
      own[k] = plus(graph, own[k], reduce(graph, mul(graph, sum, seed)));
      built.loss.wants.push_back(gate(graph, sum, sums_wanted));
    }
  for (const Value v : own) total = plus(graph, total, v);
  if (!built.loss.normalised.empty()) {
    const Value norms_wanted = gate_input(kNormsWanted);
    for (const size_t k : built.loss.normalised) {
      const Value d = gradient(graph, own[k], std::vector<Value>{built.loss.layers[k]})[0];
      built.loss.wants.push_back(gate(graph, reduce(graph, abs(graph, d)), norms_wanted));
    }
  }
  const Value d = gradient(graph, total, std::vector<Value>{built.levels})[0];
  built.loss.wants.push_back(gate(graph, d, gradient_wanted));
  prune(built.loss);
  return std::move(built.loss);
}

LossGraph finished_loss(const std::vector<LossTerm>& terms, const std::vector<std::vector<Shape>>& sums,
                        const std::vector<LayerSize>& sizes) {
  LossGraph loss;
  std::vector<Value> all;
  Value total;
  for (size_t k = 0; k < terms.size(); ++k) {
    std::vector<Value> own;
    for (size_t i = 0; i < sums[k].size(); ++i)
      own.push_back(input(loss.graph, sum_input(k, i), {DType::f64, sums[k][i]}));
    all.insert(all.end(), own.begin(), own.end());
    loss.sums.push_back(own.size());
    loss.wants.push_back(terms[k].finish(loss.graph, own, sizes[k]));
    const double weight = terms[k].normalise_gradient ? 1 : terms[k].weight;
    total = plus(loss.graph, total, scale(loss.graph, loss.wants.back(), weight));
  }
  const std::vector<Value> d = gradient(loss.graph, total, all);
  loss.wants.insert(loss.wants.end(), d.begin(), d.end());
  return loss;
}

void prune(LossGraph& loss) {
  const std::vector<bool> needed = reachable(loss.graph, loss.wants);
  Graph left;
  const Mapping mapping = copy(loss.graph, left, {}, &needed);
  for (Value& v : loss.wants) v = mapping(v);
  loss.layers.clear();
  loss.graph = std::move(left);
}

std::vector<std::string> fed_inputs(const LossGraph& loss) {
  std::vector<std::string> names;
  for (const Value v : loss.graph.inputs())
    if (!loss.graph.node(v).attributes.as<InputAttributes>().bound) names.push_back(loss.graph.node(v).name);
  return names;
}

namespace {

// Values that a step may write over what it reads.
bool in_place(const Node& node) { return node.op->elementwise || node.op == &ops::add || node.op == &ops::mul; }
bool is_view(const Node& node) {
  return node.op->name == "reshape" || node.op->name == "flatten" || node.op == &ops::gate ||
         node.op->name == "identity";
}

// Winograd keeps the weights of small 3x3 layers 7.1 times as large, of others 4 times.
double prepared_factor(const Graph& graph, const Node& node) {
  const bool forward = node.op == &ops::conv || node.op == &ops::fused_conv;
  if ((!forward && node.op != &ops::conv_input_gradient) || graph.shape(node.inputs[1]).rank() != 4) return 1;
  const Shape& w = graph.shape(node.inputs[1]);
  if (w[2] != 3 || w[3] != 3 || w[0] < 16 || w[1] < 16) return 1;
  return w[0] * w[1] <= 256 * 256 ? 64.0 / 9 : 4;
}

}  // namespace

ProgramCost cost_of(const LossGraph& loss, const Weights& weights) {
  Weights used;
  const std::vector<bool> needed = reachable(loss.graph, loss.wants);
  for (const Value v : loss.graph.parameters())
    if (const auto found = weights.find(loss.graph.node(v).name);
        needed[static_cast<size_t>(v.node)] && found != weights.end())
      used[found->first] = found->second;
  const Optimised work = optimise(loss.graph, loss.wants, used, {});
  const Graph& graph = work.graph;
  const auto count = static_cast<size_t>(graph.size());
  std::vector<int> last(count, -1);
  std::vector<size_t> root(count);
  const auto is_kept = [&](int i) { return graph.node(i).op == &ops::parameter || graph.node(i).op == &ops::constant; };
  for (size_t i = 0; i < count; ++i) {
    const Node& node = graph.node(static_cast<int>(i));
    root[i] = is_view(node) && node.inputs[0] ? root[static_cast<size_t>(node.inputs[0].node)] : i;
    for (const Value v : node.inputs)
      if (v) last[root[static_cast<size_t>(v.node)]] = static_cast<int>(i);
  }
  for (const Value v : work.wants) last[root[static_cast<size_t>(v.node)]] = graph.size();
  ProgramCost cost;
  const bool lean = is_lean(loss);
  size_t alive = 0, inputs = 0, anew = 0;
  std::vector<size_t> bytes(count, 0);
  for (size_t i = 0; i < count; ++i) {
    const Node& node = graph.node(static_cast<int>(i));
    if (is_kept(static_cast<int>(i))) {
      cost.weights += node.op == &ops::constant ? node.outputs[0].bytes() : 0;
      continue;
    }
    std::vector<Type> types;
    for (const Value v : node.inputs) types.push_back(v ? graph.type(v) : Type{DType::f32, {0}});
    cost.flops += node.op->cost ? node.op->cost(node, types).flops : static_cast<double>(node.outputs[0].shape.count());
    for (const Value v : node.inputs)
      if (v && graph.node(v).op == &ops::parameter) {
        const size_t own = graph.type(v).bytes();
        const auto prepared = static_cast<size_t>(static_cast<double>(own) * prepared_factor(graph, node));
        const bool again = lean && prepared_anew(own, prepared);
        cost.weights += again ? own : prepared;
        if (again) anew = std::max(anew, prepared);
      }
    if (node.op == &ops::input) {
      inputs += node.outputs[0].bytes();
      continue;
    }
    if (root[i] != i) continue;
    for (size_t k = 0; k < node.outputs.size(); ++k) bytes[i] += node.outputs[k].bytes();
    for (const Value v : node.inputs) {
      if (!v || !in_place(node)) continue;
      const size_t from = root[static_cast<size_t>(v.node)];
      if (last[from] == static_cast<int>(i) && bytes[from] == bytes[i] && bytes[i] > 0) {
        alive -= bytes[from];
        bytes[from] = 0;
        break;
      }
    }
    alive += bytes[i];
    cost.arena = std::max(cost.arena, alive);
    for (size_t j = 0; j <= i; ++j)
      if (last[j] == static_cast<int>(i) || (j == i && last[j] < 0)) {
        alive -= bytes[j];
        bytes[j] = 0;
      }
  }
  cost.arena += inputs + anew;
  return cost;
}

bool is_lean(const LossGraph& loss) {
  constexpr int64_t kPixels = 448 * 448;
  const int levels = loss.graph.find(kLevels);
  return levels >= 0 && loss.graph.shape({levels, 0}).count() >= 3 * kPixels;
}

}  // namespace fovea
