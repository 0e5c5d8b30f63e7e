#include "fovea/features/layer_codes.h"

#include <algorithm>
#include <cstring>

#include "fovea/base/nearest.h"
#include "fovea/image/resize.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/gemm.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matmul.h"
#include "fovea/transform/respecialise.h"

namespace fovea {

namespace {

// Whether a weight comes from a parameter alone, turned or reshaped perhaps.
bool is_weight(const Graph& graph, Value v) {
  while (v && graph.node(v).op != &ops::parameter) {
    const Node& node = graph.node(v);
    if (node.inputs.empty() || graph.known(v)) return static_cast<bool>(graph.known(v));
    for (size_t i = 1; i < node.inputs.size(); ++i)
      if (node.inputs[i] && !graph.known(node.inputs[i])) return false;
    v = node.inputs[0];
  }
  return static_cast<bool>(v);
}

// The model for `batch` pictures; as it is when its batch is fixed, or when another one changes what a picture's row of
// the layer is.
Model batched(const Model& model, const std::string& layer, int64_t batch) {
  const Value input = data_input(model), at = find_layer(model, layer);
  Type type = model.graph.type(input);
  if (type.shape[0] == batch) return model;
  Model result = model;
  Type wanted = type;
  wanted.shape[0] = batch;
  try {
    result.graph = respecialise(model.graph, {{model.graph.node(input).name, wanted}});
  } catch (const Error&) { return model; }
  const Shape before = model.graph.shape(at), after = result.graph.shape(find_layer(result, layer));
  const bool fits = after.rank() == before.rank() && after.rank() > 0 && after[0] == batch &&
                    std::equal(after.begin() + 1, after.end(), before.begin() + 1) && before[0] == type.shape[0];
  return fits ? result : model;
}

}  // namespace

Pooling pooling(std::string_view name) {
  for (const Pooling pool : {Pooling::none, Pooling::mean, Pooling::max})
    if (to_string(pool) == name) return pool;
  fail(ErrorKind::usage, "\"{}\" is no way of pooling{}; expected none, mean or max", name,
       did_you_mean(name, {"none", "mean", "max"}));
}

std::string_view to_string(Pooling pool) {
  return pool == Pooling::none ? "none" : pool == Pooling::mean ? "mean" : "max";
}

Value last_code(const Model& model) {
  const Graph& graph = model.graph;
  Value at = scores_output(model);
  while (true) {
    const Node& node = graph.node(at);
    const bool linear = node.op == &ops::conv || node.op == &ops::gemm || node.op == &ops::matmul;
    if (linear && node.inputs.size() > 1 && is_weight(graph, node.inputs[1])) return node.inputs[0];
    Value next;
    int ways = 0;
    for (const Value v : node.inputs)
      if (v && !is_weight(graph, v)) next = v, ++ways;
    require(ways == 1, ErrorKind::usage,
            "no one layer with weights makes the scores (\"{}\", a {}, stands between), so it is not known which codes "
            "are meant; name a layer with --layer (`fovea layers` lists them)",
            node.name, node.op->name);
    at = next;
  }
}

LayerCodes::LayerCodes(Model model, Backend& backend, const Settings& settings)
    : pool_(settings.pool), batch_(settings.batch) {
  model = batched(model, settings.layer, settings.batch);
  name_ = model.meaning.name;
  how_ = model.meaning.preprocess;
  if (auto stated = stated_standardisation(model.meaning)) standardise_ = *std::move(stated);
  const Value input = data_input(model), layer = find_layer(model, settings.layer);
  require(model.graph.dtype(input) == DType::f32, ErrorKind::usage, "{}: takes its input as {}, expected f32", name_,
          to_string(model.graph.dtype(input)));
  require(model.graph.dtype(layer) == DType::f32, ErrorKind::usage, "layer \"{}\" holds {}, expected f32",
          settings.layer, to_string(model.graph.dtype(layer)));
  input_ = model.graph.node(input).name;
  Shape shape = model.graph.shape(input);
  own_batch_ = shape[0];
  const Shape out = model.graph.shape(layer);
  const bool rows = out.rank() >= 2 && out[0] == own_batch_;
  require(rows || (own_batch_ == 1 && out.count() > 0), ErrorKind::usage,
          "layer \"{}\" is {}: it has no row for each of {} pictures", settings.layer, to_string(out), own_batch_);
  layer_ = rows ? Shape(std::vector<int64_t>(out.begin() + 1, out.end())) : out;
  positions_ = pool_ != Pooling::none && layer_.rank() > 1 ? layer_.count(1, layer_.rank()) : 1;
  dimensions_ = layer_.count() / positions_;
  shape[0] = (batch_ + own_batch_ - 1) / own_batch_ * own_batch_;
  samples_ = Tensor(DType::f32, shape);
  const std::vector<Value> wants = {layer};
  program_ = compile(model.graph, wants, std::move(model.weights), backend, settings.compile);
}

void LayerCodes::prepare(int64_t slot, const Sample& sample) {
  require(slot >= 0 && slot < batch_, ErrorKind::internal, "there is no slot {} of {}", slot, batch_);
  Tensor input;
  if (sample.has_values()) {
    const int64_t each = samples_.shape().count(1, samples_.rank());
    require(!how_ && sample.values.count() == each, ErrorKind::usage,
            "{}: takes {} a sample, the set's samples are rows of {} numbers", name_,
            how_ ? "a picture" : fmt::format("{} numbers", each), sample.values.count());
    input = standardised(sample.values, standardise_);
  } else {
    require(how_.has_value(), ErrorKind::usage,
            "{}: it is not known how pictures become this network's input {}, and the set holds pictures", name_,
            to_string(samples_.shape()));
    input = preprocess(sample.image, *how_);
    require(input.count() == samples_.shape().count(1, samples_.rank()), ErrorKind::usage,
            "preprocessing gives {}, the network takes {}", to_string(input.shape()), to_string(samples_.shape()));
  }
  std::byte* to = const_cast<std::byte*>(std::as_const(samples_).raw());  // no clone: slots are written side by side
  std::memcpy(to + static_cast<size_t>(slot) * input.bytes(), input.raw(), input.bytes());
}

void LayerCodes::pool(const float* from, float* to) const {
  for (int64_t c = 0; c < dimensions_; ++c, from += positions_) {
    if (positions_ == 1) to[c] = *from;
    else if (pool_ == Pooling::max) to[c] = *std::max_element(from, from + positions_);
    else {
      double sum = 0;
      for (int64_t p = 0; p < positions_; ++p) sum += from[p];
      to[c] = static_cast<float>(sum / static_cast<double>(positions_));
    }
  }
}

const std::vector<float>& LayerCodes::run(int64_t count) {
  codes_.resize(static_cast<size_t>(count * dimensions_));
  Tensor input = program_.input(input_);
  for (int64_t first = 0; first < count; first += own_batch_) {
    std::memcpy(input.raw(), std::as_const(samples_).raw() + static_cast<size_t>(first / own_batch_) * input.bytes(),
                input.bytes());
    program_.execute();
    const Tensor output = program_.want(0);
    const float* from = output.data<float>().data();
    for (int64_t i = 0; i < std::min(own_batch_, count - first); ++i)
      pool(from + i * layer_.count(), codes_.data() + (first + i) * dimensions_);
  }
  return codes_;
}

Image thumbnail(const Image& picture, const Preprocess& how, int64_t side) {
  const Image seen = fit_picture(picture, how).to_8bit();
  const int64_t longest = std::max(seen.width(), seen.height());
  if (longest <= side) return seen;
  return resize(seen, static_cast<int>(std::max<int64_t>(1, seen.width() * side / longest)),
                static_cast<int>(std::max<int64_t>(1, seen.height() * side / longest)), Filter::lanczos);
}

int64_t suitable_batch(const Shape& input) {
  const int64_t bytes = std::max<int64_t>(1, input.count() / std::max<int64_t>(1, input[0]) * 4);
  return std::clamp<int64_t>((int64_t{2} << 20) / bytes, 8, 128);
}

}  // namespace fovea
