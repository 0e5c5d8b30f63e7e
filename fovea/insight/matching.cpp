// Alignment: the best sum of points over pairs that keep the order of both sequences, by dynamic programming
// (Needleman, Wunsch, "A general method applicable to the search for similarities", J. Mol. Biol. 48, 1970):
//   best(i, j) = max(best(i−1, j), best(i, j−1), best(i−1, j−1) + points(i, j)).
#include "fovea/insight/matching.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <string_view>
#include <unordered_map>

#include "fovea/graph/op.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

constexpr size_t kMostCells = size_t{1} << 28;  // of the alignment's table: 16 000 layers against 16 000

size_t mixed(size_t seed, size_t value) { return (seed ^ value) * 0x9E3779B97F4A7C15u + (seed >> 29); }

size_t hash_of(std::string_view text) { return std::hash<std::string_view>{}(text); }

// Stride, dilation, padding and kernel may be written once for all axes or once an axis, or left out.
std::string one_spelling(std::string_view name, std::string value) {
  const bool window = name == "stride" || name == "dilation" || name == "pad" || name == "kernel";
  if (!window) return value;
  if (value.empty()) return name == "pad" ? "0" : "1";
  const std::string first = value.substr(0, value.find(','));
  std::string_view rest = value;
  while (!rest.empty()) {
    const size_t comma = std::min(rest.find(','), rest.size());
    if (rest.substr(0, comma) != first) return value;
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  return first;
}

std::vector<std::pair<std::string, std::string>> attributes_of(const Node& node) {
  std::vector<std::pair<std::string, std::string>> result;
  const std::string text = node.attributes.text(true);
  std::string_view rest = text;
  while (!rest.empty()) {
    const size_t end = std::min(rest.find(' '), rest.size());
    const std::string_view word = rest.substr(0, end);
    rest.remove_prefix(std::min(end + 1, rest.size()));
    const size_t equals = std::min(word.find('='), word.size());
    if (equals == word.size()) continue;
    result.emplace_back(word.substr(0, equals),
                        one_spelling(word.substr(0, equals), std::string(word.substr(equals + 1))));
  }
  return result;
}

// Integers that are an operator's input (a shape, axes) are like its attributes.
std::string values_text(const Tensor& tensor) {
  std::string text;
  for (int64_t i = 0; i < std::min<int64_t>(tensor.count(), 16); ++i)
    text += fmt::format("{}{:g}", i ? "," : "", tensor.at(i));
  if (tensor.count() <= 16) return text;
  const std::string_view bytes(reinterpret_cast<const char*>(tensor.raw()), tensor.bytes());
  return fmt::format("{},…#{:016x}", text, hash_of(bytes));
}

void add_weight(Layer& layer, const Model& model, Value value, size_t position) {
  const Tensor* tensor = weight_at(model, value.node);
  const Type& type = model.graph.type(value);
  if (!is_float(type.dtype)) {
    if (tensor) layer.attributes.emplace_back(fmt::format("input {}", position), values_text(*tensor));
    return;
  }
  layer.weights[position] = value.node;
  layer.shapes = mixed(layer.shapes + 1, hash_of(fmt::format("{}:{}", position, to_string(type.shape))));
  if (tensor)
    layer.bits =
        mixed(layer.bits + 1 + position, hash_of({reinterpret_cast<const char*>(tensor->raw()), tensor->bytes()}));
}

// The networks beside each other, and the pairs found so far.
class Matching {
 public:
  Matching(const Model& a, const std::vector<Layer>& layers_a, const Model& b, const std::vector<Layer>& layers_b)
      : a_(a), b_(b), la_(layers_a), lb_(layers_b), to_b_(la_.size(), -1), to_a_(lb_.size(), -1) {}

  void by_name();
  void by_content();
  int64_t score() const;
  std::vector<int> take() { return std::move(to_b_); }

 private:
  const Node& node_a(size_t i) const { return a_.graph.node(la_[i].node); }
  const Node& node_b(size_t j) const { return b_.graph.node(lb_[j].node); }
  void pair(size_t i, size_t j) { to_b_[i] = static_cast<int>(j), to_a_[j] = static_cast<int>(i); }
  int points(size_t i, size_t j) const;
  bool same_inputs(size_t i, size_t j) const;
  void by_bits();
  void aligned();
  void propagated(bool same_shapes);
  bool all() const { return std::find(to_b_.begin(), to_b_.end(), -1) == to_b_.end(); }

  const Model &a_, &b_;
  const std::vector<Layer>&la_, &lb_;
  std::vector<int> to_b_, to_a_;
};

// 0: they cannot stand for one another.
int Matching::points(size_t i, size_t j) const {
  const Node &x = node_a(i), &y = node_b(j);
  if (x.op != y.op) return 0;
  int sum = 2;
  sum += la_[i].same_attributes == lb_[j].same_attributes;
  sum += x.outputs[0].shape == y.outputs[0].shape;
  sum += la_[i].follows == lb_[j].follows;
  sum += x.name == y.name;
  if (la_[i].shapes != 0 && la_[i].shapes == lb_[j].shapes) sum += 2;
  if (la_[i].bits != 0 && la_[i].bits == lb_[j].bits) sum += 4;
  return sum;
}

bool Matching::same_inputs(size_t i, size_t j) const {
  const std::vector<int>&x = la_[i].from, &y = lb_[j].from;
  if (x.size() != y.size()) return false;
  for (size_t k = 0; k < x.size(); ++k)
    if ((x[k] < 0 ? -1 : to_b_[static_cast<size_t>(x[k])]) != y[k] || (x[k] >= 0 && y[k] < 0)) return false;
  return true;
}

int64_t Matching::score() const {
  int64_t sum = 0;
  for (size_t i = 0; i < la_.size(); ++i)
    if (to_b_[i] >= 0) sum += points(i, static_cast<size_t>(to_b_[i])) + same_inputs(i, static_cast<size_t>(to_b_[i]));
  return sum;
}

void Matching::by_name() {
  std::unordered_map<std::string_view, size_t> named;
  for (size_t j = 0; j < lb_.size(); ++j) named[node_b(j).name] = j;
  for (size_t i = 0; i < la_.size(); ++i)
    if (const auto found = named.find(node_a(i).name); found != named.end()) pair(i, found->second);
}

void Matching::by_content() {
  if (!all()) by_bits();
  if (!all()) aligned();
  if (!all()) propagated(true);
  if (!all()) propagated(false);
}

// Layers with weights that no other layer of the same network has.
void Matching::by_bits() {
  using Key = std::pair<const Op*, size_t>;
  std::map<Key, std::pair<std::vector<size_t>, std::vector<size_t>>> groups;
  for (size_t i = 0; i < la_.size(); ++i)
    if (to_b_[i] < 0 && la_[i].bits != 0) groups[{node_a(i).op, la_[i].bits}].first.push_back(i);
  for (size_t j = 0; j < lb_.size(); ++j)
    if (to_a_[j] < 0 && lb_[j].bits != 0) groups[{node_b(j).op, lb_[j].bits}].second.push_back(j);
  for (const auto& [key, group] : groups)
    if (group.first.size() == 1 && group.second.size() == 1) pair(group.first[0], group.second[0]);
}

void Matching::aligned() {
  const size_t n = la_.size(), m = lb_.size();
  if (n == 0 || m == 0 || n > kMostCells / m) return;
  enum : uint8_t { kUp, kLeft, kPair };
  constexpr int kAnchor = 1000;  // pairs that stand already are kept where they are in order
  std::vector<uint8_t> way(n * m);
  std::vector<int> above(m + 1, 0), row(m + 1, 0);
  for (size_t i = 0; i < n; ++i) {
    for (size_t j = 0; j < m; ++j) {
      const bool free = to_b_[i] < 0 && to_a_[j] < 0;
      const int gain = free ? points(i, j) : to_b_[i] == static_cast<int>(j) ? kAnchor : 0;
      int best = above[j + 1];
      uint8_t step = kUp;
      if (row[j] > best) best = row[j], step = kLeft;
      if (gain > 0 && above[j] + gain >= best) best = above[j] + gain, step = kPair;
      row[j + 1] = best;
      way[i * m + j] = step;
    }
    std::swap(above, row);
  }
  for (size_t i = n, j = m; i > 0 && j > 0;) {
    const uint8_t step = way[(i - 1) * m + j - 1];
    if (step == kPair) pair(--i, --j);
    else if (step == kUp) --i;
    else --j;
  }
}

// What computes the same from layers that stand for one another: branches that the two files hold in another order.
void Matching::propagated(bool same_shapes) {
  std::map<std::pair<const Op*, std::vector<int>>, std::vector<size_t>> waiting;
  for (size_t j = 0; j < lb_.size(); ++j)
    if (to_a_[j] < 0) waiting[{node_b(j).op, lb_[j].from}].push_back(j);
  for (size_t i = 0; i < la_.size(); ++i) {
    if (to_b_[i] >= 0) continue;
    std::vector<int> from = la_[i].from;
    bool known = true;
    for (int& f : from)
      if (f >= 0) f = to_b_[static_cast<size_t>(f)], known = known && f >= 0;
    const auto found = waiting.find({node_a(i).op, from});
    if (!known || found == waiting.end()) continue;
    int most = 0;
    size_t best = 0;
    for (const size_t j : found->second) {
      if (to_a_[j] >= 0 || (same_shapes && la_[i].shapes != lb_[j].shapes)) continue;
      if (const int p = points(i, j); p > most) most = p, best = j;
    }
    if (most > 0) pair(i, best);
  }
}

}  // namespace

const Tensor* weight_at(const Model& model, int node) {
  if (model.graph.node(node).op != &ops::parameter) return model.graph.known({node, 0});
  const auto found = model.weights.find(model.graph.node(node).name);
  return found == model.weights.end() ? nullptr : &found->second;
}

std::vector<Layer> layers_of(const Model& model) {
  const Graph& graph = model.graph;
  std::vector<Value> wants;
  for (const NamedValue& output : graph.outputs) wants.push_back(output.value);
  const std::vector<bool> needed = reachable(graph, wants);
  std::vector<int> index(static_cast<size_t>(graph.size()), -1);
  std::vector<Layer> layers;
  for (int n = 0; n < graph.size(); ++n) {
    const Node& node = graph.node(n);
    const bool leaf = node.op == &ops::input || node.op == &ops::parameter || node.op == &ops::constant;
    if (!needed[static_cast<size_t>(n)] || leaf || graph.known({n, 0})) continue;
    Layer layer;
    layer.node = n;
    layer.attributes = attributes_of(node);
    layer.weights.assign(node.inputs.size(), -1);
    for (size_t i = 0; i < node.inputs.size(); ++i) {
      const Value v = node.inputs[i];
      layer.from.push_back(v ? index[static_cast<size_t>(v.node)] : -1);
      if (v && layer.from.back() < 0 && (graph.node(v).op == &ops::parameter || graph.known(v)))
        add_weight(layer, model, v, i);
    }
    for (const auto& [name, value] : layer.attributes)
      layer.same_attributes = mixed(layer.same_attributes, hash_of(name + "=" + value));
    if (!layer.from.empty() && layer.from[0] >= 0) {
      const Layer& before = layers[static_cast<size_t>(layer.from[0])];
      layer.follows = mixed(mixed(before.shapes, before.bits), reinterpret_cast<size_t>(graph.node(before.node).op));
    }
    index[static_cast<size_t>(n)] = static_cast<int>(layers.size());
    layers.push_back(std::move(layer));
  }
  return layers;
}

std::vector<int> match_layers(const Model& a, const std::vector<Layer>& layers_a, const Model& b,
                              const std::vector<Layer>& layers_b) {
  Matching named(a, layers_a, b, layers_b);
  named.by_name();
  named.by_content();
  Matching nameless(a, layers_a, b, layers_b);
  nameless.by_content();
  return named.score() >= nameless.score() ? named.take() : nameless.take();
}

}  // namespace fovea
