// |w|₂ = √Σ w², cos(a, b) = a·b / (|a| |b|).
#include "fovea/insight/filter_bank.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>

#include "fovea/base/error.h"
#include "fovea/compile/program.h"
#include "fovea/graph/op.h"
#include "fovea/insight/filters.h"
#include "fovea/model/conventions.h"
#include "fovea/model/node_window.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"

namespace fovea {

namespace {

constexpr double kNegligible = 1e-4;

// Which nodes depend on the picture; all inputs where the network takes none.
std::vector<bool> depending(const Model& model) {
  std::vector<bool> depends(static_cast<size_t>(model.graph.size()), false);
  for (int i = 0; i < model.graph.size(); ++i) {
    const Node& node = model.graph.node(i);
    depends[static_cast<size_t>(i)] = node.op == &ops::input;
    for (const Value v : node.inputs)
      if (v && depends[static_cast<size_t>(v.node)]) depends[static_cast<size_t>(i)] = true;
  }
  return depends;
}

// The one input of a node that carries data; none where there are several.
Value data_of(const Node& node, const std::vector<bool>& depends) {
  Value data;
  for (const Value v : node.inputs) {
    if (!v || !depends[static_cast<size_t>(v.node)]) continue;
    if (data && data != v) return {};
    data = v;
  }
  return data;
}

bool has_filters(const Node& node, const std::vector<bool>& depends) {
  const bool linear = node.op == &ops::gemm || node.op == &ops::matmul;
  if (node.op != &ops::conv && node.op != &ops::conv_input_gradient && !linear) return false;
  return node.inputs.size() >= 2 && node.inputs[0] && node.inputs[1] &&
         depends[static_cast<size_t>(node.inputs[0].node)] && !depends[static_cast<size_t>(node.inputs[1].node)];
}

// Operators behind which a unit is still the same unit.
bool passes_units(const Node& node) {
  return keeps_positions(node) && node.op->name != "concat" && node.op->name != "split" && node.op->name != "sum_to";
}

// Only reshaping, without a change of what is where.
bool reshapes(const Node& node) {
  return node.op->name == "flatten" || node.op->name == "reshape" || node.op->name == "squeeze" ||
         node.op->name == "unsqueeze" || node.op->name == "identity" || node.op->name == "dropout";
}

// [O_conv, I/G, K, K] of a transposed convolution → [its units, channels a unit reads, K, K].
Tensor of_transposed(const Tensor& w, int64_t groups) {
  const int64_t inputs = w.size(0) / groups, outputs = w.size(1), plane = w.shape().count(2, w.rank());
  Tensor result(DType::f32, {groups * outputs, inputs, w.size(2), w.size(3)});
  const auto from = w.data<float>();
  auto to = result.data<float>();
  for (int64_t g = 0; g < groups; ++g)
    for (int64_t o = 0; o < outputs; ++o)
      for (int64_t i = 0; i < inputs; ++i)
        std::copy_n(from.begin() + ((g * inputs + i) * outputs + o) * plane, plane,
                    to.begin() + ((g * outputs + o) * inputs + i) * plane);
  return result;
}

// [I,O] → [O,I].
Tensor transposed(const Tensor& w) {
  Tensor result(DType::f32, {w.size(1), w.size(0)});
  const auto from = w.data<float>();
  auto to = result.data<float>();
  for (int64_t i = 0; i < w.size(0); ++i)
    for (int64_t o = 0; o < w.size(1); ++o)
      to[static_cast<size_t>(o * w.size(0) + i)] = from[static_cast<size_t>(i * w.size(1) + o)];
  return result;
}

// A fully connected layer's weights [O,I], with the shape of the maps that were flattened into its input.
Tensor of_linear(const Model& model, const Node& node, const Tensor& w) {
  require(w.rank() == 2, ErrorKind::usage, "layer \"{}\" multiplies by {}, expected a matrix", node.name,
          to_string(w.shape()));
  const bool rows = node.op == &ops::gemm ? node.attributes.as<GemmAttributes>().trans_b
                                          : node.attributes.as<MatmulAttributes>().transpose_b;
  const Tensor own = rows ? w : transposed(w);
  Value x = node.inputs[0];
  while (model.graph.shape(x).rank() != 4 && reshapes(model.graph.node(x)) && !model.graph.node(x).inputs.empty())
    x = model.graph.node(x).inputs[0];
  const Shape& s = model.graph.shape(x);
  const bool maps = s.rank() == 4 && s[0] > 0 && s.count() == s[0] * own.size(1);
  return own.reshaped(maps ? Shape{own.size(0), s[1], s[2], s[3]} : Shape{own.size(0), own.size(1), 1, 1});
}

// Whether the value is the picture, perhaps shifted and scaled.
bool is_picture(const Model& model, Value v, const std::vector<bool>& depends) {
  if (model.meaning.input.empty()) return false;
  const int input = model.graph.find(model.meaning.input);
  while (v && v.node != input) {
    const Node& node = model.graph.node(v);
    const Value data = data_of(node, depends);
    if (!data || !(passes_units(node) || reshapes(node) || node.op->name == "pad")) return false;
    v = data;
  }
  return static_cast<bool>(v);
}

// The first rectifier that a unit's value passes through before it meets others.
int rectifier_behind(const Graph& graph, int node, const std::vector<bool>& depends) {
  const auto users = uses(graph);
  for (int at = node;;) {
    const auto& of = users[static_cast<size_t>(at)][0];
    int next = -1;
    for (const Use& use : of) {
      const Node& user = graph.node(use.node);
      const std::string_view op = user.op->name;
      if (op == "relu" || op == "clip" || op == "thresholded_relu") return use.node;
      if (passes_units(user) && data_of(user, depends)) next = use.node;
    }
    if (next < 0 || of.size() != 1) return -1;
    at = next;
  }
}

FilterBank bank_of(const Model& model, int index, const std::vector<bool>& depends) {
  const Node& node = model.graph.node(index);
  const std::optional<Tensor> found = weight_of(model, node.inputs[1]);
  require(found.has_value(), ErrorKind::usage, "layer \"{}\": its weights are computed at run time", node.name);
  Tensor w = found->cast(DType::f32);
  FilterBank bank;
  bank.node = index;
  bank.name = node.name;
  bank.kind = std::string(node.op->name);
  if (node.op == &ops::conv || node.op == &ops::conv_input_gradient) {
    require(w.rank() == 3 || w.rank() == 4, ErrorKind::usage,
            "layer \"{}\" has filters {}; expected those of one or two spatial axes", node.name, to_string(w.shape()));
    if (w.rank() == 3) w = w.reshaped({w.size(0), w.size(1), 1, w.size(2)});
    const bool transpose = node.op == &ops::conv_input_gradient;
    bank.groups =
        transpose ? node.attributes.as<ConvAdjointAttributes>().groups : node.attributes.as<ConvAttributes>().groups;
    if (transpose) bank.kind = "transposed conv";
    bank.weight = transpose ? of_transposed(w, bank.groups) : w;
  } else {
    bank.weight = of_linear(model, node, w);
  }
  require(bank.weight.count() > 0, ErrorKind::usage, "layer \"{}\" has empty filters {}", node.name,
          to_string(w.shape()));
  bank.reads_picture = is_picture(model, node.inputs[0], depends);
  bank.rectifier = rectifier_behind(model.graph, index, depends);
  return bank;
}

double cosine_of(const Tensor& cosines, int64_t a, int64_t b) {
  return cosines.data<float>()[static_cast<size_t>(a * cosines.size(0) + b)];
}

// Reverses stretches of the tour as long as that makes it shorter.
void shorten(std::vector<int64_t>& tour, const Tensor& cosines) {
  const auto count = static_cast<std::ptrdiff_t>(tour.size());
  const float* cosine = cosines.data<float>().data();
  const auto n = static_cast<int64_t>(tour.size());
  const auto step = [&](std::ptrdiff_t i, std::ptrdiff_t j) {
    return 1.0 - cosine[tour[static_cast<size_t>(i)] * n + tour[static_cast<size_t>(j)]];
  };
  for (bool shorter = true; shorter;) {
    shorter = false;
    for (std::ptrdiff_t i = 0; i + 2 < count; ++i)
      for (std::ptrdiff_t j = i + 2; j < count; ++j) {  // reverses (i, j]
        const double before = step(i, i + 1) + (j + 1 < count ? step(j, j + 1) : 0);
        const double after = step(i, j) + (j + 1 < count ? step(i + 1, j + 1) : 0);
        if (after >= before - 1e-6) continue;  // what f32 rounds is no gain, so this ends
        std::reverse(tour.begin() + i + 1, tour.begin() + j + 1);
        shorter = true;
      }
  }
}

}  // namespace

std::vector<std::string> layers_with_filters(const Model& model) {
  const std::vector<bool> depends = depending(model);
  std::vector<std::string> names;
  for (const Node& node : model.graph.nodes())
    if (has_filters(node, depends) && weight_of(model, node.inputs[1])) names.push_back(node.name);
  return names;
}

FilterBank filter_bank(const Model& model, Value layer) {
  const std::vector<bool> depends = depending(model);
  Value at = layer;
  while (at && !has_filters(model.graph.node(at), depends)) {
    const Node& node = model.graph.node(at);
    at = passes_units(node) ? data_of(node, depends) : Value{};
  }
  if (at) return bank_of(model, at.node, depends);
  const Node& node = model.graph.node(layer);
  std::string before, after;
  for (int i = 0; i < model.graph.size(); ++i)
    if (has_filters(model.graph.node(i), depends)) {
      if (i < layer.node) before = model.graph.node(i).name;
      else if (after.empty()) after = model.graph.node(i).name;
    }
  require(!before.empty() || !after.empty(), ErrorKind::usage,
          "layer \"{}\" ({}) has no filters, nor has any other layer of this network", node.name, node.op->name);
  const std::string names = before.empty()  ? fmt::format("\"{}\"", after)
                            : after.empty() ? fmt::format("\"{}\"", before)
                                            : fmt::format("\"{}\" before it and \"{}\" behind it", before, after);
  fail(ErrorKind::usage, "layer \"{}\" ({}) has no filters of its own; there are those of {}", node.name, node.op->name,
       names);
}

FilterBank first_filter_bank(const Model& model) {
  const std::vector<bool> depends = depending(model);
  for (int i = 0; i < model.graph.size(); ++i)
    if (has_filters(model.graph.node(i), depends) && weight_of(model, model.graph.node(i).inputs[1]))
      return bank_of(model, i, depends);
  fail(ErrorKind::usage, "the network has no convolution or fully connected layer with weights of its own");
}

std::vector<FilterStatistics> filter_statistics(const FilterBank& bank) {
  const int64_t count = bank.weight.size(0), each = bank.weight.shape().count(1, 4);
  const float* weights = bank.weight.data<float>().data();
  std::vector<FilterStatistics> result(static_cast<size_t>(count));
  std::vector<double> norms;
  for (int64_t o = 0; o < count; ++o) {
    FilterStatistics& s = result[static_cast<size_t>(o)];
    double squares = 0, sum = 0;
    s.least = INFINITY, s.greatest = -INFINITY;
    for (int64_t i = 0; i < each; ++i) {
      const double w = weights[o * each + i];
      if (!std::isfinite(w)) {
        ++s.not_finite;
        continue;
      }
      squares += w * w, sum += w;
      s.least = std::min(s.least, w), s.greatest = std::max(s.greatest, w);
    }
    if (s.not_finite == each) s.least = s.greatest = 0;
    s.norm = std::sqrt(squares);
    s.mean = sum / static_cast<double>(std::max<int64_t>(1, each - s.not_finite));
    norms.push_back(s.norm);
  }
  std::nth_element(norms.begin(), norms.begin() + static_cast<std::ptrdiff_t>(norms.size() / 2), norms.end());
  const double median = norms[norms.size() / 2];
  for (FilterStatistics& s : result) s.negligible = s.norm <= kNegligible * median;
  return result;
}

Tensor filter_cosines(const FilterBank& bank, Backend& backend) {
  const int64_t count = bank.weight.size(0), each = bank.weight.shape().count(1, 4);
  const std::vector<FilterStatistics> statistics = filter_statistics(bank);
  Tensor unit(DType::f32, {count, each});
  const float* from = bank.weight.data<float>().data();
  float* to = unit.data<float>().data();
  for (int64_t o = 0; o < count; ++o) {
    const FilterStatistics& s = statistics[static_cast<size_t>(o)];
    if (s.not_finite > 0 || !(s.norm > 0)) continue;
    for (int64_t i = 0; i < each; ++i) to[o * each + i] = static_cast<float>(from[o * each + i] / s.norm);
  }
  Graph graph;
  const Value a = input(graph, "filters", {DType::f32, unit.shape()});
  const Value product = gemm(graph, a, a, {}, {.trans_b = true});
  Program program = compile(graph, std::vector<Value>{product}, {}, backend, {.tune = false});
  Tensor cosines = program.run({{"filters", unit}})[0];
  for (float& c : cosines.data<float>()) c = std::clamp(c, -1.0f, 1.0f);
  return cosines;
}

std::vector<FilterPair> near_duplicates(const Tensor& cosines, double threshold) {
  require(threshold > 0 && threshold <= 1, ErrorKind::usage, "a cosine of {}; expected above 0, up to 1", threshold);
  std::vector<FilterPair> pairs;
  for (int64_t a = 0; a < cosines.size(0); ++a)
    for (int64_t b = a + 1; b < cosines.size(0); ++b)
      if (const double cosine = cosine_of(cosines, a, b); std::abs(cosine) >= threshold)
        pairs.push_back({a, b, cosine});
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const FilterPair& x, const FilterPair& y) { return std::abs(x.cosine) > std::abs(y.cosine); });
  return pairs;
}

std::vector<int64_t> similarity_order(const Tensor& cosines, int64_t first) {
  const int64_t count = cosines.size(0);
  require(first >= 0 && first < count, ErrorKind::usage, "there is no filter {} of {}", first, count);
  std::vector<int64_t> tour = {first};
  std::vector<bool> left(static_cast<size_t>(count), true);
  left[static_cast<size_t>(first)] = false;
  while (static_cast<int64_t>(tour.size()) < count) {
    int64_t next = -1;
    for (int64_t b = 0; b < count; ++b)
      if (left[static_cast<size_t>(b)] &&
          (next < 0 || cosine_of(cosines, tour.back(), b) > cosine_of(cosines, tour.back(), next)))
        next = b;
    left[static_cast<size_t>(next)] = false;
    tour.push_back(next);
  }
  shorten(tour, cosines);
  return tour;
}

}  // namespace fovea
