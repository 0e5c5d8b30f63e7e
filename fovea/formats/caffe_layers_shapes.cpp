// Layers that move elements: Concat, Slice, Split, Flatten, Reshape, Crop, Tile; and ArgMax and Reduction.
// Source: Caffe's documentation of its layers.
#include "fovea/base/error.h"
#include "fovea/formats/caffe_layer.h"
#include "fovea/ops/abs.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/identity.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/scale.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/split.h"
#include "fovea/ops/tile.h"
#include "fovea/ops/top_k.h"

namespace fovea {

namespace {

std::vector<Value> concat_layer(CaffeLayer& layer) {
  const auto& p = layer.proto.concat_param();
  require(!(p.has_axis() && p.has_concat_dim()), ErrorKind::format, "both axis and concat_dim are given");
  const int64_t axis = layer.axis(p.has_concat_dim() ? int64_t{p.concat_dim()} : p.axis());
  return {concat(layer.graph, layer.bottoms, axis)};
}

std::vector<Value> slice_layer(CaffeLayer& layer) {
  const auto& p = layer.proto.slice_param();
  require(!(p.has_axis() && p.has_slice_dim()), ErrorKind::format, "both axis and slice_dim are given");
  const int64_t axis = layer.axis(p.has_slice_dim() ? int64_t{p.slice_dim()} : p.axis());
  const int64_t size = layer.shape()[static_cast<size_t>(axis)], tops = layer.proto.top_size();
  require(tops >= 1, ErrorKind::format, "it has no top");
  SplitAttributes a{.axis = axis};
  if (p.slice_point_size() == 0) {
    require(size % tops == 0, ErrorKind::format, "{} tops do not divide the {} elements of axis {}", tops, size, axis);
    a.sizes = std::vector<int64_t>(static_cast<size_t>(tops), size / tops);
    return split(layer.graph, layer.in(), a);
  }
  require(p.slice_point_size() == tops - 1, ErrorKind::format, "{} slice points for {} tops", p.slice_point_size(),
          tops);
  int64_t before = 0;
  for (const uint32_t point : p.slice_point()) {
    require(point > before && point < size, ErrorKind::format,
            "slice point {} after {}: expected rising points below {}", point, before, size);
    a.sizes.push_back(point - before);
    before = point;
  }
  a.sizes.push_back(size - before);
  return split(layer.graph, layer.in(), a);
}

std::vector<Value> split_layer(CaffeLayer& layer) {
  const Value same = identity(layer.graph, layer.in());
  return std::vector<Value>(static_cast<size_t>(std::max(1, layer.proto.top_size())), same);
}

std::vector<Value> flatten_layer(CaffeLayer& layer) {
  const auto& p = layer.proto.flatten_param();
  const int64_t first = layer.axis(p.axis()), last = layer.axis(p.end_axis());
  require(first <= last, ErrorKind::format, "axes {} to {}: the first comes after the last", p.axis(), p.end_axis());
  if (first == 1 && last == layer.rank() - 1) return {flatten(layer.graph, layer.in(), 1)};
  const Shape x = layer.shape();
  Shape y(x.begin(), x.begin() + first);
  y.push_back(x.count(first, last + 1));
  y.insert(y.end(), x.begin() + last + 1, x.end());
  return {reshape(layer.graph, layer.in(), y)};
}

// The sizes of the axes from `axis` on are replaced; 0 copies a size, -1 takes what is left.
std::vector<Value> reshape_layer(CaffeLayer& layer) {
  const auto& p = layer.proto.reshape_param();
  const Shape x = layer.shape();
  const int64_t negative = p.axis() < 0 ? layer.rank() + 1 + p.axis() : p.axis();
  require(negative >= 0 && negative <= layer.rank(), ErrorKind::format, "axis {} of {} axes", p.axis(), layer.rank());
  const int64_t first = negative, end = p.num_axes() < 0 ? layer.rank() : first + p.num_axes();
  require(p.num_axes() >= -1 && end <= layer.rank(), ErrorKind::format, "{} axes from {} on of {}", p.num_axes(), first,
          layer.rank());
  Shape y(static_cast<size_t>(first), 0);
  int open = 0;
  for (const int64_t size : p.shape().dim()) {
    require(size >= -1, ErrorKind::format, "a size of {}", size);
    require(size != 0 || static_cast<int64_t>(y.size()) < end, ErrorKind::format, "a size of 0 with no axis to copy");
    open += size == -1 ? 1 : 0;
    y.push_back(size);
  }
  require(open <= 1, ErrorKind::format, "{} sizes of -1", open);
  y.insert(y.end(), x.begin() + end, x.end());
  return {reshape(layer.graph, layer.in(), ints(layer.graph, y))};  // sizes of 0 copy, also for pictures of other sizes
}

// The first bottom, cut to the sizes of the second from an axis on.
std::vector<Value> crop(CaffeLayer& layer) {
  const auto& p = layer.proto.crop_param();
  const int64_t axis = layer.axis(p.axis());
  require(layer.rank(1) == layer.rank(), ErrorKind::format, "its bottoms are {} and {}, expected equal ranks",
          to_string(layer.shape()), to_string(layer.shape(1)));
  require(p.offset_size() <= 1 || p.offset_size() == layer.rank() - axis, ErrorKind::format, "{} offsets for {} axes",
          p.offset_size(), layer.rank() - axis);
  Value y = layer.in();
  for (int64_t k = axis; k < layer.rank(); ++k) {
    const int64_t offset = p.offset_size() == 0 ? 0 : p.offset(p.offset_size() == 1 ? 0 : static_cast<int>(k - axis));
    const int64_t from = layer.shape()[static_cast<size_t>(k)], to = layer.shape(1)[static_cast<size_t>(k)];
    require(offset + to <= from, ErrorKind::format, "axis {}: {} + {} elements of {}", k, offset, to, from);
    if (offset > 0 || to < from) y = slice(layer.graph, y, k, offset, offset + to);
  }
  return {y};
}

std::vector<Value> tile_layer(CaffeLayer& layer) {
  const auto& p = layer.proto.tile_param();
  require(p.tiles() >= 1, ErrorKind::format, "tiles is missing or {}", p.tiles());
  Ints repeats(std::vector<int64_t>(static_cast<size_t>(layer.rank()), 1));
  repeats[static_cast<size_t>(layer.axis(p.axis()))] = p.tiles();
  return {tile(layer.graph, layer.in(), repeats)};
}

// Along an axis: the places of the k largest, or with out_max_val their values. Without an axis, of each row of
// everything behind the first: places [N,1,k], or places and values [N,2,k].
std::vector<Value> arg_max_layer(CaffeLayer& layer) {
  const auto& p = layer.proto.argmax_param();
  Graph& g = layer.graph;
  const int64_t axis = p.has_axis() ? layer.axis(p.axis()) : 1;
  const Value x = p.has_axis() ? layer.in() : flatten(g, layer.in(), 1);
  const int64_t size = g.shape(x)[static_cast<size_t>(axis)], count = p.top_k();
  require(count >= 1 && count <= size, ErrorKind::format, "top_k {} of {} elements", count, size);
  const Value values = top_k(g, x, count, {.axis = axis});
  const Value places = cast(g, {values.node, 1}, DType::f32);
  if (p.has_axis()) return {p.out_max_val() ? identity(g, values) : places};
  const Shape row{g.shape(x)[0], 1, count};
  const Value first = reshape(g, places, row);
  return {p.out_max_val() ? concat(g, {first, reshape(g, values, row)}, 1) : first};
}

std::vector<Value> reduction(CaffeLayer& layer) {
  using Reduction = caffe::ReductionParameter;
  const auto& p = layer.proto.reduction_param();
  Graph& g = layer.graph;
  ReduceAttributes a{.kind = p.operation() == Reduction::MEAN ? "mean" : "sum"};
  for (int64_t k = layer.axis(p.axis()); k < layer.rank(); ++k) a.axes.push_back(k);
  Value x = layer.in();
  if (p.operation() == Reduction::ASUM) x = abs(g, x);
  if (p.operation() == Reduction::SUMSQ) x = mul(g, x, x);
  const Value y = reduce(g, x, a);
  return {p.coeff() == 1 ? y : scale(g, y, p.coeff())};
}

}  // namespace

std::span<const CaffeType> caffe_shape_types() {
  static constexpr int kMany = 1 << 16;
  static constexpr CaffeType kTypes[] = {
      {"ArgMax", arg_max_layer}, {"Concat", concat_layer, 1, kMany}, {"Crop", crop, 2, 2},   {"Flatten", flatten_layer},
      {"Reduction", reduction},  {"Reshape", reshape_layer},         {"Slice", slice_layer}, {"Split", split_layer},
      {"Tile", tile_layer},
  };
  return kTypes;
}

}  // namespace fovea
