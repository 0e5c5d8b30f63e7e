// space_to_depth: y[n, (i·B + j)·C + c, h, w] = x[n, c, h·B + i, w·B + j] for DCR, y[n, c·B² + i·B + j, h, w] for CRD.
// Its adjoint and inverse is depth_to_space. Source: ONNX SpaceToDepth-13 (DCR).
#include "fovea/ops/space_to_depth.h"

#include "fovea/ops/depth_to_space.h"
#include "fovea/ops/movement.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const auto& a = in.as<SpaceToDepthAttributes>();
  const Shape& x = in.shape(0);
  require(a.mode == "DCR" || a.mode == "CRD", ErrorKind::usage, "mode is '{}', expected DCR or CRD", a.mode);
  require(x.rank() == 4 && a.block >= 1 && a.block < 1 << 15 && x[2] % a.block == 0 && x[3] % a.block == 0,
          ErrorKind::shape, "{} is not made of squares of {} x {}", to_string(x), a.block, a.block);
  return Type{in.dtype(0), {x[0], x[1] * a.block * a.block, x[2] / a.block, x[3] / a.block}};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const auto& a = d.as<SpaceToDepthAttributes>();
  return {depth_to_space(d.graph, d.d_output(), {a.block, a.mode})};
}

void reference(const Call& call) {
  const auto& a = call.as<SpaceToDepthAttributes>();
  const Shape &x = call.inputs[0].shape(), &y = call.outputs[0].shape();
  const int64_t b = a.block;
  const AxisTable n = stepped(x[0], 0, 1, x[1] * x[2] * x[3]), c = stepped(x[1], 0, 1, x[2] * x[3]);
  const AxisTable i = stepped(b, 0, 1, x[3]), j = stepped(b, 0, 1, 1);
  const AxisTable h = stepped(y[2], 0, b, x[3]), w = stepped(y[3], 0, b, 1);
  if (a.mode == "DCR") move_elements(call.inputs[0], call.outputs[0], std::vector<AxisTable>{n, i, j, c, h, w});
  else move_elements(call.inputs[0], call.outputs[0], std::vector<AxisTable>{n, c, i, j, h, w});
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const std::string mode : {"DCR", "CRD"}) {
    result.push_back({.name = mode,
                      .inputs = {{.type = {DType::f32, {2, 3, 6, 10}}}},
                      .attributes = SpaceToDepthAttributes{2, mode}});
    result.push_back({.name = mode + "_3",
                      .inputs = {{.type = {DType::f32, {1, 2, 6, 3}}}},
                      .attributes = SpaceToDepthAttributes{3, mode}});
  }
  return result;
}

}  // namespace

namespace ops {
const Op space_to_depth = {
    .name = "space_to_depth",
    .doc = "squares of pixels become blocks of channels",
    .attributes = &SpaceToDepthAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value space_to_depth(Graph& graph, Value x, SpaceToDepthAttributes attributes) {
  return graph.add(ops::space_to_depth, {x}, std::move(attributes));
}

}  // namespace fovea
