// Average pooling    max_pool → average_pool over the same windows, padding not counted
// Replicated edges   conv(x, pad P) → conv(pad(x, edge, P), pad 0) for convolutions that see the picture itself
// Folded batch norms w' = w · γ/√(σ² + ε), b' = (b − μ) · γ/√(σ² + ε) + β, by output channel
// Normalised weights w'_ji = w_ji · s_i / s_j, b'_j = b_j / s_j, with s_j the mean answer of unit j over all positions
// of the
//                    pictures (s of the picture's own channels: 1). ReLU and pooling commute with positive factors, so
//                    that unit j answers 1/s_j of what it did.
#include "fovea/insight/feature_network.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "fovea/base/error.h"
#include "fovea/data/drawn_painting.h"
#include "fovea/data/drawn_scenes.h"
#include "fovea/insight/picture_loss.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/ops/max_pool.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/relu.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/window.h"

namespace fovea {

namespace {

// A unit that hardly answers to some pictures would otherwise be made so strong that what it answers to another picture
// is all that a loss sees.
constexpr double kLeastAnswer = 0.05;

// The model with some nodes replaced; names and outputs stay.
Model replaced(const Model& model, const std::function<Value(Graph&, const Node&, std::span<const Value>)>& by) {
  Model result{{}, model.weights, model.meaning};
  std::vector<std::pair<Value, std::string>> names;
  const Mapping mapping = copy(model.graph, result.graph, [&](int index, std::span<const Value> inputs) {
    const Node& node = model.graph.node(index);
    const Value now = by(result.graph, node, inputs);
    if (!now) return std::vector<Value>{};
    names.emplace_back(now, node.name);
    std::vector<Value> outputs(node.outputs.size(), now);
    return outputs;
  });
  for (const auto& [value, name] : names) result.graph.rename(value.node, name);
  for (const NamedValue& output : model.graph.outputs)
    result.graph.outputs.push_back({output.name, mapping(output.value)});
  return result;
}

}  // namespace

Model with_average_pooling(const Model& model, double factor) {
  // The switches of a max pooling have no counterpart.
  for (const Node& node : model.graph.nodes())
    for (const Value v : node.inputs)
      require(!v || model.graph.node(v).op != &ops::max_pool || v.output == 0, ErrorKind::unsupported,
              "\"{}\" uses the places of the maxima of \"{}\": it cannot have average pooling", node.name,
              v ? model.graph.node(v).name : "");
  return replaced(model, [&](Graph& graph, const Node& node, std::span<const Value> inputs) -> Value {
    if (node.op != &ops::max_pool) return {};
    const auto& a = node.attributes.as<MaxPoolAttributes>();
    const Value mean = average_pool(graph, inputs[0],
                                    {.kernel = a.kernel,
                                     .stride = a.stride,
                                     .dilation = a.dilation,
                                     .pad = a.pad,
                                     .auto_pad = a.auto_pad,
                                     .ceil = a.ceil});
    return factor == 1 ? mean : scale(graph, mean, factor);
  });
}

Model with_replicated_edges(const Model& model) {
  const Value picture = picture_input(model);
  // Values that hold the picture, as preprocessing inside of the network may leave it: those before any window.
  std::set<Value> early = {picture};
  for (int i = 0; i < model.graph.size(); ++i) {
    const Node& node = model.graph.node(i);
    if (node.op->elementwise && !node.inputs.empty() && early.contains(node.inputs[0])) early.insert({i, 0});
  }
  return replaced(model, [&](Graph& graph, const Node& node, std::span<const Value> inputs) -> Value {
    if (node.op != &ops::conv || !early.contains(node.inputs[0])) return {};
    ConvAttributes a = node.attributes.as<ConvAttributes>();
    const Shape& w = graph.shape(inputs[1]);
    const auto axes = window_axes(spatial_sizes(graph.shape(inputs[0])),
                                  {Ints(w.begin() + 2, w.end()), a.stride, a.dilation, a.pad, a.auto_pad});
    Ints begins = {0, 0}, ends = {0, 0};
    for (const WindowAxis& axis : axes) {
      begins.push_back(axis.pad_begin);
      ends.push_back(axis.pad_end);
    }
    a.pad = 0;
    a.auto_pad = "";
    const Value padded = pad(graph, inputs[0], begins, ends, {.mode = "edge"});
    return conv(graph, padded, inputs[1], inputs.size() > 2 ? inputs[2] : Value{}, a);
  });
}

namespace {

// A batch norm that becomes part of the convolution before it.
struct Folded {
  int conv = -1, norm = -1;
};

std::vector<Folded> foldable(const Model& model, std::span<const std::string> kept) {
  const Graph& graph = model.graph;
  std::set<int> stays;
  for (const std::string& name : kept) stays.insert(find_layer(model, name).node);
  for (const NamedValue& output : graph.outputs) stays.insert(output.value.node);
  const auto every_use = uses(graph);
  const auto is_weight = [&](Value v) {
    return v && graph.node(v).op == &ops::parameter && model.weights.contains(graph.node(v).name) &&
           every_use[static_cast<size_t>(v.node)][0].size() == 1;
  };
  std::vector<Folded> result;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& norm = graph.node(i);
    if (norm.op != &ops::batch_norm) continue;
    const int before = norm.inputs[0].node;
    const Node& conv = graph.node(before);
    bool fits = conv.op == &ops::conv && every_use[static_cast<size_t>(before)][0].size() == 1 &&
                !stays.contains(before) && is_weight(conv.inputs[1]) &&
                (conv.inputs.size() < 3 || !conv.inputs[2] || is_weight(conv.inputs[2]));
    for (size_t k = 1; k < 5; ++k) fits = fits && is_weight(norm.inputs[k]);
    if (fits) result.push_back({before, i});
  }
  return result;
}

// w and b of the convolution that does both.
std::pair<Tensor, Tensor> folded_weights(const Model& model, const Node& conv, const Node& norm) {
  const auto values = [&](Value v) { return model.weights.at(model.graph.node(v).name).cast(DType::f64); };
  const Tensor gamma = values(norm.inputs[1]), beta = values(norm.inputs[2]), mean = values(norm.inputs[3]),
               variance = values(norm.inputs[4]);
  const double epsilon = norm.attributes.as<BatchNormAttributes>().epsilon;
  Tensor w = model.weights.at(model.graph.node(conv.inputs[1]).name).cast(DType::f32);
  Tensor b(DType::f32, {w.size(0)});
  const bool biased = conv.inputs.size() > 2 && conv.inputs[2];
  const Tensor before = biased ? values(conv.inputs[2]) : Tensor(DType::f64, {w.size(0)});
  const auto to = w.data<float>();
  const int64_t each = w.count() / w.size(0);
  for (int64_t o = 0; o < w.size(0); ++o) {
    const double factor = gamma.at(o) / std::sqrt(variance.at(o) + epsilon);
    for (int64_t k = o * each; k < (o + 1) * each; ++k) {
      float& value = to[static_cast<size_t>(k)];
      value = static_cast<float>(static_cast<double>(value) * factor);
    }
    b.set(o, (before.at(o) - mean.at(o)) * factor + beta.at(o));
  }
  return {w, b};
}

}  // namespace

Model with_folded_batch_norms(const Model& model, std::span<const std::string> kept) {
  const std::vector<Folded> all = foldable(model, kept);
  if (all.empty()) return model;
  std::map<int, const Folded*> by_conv, by_norm;
  for (const Folded& f : all) by_conv[f.conv] = by_norm[f.norm] = &f;
  Model result{{}, model.weights, model.meaning};
  const Mapping mapping = copy(model.graph, result.graph, [&](int index, std::span<const Value> inputs) {
    if (by_norm.contains(index)) return std::vector<Value>{inputs[0]};
    const auto found = by_conv.find(index);
    if (found == by_conv.end()) return std::vector<Value>{};
    const Node& conv = model.graph.node(index);
    const Node& norm = model.graph.node(found->second->norm);
    auto [w, b] = folded_weights(model, conv, norm);
    const std::string bias = conv.name + ".folded_bias";
    result.weights[model.graph.node(conv.inputs[1]).name] = std::move(w);
    const Value more = parameter(result.graph, bias, {DType::f32, b.shape()});
    result.weights[result.graph.node(more).name] = std::move(b);
    result.meaning.aliases.emplace_back(norm.name, conv.name);
    return std::vector<Value>{
        result.graph.add(ops::conv, {inputs[0], inputs[1], more}, conv.attributes, conv.name, conv.origin)};
  });
  for (const NamedValue& output : model.graph.outputs)
    result.graph.outputs.push_back({output.name, mapping(output.value)});
  return result;
}

namespace {

// A convolution and the layer whose mean answers it is scaled by: its ReLU where one follows.
struct Scaled {
  int conv = -1, answers = -1;
  int before = -1;  // the index of the convolution before it in the chain; -1: the picture
};

bool is_positive_factor(const Graph& graph, const Node& node) {
  if (node.op != &ops::mul || !node.inputs[1]) return false;
  const Tensor* factor = graph.known(node.inputs[1]);
  return factor && factor->count() == 1 && factor->at(0) > 0;
}

// The convolutions of the chains from the picture to the layers.
std::vector<Scaled> chains_to(const Model& model, std::span<const std::string> layers) {
  std::vector<Value> wants;
  for (const std::string& name : layers) wants.push_back(find_layer(model, name));
  const std::vector<bool> needed = reachable(model.graph, wants);
  const Value picture = picture_input(model);
  std::vector<Scaled> chain;
  std::map<int, int> maker = {{picture.node, -1}};  // node → index in the chain
  for (int i = 0; i < model.graph.size(); ++i) {
    const Node& node = model.graph.node(i);
    if (!needed[static_cast<size_t>(i)] || node.inputs.empty() || !node.inputs[0]) continue;
    const auto from = maker.find(node.inputs[0].node);
    if (from == maker.end()) {
      for (const Value v : node.inputs)
        require(!v || !maker.contains(v.node), ErrorKind::unsupported,
                "{} \"{}\": normalised weights are for chains of convolution, ReLU and pooling; fovea texture does "
                "without them by "
                "--keep-weights",
                node.op->name, node.name);
      continue;
    }
    const bool conv = node.op == &ops::conv && node.attributes.as<ConvAttributes>().groups == 1;
    const bool passes = node.op == &ops::relu || node.op == &ops::max_pool || node.op == &ops::average_pool ||
                        node.op == &ops::pad || is_positive_factor(model.graph, node);
    require(conv || passes, ErrorKind::unsupported,
            "{} \"{}\": normalised weights are for chains of convolution, ReLU and pooling; fovea texture does without "
            "them by "
            "--keep-weights",
            node.op->name, node.name);
    if (conv) {
      for (size_t k = 1; k < node.inputs.size(); ++k)
        require(!node.inputs[k] || model.weights.contains(model.graph.node(node.inputs[k]).name),
                ErrorKind::unsupported, "\"{}\": its weights are not stored as such", node.name);
      chain.push_back({i, i, from->second});
      maker[i] = static_cast<int>(chain.size()) - 1;
    } else {
      maker[i] = from->second;
      if (node.op == &ops::relu && from->second >= 0 &&
          chain[static_cast<size_t>(from->second)].answers == node.inputs[0].node)
        chain[static_cast<size_t>(from->second)].answers = i;
    }
  }
  return chain;
}

// Mean answers over all positions of all pictures, each at least kLeastAnswer of its layer's mean; 1 in a silent layer.
std::vector<std::vector<double>> mean_answers(const Context& context, const Model& model,
                                              const std::vector<Scaled>& chain, std::span<const Tensor> pictures,
                                              Backend& backend, const CompileOptions& options) {
  std::vector<CapturedLayer> layers;
  for (const Scaled& s : chain) layers.push_back({.layer = model.graph.node(s.answers).name});
  std::vector<std::vector<double>> means(chain.size());
  std::vector<double> positions(chain.size(), 0);
  int64_t done = 0;
  for (const Tensor& picture : pictures) {
    const auto captured = capture(context, model, picture, layers, backend, options);
    for (size_t k = 0; k < chain.size(); ++k) {
      means[k].resize(static_cast<size_t>(captured[k].sums.channels), 0);
      for (size_t j = 0; j < means[k].size(); ++j) means[k][j] += captured[k].sums.answers.at(static_cast<int64_t>(j));
      positions[k] += captured[k].sums.positions;
    }
    context.report({"normalising weights", ++done, static_cast<int64_t>(pictures.size()), ""});
  }
  for (size_t k = 0; k < means.size(); ++k) {
    double sum = 0;
    for (double& mean : means[k]) sum += mean = std::max(mean, 0.0) / positions[k];
    const double least = kLeastAnswer * sum / static_cast<double>(means[k].size());
    for (double& mean : means[k]) mean = sum > 0 ? std::max(mean, least) : 1;
  }
  return means;
}

// The red, green and blue of a picture become its green, blue and red.
Image colours_turned(const Image& picture) {
  Image turned(picture.width(), picture.height(), 3);
  for (int y = 0; y < picture.height(); ++y)
    for (int x = 0; x < picture.width(); ++x)
      for (int c = 0; c < 3; ++c) turned.row(y)[3 * x + (c + 1) % 3] = picture.row(y)[3 * x + c];
  return turned;
}

}  // namespace

std::vector<Image> varied_pictures() {
  constexpr int kSide = 160;
  std::vector<Image> pictures = {draw_painting(kSide, Rng(0).fork("normalising"))};
  for (int turns = 0; turns < 2; ++turns) pictures.push_back(colours_turned(pictures.back()));
  for (const std::string& thing : drawn_scenes()) pictures.push_back(draw_scene(thing, kSide, Rng(0)));
  return pictures;
}

Model with_normalised_weights(const Context& context, const Model& model, std::span<const std::string> layers,
                              std::span<const Tensor> pictures, Backend& backend, const CompileOptions& options) {
  require(!pictures.empty(), ErrorKind::usage, "weights are normalised by the answers to pictures: there are none");
  const std::vector<Scaled> chain = chains_to(model, layers);
  const auto means = mean_answers(context, model, chain, pictures, backend, options);
  Model result = model;
  std::set<std::string> scaled;
  for (size_t k = 0; k < chain.size(); ++k) {
    const Node& node = model.graph.node(chain[k].conv);
    const std::vector<double>* before = chain[k].before >= 0 ? &means[static_cast<size_t>(chain[k].before)] : nullptr;
    for (size_t input = 1; input < node.inputs.size(); ++input) {
      if (!node.inputs[input]) continue;
      const std::string& name = model.graph.node(node.inputs[input]).name;
      require(scaled.insert(name).second, ErrorKind::unsupported, "the weight \"{}\" belongs to two layers", name);
      Tensor values = model.weights.at(name).cast(DType::f32);
      const int64_t outputs = values.size(0), each = values.count() / outputs;
      const int64_t inside = values.rank() > 2 ? each / values.size(1) : 1;
      const auto data = values.data<float>();
      for (int64_t o = 0; o < outputs; ++o)
        for (int64_t i = 0; i < each; ++i) {
          const double from = input == 1 && before ? (*before)[static_cast<size_t>(i / inside)] : 1;
          auto& value = data[static_cast<size_t>(o * each + i)];
          value = static_cast<float>(static_cast<double>(value) * from / means[k][static_cast<size_t>(o)]);
        }
      result.weights[name] = values;
    }
  }
  return result;
}

}  // namespace fovea
