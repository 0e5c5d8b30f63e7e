// The layer's value is replaced by v · e (one activation v, zeros else) and sent down: p = Jᵀ(v · e), J the layer's
// derivative w.r.t. the picture in which rectifiers follow the rule (insight/rules.h), max pooling its switches.
// Source: Zeiler & Fergus 2014, section 2.1; see projection.h.
#include "fovea/insight/projection.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/insight/attribution.h"
#include "fovea/insight/features.h"
#include "fovea/insight/rules.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/input.h"
#include "fovea/transform/gradient.h"

namespace fovea {

namespace {

constexpr const char* kSeed = "projection_seed";

// The layer's node name, once it is known to have units that see the picture.
std::string checked_layer(const Model& model, const std::string& name) {
  const Value layer = find_layer(model, name);
  const Node& node = model.graph.node(layer);
  const Shape& s = node.outputs[0].shape;
  require((s.rank() == 4 || s.rank() == 2) && s[0] == 1 && node.outputs[0].dtype == DType::f32, ErrorKind::usage,
          "layer \"{}\" is {}: it has no units, expected 1xK or 1xKxhxw", name, to_string(node.outputs[0]));
  const auto fields = receptive_fields(model.graph, picture_input(model));
  require(!fields[static_cast<size_t>(layer.node)].empty(), ErrorKind::usage,
          "layer \"{}\" does not depend on the picture", name);
  return node.name;
}

BatchedProgram::Build build_backward(const std::string& name, const Rules& rules) {
  return [name, &rules](Graph& graph, Value picture, Value) {
    const Value layer{graph.find(name), 0};
    const Value seed = input(graph, kSeed, graph.type(layer));
    return gradient(graph, layer, std::vector<Value>{picture}, rules, seed);
  };
}

// The shortest stretch that leaves out at most (1 - share) / 2 of the sum at either end.
Interval trimmed(const std::vector<double>& energy, int64_t begin, double share) {
  const double all = std::accumulate(energy.begin(), energy.end(), 0.0), out = all * (1 - share) / 2;
  size_t first = 0, last = energy.size();
  for (double sum = 0; first + 1 < last && sum + energy[first] <= out; ++first) sum += energy[first];
  for (double sum = 0; last > first + 1 && sum + energy[last - 1] <= out; --last) sum += energy[last - 1];
  return {begin + static_cast<int64_t>(first), begin + static_cast<int64_t>(last)};
}

// The same middle, `length` long as far as [0, limit) goes.
Interval widened(Interval part, int64_t length, int64_t limit) {
  length = std::min(std::max(length, part.end - part.begin), limit);
  const int64_t begin = std::clamp<int64_t>((part.begin + part.end - length) / 2, 0, limit - length);
  return {begin, begin + length};
}

}  // namespace

Projector::Projector(const Model& model, const std::string& layer, const std::string& rule, const BatchLimits& limits,
                     Backend& backend, const CompileOptions& options)
    : layer_(checked_layer(model, layer)),
      backward_(model, build_backward(layer_, gradient_rules(rule)), limits, backend, options) {
  const int node = model.graph.find(layer_);
  const Shape& s = model.graph.node(node).outputs[0].shape;
  units_ = s[1];
  if (s.rank() == 4) height_ = s[2], width_ = s[3];
  field_ = receptive_fields(model.graph, picture_input(model))[static_cast<size_t>(node)];
}

std::vector<Tensor> Projector::project(const Context& context, std::span<const Tensor> inputs,
                                       std::span<const UnitAt> units) {
  require(inputs.size() == 1 || inputs.size() == units.size(), ErrorKind::internal, "{} inputs for {} units",
          inputs.size(), units.size());
  const auto input = [&](int64_t i) -> const Tensor& {
    return inputs[inputs.size() == 1 ? 0 : static_cast<size_t>(i)];
  };
  std::vector<Tensor> result(units.size());
  const Type& type = backward_.type(kSeed);
  backward_.run(
      context, static_cast<int64_t>(units.size()),
      [&](int64_t i, std::span<float> picture) { std::ranges::copy(input(i).data<float>(), picture.begin()); },
      [&](int64_t i, int64_t slot, const std::vector<Tensor>& wants) {
        Tensor& projection = result[static_cast<size_t>(i)] = Tensor(DType::f32, input(i).shape());
        std::ranges::copy(row_of(wants[0], slot), projection.data<float>().begin());
      },
      [&](int64_t i) {
        const UnitAt& at = units[static_cast<size_t>(i)];
        require(at.unit >= 0 && at.unit < units_, ErrorKind::usage, "layer \"{}\" has units 0 to {}, there is no {}",
                layer_, units_ - 1, at.unit);
        Tensor seed(type.dtype, type.shape);
        seed.set((at.unit * height_ + at.y) * width_ + at.x, at.value);
        return std::map<std::string, Tensor>{{kSeed, seed}};
      });
  return result;
}

std::vector<std::string> plate_layers(const Model& model, int64_t count) {
  const Graph& graph = model.graph;
  const int64_t classes = model.meaning.scores.empty() ? -1 : graph.shape(scores_output(model))[1];
  const Value picture = picture_input(model);
  const std::vector<int> cuts =
      cut_points(graph, picture, model.meaning.scores.empty() ? graph.outputs.at(0).value : scores_output(model));
  const std::vector<std::string>& rectifiers = rectifier_names();
  std::vector<int> joined, convolutions;
  for (const int i : cuts) {
    const Node& node = graph.node(i);
    const Shape& s = node.outputs[0].shape;
    if (s.rank() != 4 || s[2] * s[3] < 2 || s[1] == classes) continue;
    const bool rectifier = std::ranges::find(rectifiers, node.op->name) != rectifiers.end();
    // A rectifier behind a sum or a concatenation stands for it.
    if (rectifier && !joined.empty() && graph.node(i).inputs[0].node == joined.back()) joined.back() = i;
    else if (rectifier || node.op->name == "concat" || node.op->name == "add") joined.push_back(i);
    if (node.op == &ops::conv) convolutions.push_back(i);
  }
  const std::vector<int>& all = joined.empty() ? convolutions : joined;
  require(!all.empty(), ErrorKind::usage,
          "the network has no layer of maps through which everything passes; name some by --layer");
  require(count >= 1, ErrorKind::usage, "a plate has at least one layer, got {}", count);
  std::vector<std::string> result;
  const auto shown = std::min(static_cast<size_t>(count), all.size());
  for (size_t k = 0; k < shown; ++k)
    result.push_back(graph.node(all[shown == 1 ? 0 : k * (all.size() - 1) / (shown - 1)]).name);
  return result;
}

Image projection_image(const Tensor& projection, const Preprocess& how, Interval rows, Interval columns, double share) {
  const int64_t channels = projection.size(1), height = projection.size(2), width = projection.size(3);
  const auto d = projection.data<float>();
  std::vector<float> values, sizes;
  for (int64_t y = rows.begin; y < rows.end; ++y)
    for (int64_t x = columns.begin; x < columns.end; ++x)
      for (int64_t shown = 0; shown < channels; ++shown) {
        const int64_t c = how.colour == "bgr" && channels == 3 ? 2 - shown : shown;
        const double deviation = how.std.empty() ? 1 : how.std[static_cast<size_t>(c)];
        const float v = static_cast<float>(double(d[static_cast<size_t>((c * height + y) * width + x)]) * deviation);
        values.push_back(std::isfinite(v) ? v : 0.0f);
        sizes.push_back(std::abs(values.back()));
      }
  Image image(static_cast<int>(columns.end - columns.begin), static_cast<int>(rows.end - rows.begin),
              channels == 3 ? 3 : 1);
  if (values.empty()) return image;
  const auto at = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(sizes.size() - 1));
  std::nth_element(sizes.begin(), sizes.begin() + static_cast<std::ptrdiff_t>(at), sizes.end());
  const float most = sizes[at] > 0 ? sizes[at] : *std::max_element(sizes.begin(), sizes.end());
  const auto samples = image.samples();
  for (size_t i = 0; i < samples.size(); ++i) {
    const float t = most > 0 ? values[i] / most : 0;
    samples[i] = static_cast<uint8_t>(std::lround(127.5f + 127.5f * std::clamp(t, -1.0f, 1.0f)));
  }
  return image;
}

Box energy_box(const Tensor& projection, const UnitAt& unit, double share) {
  const int64_t channels = projection.size(1), height = projection.size(2), width = projection.size(3);
  const auto d = projection.data<float>();
  std::vector<double> rows(static_cast<size_t>(unit.rows.end - unit.rows.begin), 0.0),
      columns(static_cast<size_t>(unit.columns.end - unit.columns.begin), 0.0);
  for (int64_t c = 0; c < channels; ++c)
    for (int64_t y = unit.rows.begin; y < unit.rows.end; ++y)
      for (int64_t x = unit.columns.begin; x < unit.columns.end; ++x) {
        const auto v = double(d[static_cast<size_t>((c * height + y) * width + x)]);
        if (!std::isfinite(v)) continue;
        rows[static_cast<size_t>(y - unit.rows.begin)] += v * v;
        columns[static_cast<size_t>(x - unit.columns.begin)] += v * v;
      }
  if (!(std::accumulate(rows.begin(), rows.end(), 0.0) > 0)) return {unit.rows, unit.columns};
  const Interval y = trimmed(rows, unit.rows.begin, share), x = trimmed(columns, unit.columns.begin, share);
  const int64_t side = std::max(y.end - y.begin, x.end - x.begin);
  return {widened(y, side, height), widened(x, side, width)};
}

}  // namespace fovea
