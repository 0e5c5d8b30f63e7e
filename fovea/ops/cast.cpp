// cast: the same values as another element type. Float to integer truncates towards zero and saturates (NaN gives 0);
// to bool is "not zero"; to a narrower float rounds to nearest even. Source: ONNX Cast-13.
#include "fovea/ops/cast.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) { return Type{in.as<CastAttributes>().to, in.shape(0)}; }

std::vector<Value> differentiate(const Differentiation& d) {
  return {cast(d.graph, d.d_output(), d.graph.dtype(d.input(0)))};
}

void reference(const Call& call) {
  const Tensor result = call.inputs[0].cast(call.outputs[0].dtype());
  if (result.bytes() > 0) std::memcpy(call.outputs[0].raw(), result.raw(), result.bytes());
}

std::vector<Case> cases() {
  auto one = [](DType from, DType to) {
    // Only f64 results can be compared with central differences in double.
    return Case{.name = fmt::format("{}_to_{}", to_string(from), to_string(to)),
                .inputs = {{.type = {from, {2, 3, 5}}, .low = from == DType::u8 ? 0.0 : -9.0, .high = 9}},
                .attributes = CastAttributes{to},
                .gradient = from == DType::f32 && to == DType::f64};
  };
  return {one(DType::f32, DType::f64),  one(DType::f32, DType::f16), one(DType::f32, DType::bf16),
          one(DType::f32, DType::i32),  one(DType::f32, DType::u8),  one(DType::f32, DType::boolean),
          one(DType::f16, DType::f32),  one(DType::i64, DType::f32), one(DType::u8, DType::f32),
          one(DType::bf16, DType::f32), one(DType::i64, DType::i32), one(DType::boolean, DType::f32)};
}

}  // namespace

namespace ops {
const Op cast = {.name = "cast",
                 .doc = "the same values as another element type",
                 .attributes = &CastAttributes::info,
                 .infer = infer,
                 .gradient = differentiate,
                 .reference = reference,
                 .cases = cases,
                 .zero_in_zero_out = 1};
}

Value cast(Graph& graph, Value x, DType to) {
  if (graph.dtype(x) == to) return x;
  return graph.add(ops::cast, {x}, CastAttributes{to});
}

}  // namespace fovea
