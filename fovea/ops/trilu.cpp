// trilu: y[…, i, j] = x[…, i, j] where j - i ≥ offset (upper) or j - i ≤ offset (lower), 0 elsewhere. Its own adjoint.
// Source: ONNX Trilu-14.
#include "fovea/ops/trilu.h"

#include <cstring>

#include "fovea/ops/movement.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.shape(0).rank() >= 2, ErrorKind::shape, "expected matrices, got {}", to_string(in.shape(0)));
  return in.type(0);
}

std::vector<Value> differentiate(const Differentiation& d) {
  return {trilu(d.graph, d.d_output(), d.as<TriluAttributes>())};
}

void reference(const Call& call) {
  const auto& a = call.as<TriluAttributes>();
  const Tensor& x = call.inputs[0];
  const int64_t rows = x.size(-2), columns = x.size(-1);
  const size_t element = size_of(x.dtype());
  std::byte* to = call.outputs[0].raw();
  for (int64_t i = 0; i < x.count(); ++i) {
    const int64_t diagonal = i % columns - i / columns % rows;
    const bool kept = a.upper ? diagonal >= a.offset : diagonal <= a.offset;
    std::byte* target = to + static_cast<size_t>(i) * element;
    if (kept) std::memcpy(target, x.raw() + static_cast<size_t>(i) * element, element);
    else std::memset(target, 0, element);
  }
}

std::vector<Case> cases() {
  std::vector<Case> result;
  for (const bool upper : {true, false})
    for (const int64_t offset : {0, 2, -1, 9, -9})
      result.push_back({.name = upper ? "upper" : "lower",
                        .inputs = {{.type = {DType::f32, {2, 4, 5}}}},
                        .attributes = TriluAttributes{upper, offset}});
  return result;
}

}  // namespace

namespace ops {
const Op trilu = {
    .name = "trilu",
    .doc = "the upper or lower triangle of matrices",
    .attributes = &TriluAttributes::info,
    .infer = infer,
    .gradient = differentiate,
    .reference = reference,
    .cases = cases,
    .cost = no_flops,
    .zero_in_zero_out = 1,
};
}

Value trilu(Graph& graph, Value x, TriluAttributes attributes) { return graph.add(ops::trilu, {x}, attributes); }

}  // namespace fovea
