// spread, in the layout of what it is given.
#include "fovea/ops/spread.h"

#include "fovea/backend/cpu/boxes.h"
#include "fovea/backend/cpu/candidates.h"

namespace fovea::cpu {

std::string lower_spread(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type &x = request.type(0), &y = request.op_node().outputs[0];
  if (x.shape.empty() || y.shape.count() == 0) return "the tensor has no elements";
  const auto& a = request.op_node().attributes.as<SpreadAttributes>();
  std::vector<AxisMove> moves;
  for (size_t k = 0; k < x.shape.size(); ++k) moves.push_back({0, 1, a.starts[k], a.steps[k], x.shape[k]});
  for (const Format format : {format_of(request.inputs[0]), Format::plain}) {
    const Layout from = layout_in(format, x), to = layout_in(format, y);
    const auto move = BoxMove::between(x, from, y, to, moves);
    if (!move) continue;
    Lowering lowering;
    lowering.implementation = "copy";
    lowering.inputs = {from};
    lowering.outputs = {to};
    lowering.run = [move = *move](const Buffers& b) { move(b.in[0], b.out[0]); };
    choices.push_back(std::move(lowering));
    return "";
  }
  return "no copy between such layouts";
}

}  // namespace fovea::cpu
