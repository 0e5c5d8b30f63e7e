// ONNX operators that move elements or make them: shapes, slices, joins, constants.
#include <limits>

#include "fovea/formats/onnx_node.h"
#include "fovea/ops/arg_max.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/constant_of_shape.h"
#include "fovea/ops/cumsum.h"
#include "fovea/ops/depth_to_space.h"
#include "fovea/ops/expand.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gather.h"
#include "fovea/ops/gather_elements.h"
#include "fovea/ops/input.h"
#include "fovea/ops/one_hot.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/range.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/shape.h"
#include "fovea/ops/size.h"
#include "fovea/ops/slice.h"
#include "fovea/ops/space_to_depth.h"
#include "fovea/ops/split.h"
#include "fovea/ops/squeeze.h"
#include "fovea/ops/tile.h"
#include "fovea/ops/top_k.h"
#include "fovea/ops/transpose.h"
#include "fovea/ops/trilu.h"
#include "fovea/ops/unsqueeze.h"

namespace fovea {

namespace {

std::vector<Value> reshaped(OnnxNode& n) {
  if (n.opset < 5) return {reshape(n.graph, n.in(0), fovea::ints(n.graph, n.ints("shape")))};
  return {reshape(n.graph, n.in(0), n.in(1), {.allow_zero = n.flag("allowzero", false)})};
}

std::vector<Value> flattened(OnnxNode& n) { return {flatten(n.graph, n.in(0), n.integer("axis", 1))}; }

std::vector<Value> shape_of(OnnxNode& n) {
  const int64_t start = n.integer("start", 0);
  return {shape(n.graph, n.in(0), {.start = start, .end = n.integer("end", INT64_MAX)})};
}

std::vector<Value> size_of_all(OnnxNode& n) { return {size(n.graph, n.in(0))}; }

std::vector<Value> transposed(OnnxNode& n) { return {transpose(n.graph, n.in(0), n.ints("perm"))}; }

std::vector<Value> squeezed(OnnxNode& n) { return {squeeze(n.graph, n.in(0), n.ints_or_input("axes", 1))}; }

std::vector<Value> unsqueezed(OnnxNode& n) { return {unsqueeze(n.graph, n.in(0), n.ints_or_input("axes", 1))}; }

std::vector<Value> expanded(OnnxNode& n) { return {expand(n.graph, n.in(0), n.in(1))}; }

// Before opset 6: a number of tiles and one axis, both inputs.
std::vector<Value> tiled(OnnxNode& n) {
  if (n.opset >= 6) return {tile(n.graph, n.in(0), n.in(1))};
  const std::vector<int64_t> tiles = n.known(1, "tiles").cast(DType::i64).to_ints(),
                             axis = n.known(2, "axis").cast(DType::i64).to_ints();
  require(tiles.size() == 1 && axis.size() == 1, ErrorKind::format, "tiles and axis are single numbers");
  Ints repeats(std::vector<int64_t>(n.shape(0).size(), 1));
  repeats[static_cast<size_t>(n.axis(axis[0], n.rank(0)))] = tiles[0];
  return {tile(n.graph, n.in(0), repeats)};
}

std::vector<Value> concatenated(OnnxNode& n) {
  const int64_t axis = n.integer("axis", 1);
  require(n.opset < 4 || n.has_attribute("axis"), ErrorKind::format, "attribute axis is missing");
  std::vector<Value> all;
  for (size_t i = 0; i < n.inputs.size(); ++i) all.push_back(n.in(i));
  return {concat(n.graph, std::move(all), axis)};
}

std::vector<Value> split_up(OnnxNode& n) {
  SplitAttributes a{.axis = n.integer("axis", 0), .sizes = n.ints_or_input("split", 1)};
  const int64_t outputs = n.proto.output_size();
  const int64_t parts = n.integer("num_outputs", outputs);
  require(parts == outputs, ErrorKind::format, "num_outputs is {}, the node has {} outputs", parts, outputs);
  require(a.sizes.empty() || static_cast<int64_t>(a.sizes.size()) == outputs, ErrorKind::format,
          "{} sizes for {} outputs", a.sizes.size(), outputs);
  if (a.sizes.empty()) a.parts = parts;
  return split(n.graph, n.in(0), std::move(a));
}

std::vector<Value> sliced(OnnxNode& n) {
  Graph& g = n.graph;
  if (n.opset >= 10) return {slice(g, n.in(0), n.in(1), n.in(2), n.maybe(3), n.maybe(4))};
  const Ints axes = n.ints("axes");
  return {slice(g, n.in(0), fovea::ints(g, n.ints("starts")), fovea::ints(g, n.ints("ends")),
                axes.empty() ? Value{} : fovea::ints(g, axes))};
}

std::vector<Value> padded(OnnxNode& n) {
  Graph& g = n.graph;
  const PadAttributes a{.mode = n.text("mode", "constant")};
  require(a.mode == "constant" || a.mode == "reflect" || a.mode == "edge" || a.mode == "wrap", ErrorKind::unsupported,
          "unsupported mode \"{}\"", a.mode);
  if (n.opset >= 11) return {pad(g, n.in(0), n.in(1), a.mode == "constant" ? n.maybe(2) : Value{}, n.maybe(3), a)};
  const Ints pads = n.ints(n.opset < 2 ? "paddings" : "pads");
  const Value value = scalar(g, n.real("value", 0), n.dtype(0));
  return {pad(g, n.in(0), fovea::ints(g, pads), a.mode == "constant" ? value : Value{}, {}, a)};
}

std::vector<Value> gathered(OnnxNode& n) { return {gather(n.graph, n.in(0), n.in(1), n.integer("axis", 0))}; }
std::vector<Value> gathered_elements(OnnxNode& n) {
  return {gather_elements(n.graph, n.in(0), n.in(1), n.integer("axis", 0))};
}

std::vector<Value> to_space(OnnxNode& n) {
  const std::string mode = n.text("mode", "DCR");
  require(mode == "DCR" || mode == "CRD", ErrorKind::unsupported, "unsupported mode \"{}\"", mode);
  return {depth_to_space(n.graph, n.in(0), {.block = n.integer("blocksize", 0), .mode = mode})};
}

std::vector<Value> to_depth(OnnxNode& n) {
  const std::string mode = n.text("mode", "DCR");
  require(mode == "DCR" || mode == "CRD", ErrorKind::unsupported, "unsupported mode \"{}\"", mode);
  return {space_to_depth(n.graph, n.in(0), {.block = n.integer("blocksize", 0), .mode = mode})};
}

// A Constant that reaches here was not made a parameter by the reader.
std::vector<Value> constant_value(OnnxNode& n) {
  Graph& g = n.graph;
  if (n.has_attribute("value")) return {constant(g, n.tensor("value"))};
  if (n.has_attribute("value_int")) return {constant(g, Tensor::scalar<int64_t>(n.integer("value_int", 0)))};
  if (n.has_attribute("value_ints")) return {fovea::ints(g, n.ints("value_ints"))};
  if (n.has_attribute("value_float"))
    return {constant(g, Tensor::scalar<float>(static_cast<float>(n.real("value_float", 0))))};
  if (n.has_attribute("value_floats")) {
    const std::vector<double> values = n.reals("value_floats");
    return {constant(
        g, Tensor::of<float>({static_cast<int64_t>(values.size())}, std::vector<float>(values.begin(), values.end())))};
  }
  fail(ErrorKind::unsupported, "unsupported kind of value");
}

std::vector<Value> filled(OnnxNode& n) {
  Tensor value = n.has_attribute("value") ? n.tensor("value") : Tensor::scalar<float>(0);
  require(value.count() == 1, ErrorKind::format, "value has {} elements, expected 1", value.count());
  return {constant_of_shape(n.graph, n.in(0), {.value = value.reshaped({})})};
}

std::vector<Value> ranged(OnnxNode& n) { return {range(n.graph, n.in(0), n.in(1), n.in(2))}; }

ArgMaxAttributes extreme(OnnxNode& n) {
  return {.axis = n.integer("axis", 0),
          .keep = n.flag("keepdims", true),
          .select_last = n.flag("select_last_index", false)};
}
std::vector<Value> argument_of_maximum(OnnxNode& n) { return {arg_max(n.graph, n.in(0), extreme(n))}; }
std::vector<Value> argument_of_minimum(OnnxNode& n) { return {arg_min(n.graph, n.in(0), extreme(n))}; }

std::vector<Value> best(OnnxNode& n) {
  const TopKAttributes a{
      .axis = n.integer("axis", -1), .largest = n.flag("largest", true), .sorted = n.flag("sorted", true)};
  const Value y = n.opset < 10 ? top_k(n.graph, n.in(0), n.integer("k", 0), a) : top_k(n.graph, n.in(0), n.in(1), a);
  return {y, {y.node, 1}};
}

std::vector<Value> running_sum(OnnxNode& n) {
  const std::vector<int64_t> axis = n.known_ints(1, "axis");
  require(axis.size() == 1, ErrorKind::format, "axis has {} elements", axis.size());
  return {cumsum(n.graph, n.in(0),
                 {.axis = axis[0], .exclusive = n.flag("exclusive", false), .reverse = n.flag("reverse", false)})};
}

std::vector<Value> triangle(OnnxNode& n) {
  const std::vector<int64_t> k = n.has(1) ? n.known_ints(1, "k") : std::vector<int64_t>{0};
  require(k.size() == 1, ErrorKind::format, "k has {} elements", k.size());
  return {trilu(n.graph, n.in(0), {.upper = n.flag("upper", true), .offset = k[0]})};
}

std::vector<Value> indicator(OnnxNode& n) {
  return {one_hot(n.graph, n.in(0), n.in(1), n.in(2), n.integer("axis", -1))};
}

constexpr OnnxOperator kOperators[] = {
    {"ArgMax", argument_of_maximum},
    {"ArgMin", argument_of_minimum},
    {"Concat", concatenated},
    {"Constant", constant_value},
    {"ConstantOfShape", filled},
    {"CumSum", running_sum},
    {"DepthToSpace", to_space},
    {"Expand", expanded},
    {"Flatten", flattened},
    {"Gather", gathered},
    {"GatherElements", gathered_elements},
    {"OneHot", indicator},
    {"Pad", padded},
    {"Range", ranged},
    {"Reshape", reshaped},
    {"Shape", shape_of},
    {"Size", size_of_all},
    {"Slice", sliced},
    {"SpaceToDepth", to_depth},
    {"Split", split_up},
    {"Squeeze", squeezed},
    {"Tile", tiled},
    {"TopK", best},
    {"Transpose", transposed},
    {"Trilu", triangle},
    {"Unsqueeze", unsqueezed},
};

}  // namespace

std::span<const OnnxOperator> onnx_shape_operators() { return kOperators; }

}  // namespace fovea
