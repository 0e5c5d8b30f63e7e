// depth_to_space: y[n, c, h·B + i, w·B + j] = x[n, (i·B + j)·C' + c, h, w] for DCR, x[n, c·B² + i·B + j, h, w] for CRD;
// C' = C / B². Its adjoint and inverse is space_to_depth. Source: ONNX DepthToSpace-13; CRD is the pixel shuffle of Shi
// et al., CVPR 2016.
#include "fovea/ops/depth_to_space.h"

#include "fovea/ops/movement.h"
#include "fovea/ops/space_to_depth.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const auto& a = in.as<DepthToSpaceAttributes>();
  const Shape& x = in.shape(0);
  require(a.mode == "DCR" || a.mode == "CRD", ErrorKind::usage, "mode is '{}', expected DCR or CRD", a.mode);
  require(x.rank() == 4 && a.block >= 1 && a.block < 1 << 15 && x[1] % (a.block * a.block) == 0, ErrorKind::shape,
          "the channels of {} are not blocks of {} x {}", to_string(x), a.block, a.block);
  return Type{in.dtype(0), {x[0], x[1] / (a.block * a.block), x[2] * a.block, x[3] * a.block}};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const auto& a = d.as<DepthToSpaceAttributes>();
  return {space_to_depth(d.graph, d.d_output(), {a.block, a.mode})};
}

void reference(const Call& call) {
  const auto& a = call.as<DepthToSpaceAttributes>();
  const Shape &x = call.inputs[0].shape(), &y = call.outputs[0].shape();
  const int64_t b = a.block, plane = x[2] * x[3];
  const bool dcr = a.mode == "DCR";
  // Result axes: n, c, h, i, w, j.
  const AxisTable tables[] = {stepped(y[0], 0, 1, x[1] * plane),
                              stepped(y[1], 0, 1, (dcr ? 1 : b * b) * plane),
                              stepped(x[2], 0, 1, x[3]),
                              stepped(b, 0, 1, (dcr ? b * y[1] : b) * plane),
                              stepped(x[3], 0, 1, 1),
                              stepped(b, 0, 1, (dcr ? y[1] : 1) * plane)};
  move_elements(call.inputs[0], call.outputs[0], tables);
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const std::string mode : {"DCR", "CRD"}) {
    result.push_back({.name = mode,
                      .inputs = {{.type = {DType::f32, {2, 12, 3, 5}}}},
                      .attributes = DepthToSpaceAttributes{2, mode}});
    result.push_back({.name = mode + "_3",
                      .inputs = {{.type = {DType::f32, {1, 9, 2, 1}}}},
                      .attributes = DepthToSpaceAttributes{3, mode}});
  }
  return result;
}

}  // namespace

namespace ops {
const Op depth_to_space = {
    .name = "depth_to_space",
    .doc = "blocks of channels become squares of pixels",
    .attributes = &DepthToSpaceAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value depth_to_space(Graph& graph, Value x, DepthToSpaceAttributes attributes) {
  return graph.add(ops::depth_to_space, {x}, std::move(attributes));
}

}  // namespace fovea
