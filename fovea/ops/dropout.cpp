// dropout: mask[i] = u_i ≥ rate, u_i = Rng(key).uniform(i), i the row-major index; y[i] = mask[i] ? x[i]/(1 − rate) : 0
// Without a key (inference) y = x. The gradient is dropout of the gradient, with the same key. Rate 0 keeps every
// element. Source: ONNX Dropout-13; Srivastava et al., "Dropout: a simple way to prevent neural networks from
// overfitting", JMLR 15, 2014.
#include "fovea/ops/dropout.h"

#include "fovea/base/rng.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const double rate = in.as<DropoutAttributes>().rate;
  require(rate >= 0 && rate < 1, ErrorKind::usage, "rate is {}, expected at least 0 and below 1", rate);
  require(in.dtype(0) == DType::f32 || in.dtype(0) == DType::f64, ErrorKind::type, "computes in f32; the input is {}",
          to_string(in.dtype(0)));
  const bool key_fits =
      !in.has(1) || ((in.dtype(1) == DType::u64 || in.dtype(1) == DType::i64) && in.shape(1).count() == 1);
  require(key_fits, ErrorKind::type, "the key is {}, expected one i64 or u64", to_string(in.type(in.has(1) ? 1 : 0)));
  return std::vector<Type>{in.type(0), {DType::boolean, in.shape(0)}};
}

// The same mask and scale again, from the same key: no mask is kept.
std::vector<Value> differentiate(const Differentiation& d) {
  std::vector<Value> result(d.node.inputs.size());  // the key has none, and may be missing
  if (!d.d_output()) return result;
  result[0] = d.input(1) ? dropout(d.graph, d.d_output(), d.input(1), d.as<DropoutAttributes>()) : d.d_output();
  return result;
}

void reference(const Call& call) {
  if (!call.has(1)) {
    std::memcpy(call.outputs[0].raw(), call.inputs[0].raw(), call.inputs[0].bytes());
    std::fill(call.outputs[1].data<bool>().begin(), call.outputs[1].data<bool>().end(), true);
    return;
  }
  const double rate = call.as<DropoutAttributes>().rate, scale = 1 / (1 - rate);
  const Tensor& key = call.inputs[1];
  const Rng rng(key.dtype() == DType::u64 ? key.data<uint64_t>()[0] : static_cast<uint64_t>(key.data<int64_t>()[0]));
  const auto mask = call.outputs[1].data<bool>();
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto x = call.inputs[0].data<T>();
    const auto y = call.outputs[0].data<T>();
    for (size_t i = 0; i < x.size(); ++i) {
      mask[i] = double(rng.uniform(i)) >= rate;
      y[i] = mask[i] ? T(double(x[i]) * scale) : T(0);
    }
  });
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {2, 3, 5, 7}}};
  const Case::Input key{.type = {DType::i64, {}}, .value = Tensor::scalar<int64_t>(42), .differentiate = false};
  return {{.name = "half", .inputs = {x, key}, .attributes = DropoutAttributes{0.5}},
          {.name = "tenth", .inputs = {x, key}, .attributes = DropoutAttributes{0.1}},
          {.name = "inference", .inputs = {x, {.given = false}}, .attributes = DropoutAttributes{0.5}},
          {.name = "inference_alone", .inputs = {x}, .attributes = DropoutAttributes{0.5}},
          {.name = "none", .inputs = {x, key}, .attributes = DropoutAttributes{0}}};
}

}  // namespace

namespace ops {
const Op dropout = {.name = "dropout",
                    .doc = "x / (1 - rate) where a keyed random mask keeps it, else 0",
                    .attributes = &DropoutAttributes::info,
                    .infer = infer,
                    .gradient = differentiate,
                    .reference = reference,
                    .cases = cases};
}

Value dropout(Graph& graph, Value x, DropoutAttributes attributes) { return graph.add(ops::dropout, {x}, attributes); }

Value dropout(Graph& graph, Value x, Value key, DropoutAttributes attributes) {
  return graph.add(ops::dropout, {x, key}, attributes);
}

}  // namespace fovea
