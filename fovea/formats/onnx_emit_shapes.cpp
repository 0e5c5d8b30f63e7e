// Operators that move or make elements → ONNX.
#include "fovea/formats/onnx_emit.h"
#include "fovea/ops/concat.h"
#include "fovea/ops/constant_of_shape.h"
#include "fovea/ops/cumsum.h"
#include "fovea/ops/depth_to_space.h"
#include "fovea/ops/flatten.h"
#include "fovea/ops/gather.h"
#include "fovea/ops/gather_elements.h"
#include "fovea/ops/input.h"
#include "fovea/ops/one_hot.h"
#include "fovea/ops/pad.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/reverse.h"
#include "fovea/ops/roll.h"
#include "fovea/ops/shape.h"
#include "fovea/ops/space_to_depth.h"
#include "fovea/ops/split.h"
#include "fovea/ops/squeeze.h"
#include "fovea/ops/transpose.h"
#include "fovea/ops/trilu.h"
#include "fovea/ops/unsqueeze.h"

namespace fovea {

namespace {

void constant_(OnnxEmission& e) { e.final("Constant", {}).tensor("value", e.as<ConstantAttributes>().value); }
void reshape_(OnnxEmission& e) {
  e.final("Reshape", e.all()).integer("allowzero", e.as<ReshapeAttributes>().allow_zero ? 1 : 0);
}
void flatten_(OnnxEmission& e) { e.final("Flatten", e.all()).integer("axis", e.as<FlattenAttributes>().axis); }
void expand_(OnnxEmission& e) { e.final("Expand", e.all()); }
void tile_(OnnxEmission& e) { e.final("Tile", e.all()); }
void range_(OnnxEmission& e) { e.final("Range", e.all()); }
void size_(OnnxEmission& e) { e.final("Size", e.all()); }
void slice_(OnnxEmission& e) { e.final("Slice", e.all()); }
void concat_(OnnxEmission& e) { e.final("Concat", e.all()).integer("axis", e.as<ConcatAttributes>().axis); }
void gather_(OnnxEmission& e) { e.final("Gather", e.all()).integer("axis", e.as<GatherAttributes>().axis); }
void gather_elements_(OnnxEmission& e) {
  e.final("GatherElements", e.all()).integer("axis", e.as<GatherElementsAttributes>().axis);
}
void one_hot_(OnnxEmission& e) { e.final("OneHot", e.all()).integer("axis", e.as<OneHotAttributes>().axis); }

void shape_(OnnxEmission& e) {
  const auto& a = e.as<ShapeAttributes>();
  OnnxEmitted node = e.final("Shape", e.all());
  node.integer("start", a.start);
  if (a.end != INT64_MAX) node.integer("end", a.end);
}

void transpose_(OnnxEmission& e) {
  const Ints& order = e.as<TransposeAttributes>().permutation;
  OnnxEmitted node = e.final("Transpose", e.all());
  if (!order.empty()) node.ints("perm", order);
}

void squeeze_(OnnxEmission& e) {
  const Ints& axes = e.as<SqueezeAttributes>().axes;
  e.final("Squeeze", {e.in(0), axes.empty() ? "" : e.ints(axes)});
}

void unsqueeze_(OnnxEmission& e) { e.final("Unsqueeze", {e.in(0), e.ints(e.as<UnsqueezeAttributes>().axes)}); }

void split_(OnnxEmission& e) {
  const int64_t axis = e.as<SplitAttributes>().axis;
  std::vector<int64_t> sizes;
  for (const Type& piece : e.node.outputs)
    sizes.push_back(piece.shape[static_cast<size_t>(normal_axis(axis, piece.shape.rank(), "split"))]);
  e.final("Split", {e.in(0), e.ints(sizes)}, static_cast<int>(sizes.size())).integer("axis", axis);
}

// ONNX 17 pads all axes: pads that speak of some are filled up.
void pad_(OnnxEmission& e) {
  const auto& a = e.as<PadAttributes>();
  if (a.mode == "wrap") e.refuse("ONNX 17 has no wrapping padding");
  if (a.mode == "symmetric") e.refuse("ONNX has no symmetric padding");
  std::string pads = e.in(1);
  if (e.has(3)) {
    const std::vector<int64_t> given = e.graph.known(e.node.inputs[1])->to_ints(),
                               axes = e.graph.known(e.node.inputs[3])->to_ints();
    const size_t rank = e.shape(0).size();
    std::vector<int64_t> all(2 * rank, 0);
    for (size_t k = 0; k < axes.size(); ++k) {
      const auto axis = static_cast<size_t>(normal_axis(axes[k], e.shape(0).rank(), "pad"));
      all[axis] = given[k];
      all[axis + rank] = given[k + axes.size()];
    }
    pads = e.ints(all);
  }
  e.final("Pad", {e.in(0), pads, e.in(2)}).text("mode", a.mode);
}

void constant_of_shape_(OnnxEmission& e) {
  const Tensor& value = e.as<ConstantOfShapeAttributes>().value;
  OnnxEmitted node = e.final("ConstantOfShape", e.all());
  if (value.count() == 1) node.tensor("value", value.reshaped({1}));
}

void depth_to_space_(OnnxEmission& e) {
  const auto& a = e.as<DepthToSpaceAttributes>();
  e.final("DepthToSpace", e.all()).integer("blocksize", a.block).text("mode", a.mode);
}

void space_to_depth_(OnnxEmission& e) {
  const auto& a = e.as<SpaceToDepthAttributes>();
  if (a.mode != "DCR") e.refuse("ONNX's SpaceToDepth has mode DCR only");
  e.final("SpaceToDepth", e.all()).integer("blocksize", a.block);
}

void reverse_(OnnxEmission& e) {
  const Ints& axes = e.as<ReverseAttributes>().axes;
  const std::vector<int64_t> last(axes.size(), -1), before(axes.size(), INT64_MIN);
  e.final("Slice", {e.in(0), e.ints(last), e.ints(before), e.ints(axes), e.ints(last)});
}

// Each axis: what leaves at one end is joined to the other.
void roll_(OnnxEmission& e) {
  const auto& a = e.as<RollAttributes>();
  std::string x = e.in(0);
  for (size_t k = 0; k < a.axes.size(); ++k) {
    const int64_t axis = normal_axis(a.axes[k], e.shape(0).rank(), "roll"), n = e.shape(0)[static_cast<size_t>(axis)];
    const int64_t cut = n == 0 ? 0 : ((-a.shifts[k]) % n + n) % n;
    const std::string axes = e.ints({axis}), middle = e.ints({cut});
    const std::string tail = e.step("Slice", {x, middle, e.ints({n}), axes}).output(),
                      head = e.step("Slice", {x, e.ints({0}), middle, axes}).output();
    x = e.step("Concat", {tail, head}).integer("axis", axis).output();
  }
  e.final("Identity", {x});
}

void trilu_(OnnxEmission& e) {
  const auto& a = e.as<TriluAttributes>();
  e.final("Trilu", {e.in(0), e.constant(Tensor::scalar<int64_t>(a.offset))}).integer("upper", a.upper ? 1 : 0);
}

void cumsum_(OnnxEmission& e) {
  const auto& a = e.as<CumsumAttributes>();
  e.final("CumSum", {e.in(0), e.constant(Tensor::scalar<int64_t>(a.axis))})
      .integer("exclusive", a.exclusive ? 1 : 0)
      .integer("reverse", a.reverse ? 1 : 0);
}

void scatter_elements_add_(OnnxEmission& e) {
  const auto& a = e.as<ScatterElementsAddAttributes>();
  const std::string zeros =
      e.step("ConstantOfShape", {e.ints(a.shape)}).tensor("value", Tensor(e.type(0).dtype, {1})).output();
  e.final("ScatterElements", {zeros, e.in(1), e.in(0)}).integer("axis", a.axis).text("reduction", "add");
}

constexpr OnnxEmitter kEmitters[] = {
    {"concat", concat_},
    {"constant", constant_},
    {"constant_of_shape", constant_of_shape_},
    {"cumsum", cumsum_},
    {"depth_to_space", depth_to_space_},
    {"expand", expand_},
    {"flatten", flatten_},
    {"gather", gather_},
    {"gather_elements", gather_elements_},
    {"one_hot", one_hot_},
    {"pad", pad_},
    {"range", range_},
    {"reshape", reshape_},
    {"reverse", reverse_},
    {"roll", roll_},
    {"scatter_elements_add", scatter_elements_add_},
    {"shape", shape_},
    {"size", size_},
    {"slice", slice_},
    {"space_to_depth", space_to_depth_},
    {"split", split_},
    {"squeeze", squeeze_},
    {"tile", tile_},
    {"transpose", transpose_},
    {"trilu", trilu_},
    {"unsqueeze", unsqueeze_},
};

}  // namespace

std::span<const OnnxEmitter> onnx_shape_emitters() { return kEmitters; }

}  // namespace fovea
