// Exact positions along one axis, from the picture's pixels on:
//   window    o is exact when all that it looks at, o S − P + k D, 0 ≤ k < K, is exact, or padding beyond an end that
//   is
//             the picture's own
//   pad       moves positions; what it adds at an end that is not the picture's is not exact
//   pointwise the intersection of the operands'
// A tile that starts at a multiple of all strides has its positions where the whole picture has them, and one whose
// length differs from the picture's by such a multiple ends as the whole does.
#include "fovea/insight/tiling.h"

#include <algorithm>
#include <numeric>
#include <string_view>

#include "fovea/base/error.h"
#include "fovea/graph/op.h"
#include "fovea/model/node_window.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/pad.h"

namespace fovea {

namespace {

int64_t floor_div(int64_t a, int64_t b) { return a >= 0 ? a / b : -((-a + b - 1) / b); }
int64_t ceil_div(int64_t a, int64_t b) { return -floor_div(-a, b); }

// Walks the graph once for one axis.
class AxisWalk {
 public:
  AxisWalk(const Graph& graph, std::span<const Value> pictures, size_t axis, bool begins, bool ends)
      : graph_(graph), axis_(axis), begins_(begins), ends_(ends), of_(static_cast<size_t>(graph.size())) {
    for (const Value picture : pictures) {
      const int64_t length = graph.shape(picture)[axis];
      at(picture) = {1, length, {0, length}};
    }
  }

  LayerAxis& at(Value v) { return of_[static_cast<size_t>(v.node)]; }
  bool depends(Value v) { return v && at(v).length > 0; }

  void visit(int index) {
    const Node& node = graph_.node(index);
    LayerAxis& result = of_[static_cast<size_t>(index)];
    if (result.length > 0 || std::none_of(node.inputs.begin(), node.inputs.end(), [&](Value v) { return depends(v); }))
      return;
    const auto window = node_window(graph_, node);
    // Weights that depend on the picture, or that are a place's own, are no windows that move.
    const bool moves = !window.empty() && node.op->name != "locally_connected" &&
                       std::none_of(node.inputs.begin() + 1,
                                    node.inputs.begin() + std::min<std::ptrdiff_t>(2, std::ssize(node.inputs)),
                                    [&](Value v) { return depends(v); });
    if (moves) result = through(window[axis_ - 2], at(node.inputs[0]));
    else if (node.op == &ops::pad) result = padded(node, index);
    else if (keeps_positions(node)) result = pointwise(node, index);
    else refuse(index, "looks further than a window");
  }

 private:
  [[noreturn]] void refuse(int index, std::string_view why) const {
    const Node& node = graph_.node(index);
    fail(ErrorKind::unsupported,
         "{} \"{}\" {}: tiles would not see what the whole picture does. Choose layers before it, or allow more memory "
         "for the whole picture at once",
         node.op->name, node.name, why);
  }

  LayerAxis through(const WindowAxis& window, const LayerAxis& from) const {
    LayerAxis to{from.stride * window.stride, window.output, {0, window.output}};
    if (from.exact.begin > 0 || !begins_)
      to.exact.begin = std::max<int64_t>(0, ceil_div(from.exact.begin + window.pad_begin, window.stride));
    if (from.exact.end < from.length || !ends_) {
      const int64_t reach = (window.kernel - 1) * window.dilation;
      to.exact.end =
          std::min(window.output, floor_div(from.exact.end - 1 + window.pad_begin - reach, window.stride) + 1);
    }
    to.exact.end = std::max(to.exact.begin, to.exact.end);
    return to;
  }

  LayerAxis padded(const Node& node, int index) {
    const Tensor* pads = graph_.known(node.inputs[1]);
    const Tensor* axes = node.inputs.size() > 3 && node.inputs[3] ? graph_.known(node.inputs[3]) : nullptr;
    if (!pads || !depends(node.inputs[0])) refuse(index, "pads by what it computes");
    if (node.attributes.as<PadAttributes>().mode == "wrap") refuse(index, "repeats the opposite edge");
    const int64_t rank = node.outputs[0].shape.rank();
    const auto values = pads->to_ints();
    const auto named = axes ? axes->to_ints() : std::vector<int64_t>{};
    int64_t begin = 0;
    for (size_t i = 0; i < values.size() / 2; ++i) {
      const auto axis = static_cast<size_t>(axes ? normal_axis(named[i], rank, "pad") : static_cast<int64_t>(i));
      if (axis == axis_) begin = values[i];
    }
    const LayerAxis& from = at(node.inputs[0]);
    LayerAxis to{from.stride, node.outputs[0].shape[axis_], {0, node.outputs[0].shape[axis_]}};
    if (from.exact.begin > 0 || !begins_) to.exact.begin = std::max<int64_t>(0, from.exact.begin + begin);
    if (from.exact.end < from.length || !ends_) to.exact.end = std::min(to.length, from.exact.end + begin);
    to.exact.end = std::max(to.exact.begin, to.exact.end);
    return to;
  }

  // Whether an operand that does not depend on the picture differs from position to position: it is spread over what it
  // has no axis for, and vectors of normalisations hold a number for each channel.
  bool is_own(const Node& node, const Shape& operand) const {
    static constexpr std::string_view kSpread[] = {"add", "sub", "mul",  "div",   "pow",
                                                   "min", "max", "mean", "where", "mod"};
    const bool spread = std::find(std::begin(kSpread), std::end(kSpread), node.op->name) != std::end(kSpread);
    if (operand.rank() == 1 && !spread) return false;
    const int64_t axis = operand.rank() - 4 + static_cast<int64_t>(axis_);
    return axis >= 0 && operand[static_cast<size_t>(axis)] != 1;
  }

  LayerAxis pointwise(const Node& node, int index) {
    const Shape& shape = node.outputs[0].shape;
    if (shape.rank() != 4) refuse(index, "makes no maps");
    const bool concat = node.op == &ops::concat;
    if (concat && normal_axis(node.attributes.as<ConcatAttributes>().axis, shape.rank(), "concat") != 1)
      refuse(index, "joins positions");
    LayerAxis to{0, shape[axis_], {0, shape[axis_]}};
    for (const Value v : node.inputs) {
      if (!v) continue;
      const Shape& given = graph_.shape(v);
      if (!depends(v)) {
        if (is_own(node, given)) refuse(index, "does something else at each position");
        continue;
      }
      if (given.rank() != 4 || given[axis_] != to.length) refuse(index, "spreads one position over all");
      const LayerAxis& from = at(v);
      if (to.stride != 0 && to.stride != from.stride) refuse(index, "joins layers of unlike strides");
      to.stride = from.stride;
      to.exact = {std::max(to.exact.begin, from.exact.begin), std::min(to.exact.end, from.exact.end)};
    }
    for (const Type& type : node.outputs)
      if (type.shape.rank() != 4 || type.shape[axis_] != to.length) refuse(index, "splits positions");
    to.exact.end = std::max(to.exact.begin, to.exact.end);
    return to;
  }

  const Graph& graph_;
  size_t axis_;
  bool begins_, ends_;
  std::vector<LayerAxis> of_;  // length 0: does not depend on the picture
};

}  // namespace

std::vector<LayerAxis> layer_axes(const Graph& graph, std::span<const Value> pictures, std::span<const Value> layers,
                                  int axis, bool begins, bool ends) {
  const std::vector<bool> needed = reachable(graph, layers);
  AxisWalk walk(graph, pictures, static_cast<size_t>(axis) + 2, begins, ends);
  int first = 0;
  for (const Value picture : pictures) first = std::max(first, picture.node + 1);
  for (int i = first; i < graph.size(); ++i)
    if (needed[static_cast<size_t>(i)]) walk.visit(i);
  std::vector<LayerAxis> result;
  for (const Value layer : layers) result.push_back(walk.at(layer));
  return result;
}

TileRules::TileRules(std::span<const LayerAxis> inside, int64_t length, int64_t step) : step_(step) {
  int64_t reach = length;
  for (const LayerAxis& layer : inside) stride_ = std::lcm(stride_, layer.stride);
  require(step % stride_ == 0, ErrorKind::internal, "tiles at multiples of {} of layers at {}", step, stride_);
  for (const LayerAxis& layer : inside) {
    require(layer.exact.count() > 0, ErrorKind::internal, "a layer without exact positions in {} pixels", length);
    lead_ = std::max(lead_, ceil_div(layer.exact.begin * layer.stride, stride_) * stride_);
    reach = std::min(reach, floor_div(layer.exact.end * layer.stride, stride_) * stride_);
  }
  trail_ = length - reach;
}

std::vector<int64_t> TileRules::lengths(int64_t size) const {
  std::vector<int64_t> result;
  const int64_t least = lead_ + trail_ + step_;
  for (int64_t length = size - (size - least) / step_ * step_; length >= least && length < size; length += step_)
    result.push_back(length);
  return result;
}

AxisTiles TileRules::tiles(int64_t size, int64_t length) const {
  AxisTiles result{length, {0}, {0}};
  if (length < size) {
    const int64_t steps = (size - length) / step_, most = (length - lead_ - trail_) / step_;
    const int64_t more = ceil_div(steps, most);  // tiles after the first
    for (int64_t k = 1; k <= more; ++k) {
      result.starts.push_back(steps * k / more * step_);
      result.borders.push_back(result.starts.back() + lead_);
    }
  }
  result.borders.push_back(size);
  return result;
}

Positions owned(const AxisTiles& tiles, size_t tile, int64_t stride, int64_t layer_length) {
  const bool last = tile + 1 == tiles.starts.size();
  return {std::min(ceil_div(tiles.borders[tile], stride), layer_length),
          last ? layer_length : std::min(ceil_div(tiles.borders[tile + 1], stride), layer_length)};
}

}  // namespace fovea
