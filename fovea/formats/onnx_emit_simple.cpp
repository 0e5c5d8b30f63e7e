// Elementwise operators, reductions and casts → ONNX.
#include <cmath>
#include <numbers>

#include "fovea/formats/onnx_emit.h"
#include "fovea/ops/arg_max.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/celu.h"
#include "fovea/ops/clip.h"
#include "fovea/ops/elu.h"
#include "fovea/ops/gelu.h"
#include "fovea/ops/hard_sigmoid.h"
#include "fovea/ops/leaky_relu.h"
#include "fovea/ops/mod.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/selu.h"
#include "fovea/ops/thresholded_relu.h"
#include "fovea/ops/top_k.h"

namespace fovea {

namespace {

// Operators that ONNX has under another name, with the same operands and no attributes.
struct Plain {
  std::string_view ours, theirs;
};
constexpr Plain kPlain[] = {
    {"abs", "Abs"},
    {"add", "Add"},
    {"and", "And"},
    {"ceil", "Ceil"},
    {"cos", "Cos"},
    {"div", "Div"},
    {"equal", "Equal"},
    {"erf", "Erf"},
    {"exp", "Exp"},
    {"floor", "Floor"},
    {"greater", "Greater"},
    {"greater_equal", "GreaterOrEqual"},
    {"hard_swish", "HardSwish"},
    {"identity", "Identity"},
    {"less", "Less"},
    {"less_equal", "LessOrEqual"},
    {"log", "Log"},
    {"max", "Max"},
    {"min", "Min"},
    {"mul", "Mul"},
    {"neg", "Neg"},
    {"not", "Not"},
    {"or", "Or"},
    {"pow", "Pow"},
    {"prelu", "PRelu"},
    {"reciprocal", "Reciprocal"},
    {"relu", "Relu"},
    {"round", "Round"},
    {"sigmoid", "Sigmoid"},
    {"sign", "Sign"},
    {"sin", "Sin"},
    {"softplus", "Softplus"},
    {"softsign", "Softsign"},
    {"sqrt", "Sqrt"},
    {"sub", "Sub"},
    {"tanh", "Tanh"},
    {"where", "Where"},
    {"xor", "Xor"},
};

void plain(OnnxEmission& e) {
  for (const Plain& entry : kPlain)
    if (entry.ours == e.node.op->name) {
      e.final(entry.theirs, e.all());
      return;
    }
  e.refuse("it has no form there");
}

void leaky(OnnxEmission& e) { e.final("LeakyRelu", e.all()).real("alpha", e.as<LeakyReluAttributes>().alpha); }
void elu_(OnnxEmission& e) { e.final("Elu", e.all()).real("alpha", e.as<EluAttributes>().alpha); }
void celu_(OnnxEmission& e) { e.final("Celu", e.all()).real("alpha", e.as<CeluAttributes>().alpha); }
void thresholded(OnnxEmission& e) {
  e.final("ThresholdedRelu", e.all()).real("alpha", e.as<ThresholdedReluAttributes>().alpha);
}

void selu_(OnnxEmission& e) {
  const auto& a = e.as<SeluAttributes>();
  e.final("Selu", e.all()).real("alpha", a.alpha).real("gamma", a.gamma);
}

void hard(OnnxEmission& e) {
  const auto& a = e.as<HardSigmoidAttributes>();
  e.final("HardSigmoid", e.all()).real("alpha", a.alpha).real("beta", a.beta);
}

void modulo(OnnxEmission& e) {
  const bool fmod = e.as<ModAttributes>().fmod;
  if (is_float(e.type(0).dtype) && !fmod)
    e.refuse("ONNX's Mod of floating-point numbers takes the sign of the first operand");
  e.final("Mod", e.all()).integer("fmod", fmod ? 1 : 0);
}

void clip_(OnnxEmission& e) {
  const auto& a = e.as<ClipAttributes>();
  if (e.node.inputs.size() > 1) {
    e.final("Clip", e.all());
    return;
  }
  const DType dtype = e.type(0).dtype;
  const std::string low = std::isinf(a.min) ? "" : e.number(a.min, dtype),
                    high = std::isinf(a.max) ? "" : e.number(a.max, dtype);
  e.final("Clip", {e.in(0), low, high});
}

// Mish and Gelu are younger than the operator set that is written.
void mish_(OnnxEmission& e) {
  const std::string soft = e.step("Softplus", {e.in(0)}).output();
  e.final("Mul", {e.in(0), e.step("Tanh", {soft}).output()});
}

void gelu_(OnnxEmission& e) {
  const std::string& x = e.in(0);
  const DType dtype = e.type(0).dtype;
  std::string inner;
  if (e.as<GeluAttributes>().approximate == "tanh") {
    const std::string cube = e.step("Mul", {e.step("Mul", {x, x}).output(), x}).output();
    const std::string sum = e.step("Add", {x, e.step("Mul", {cube, e.number(0.044715, dtype)}).output()}).output();
    inner = e.step("Tanh", {e.step("Mul", {sum, e.number(std::sqrt(2 / std::numbers::pi), dtype)}).output()}).output();
  } else {
    inner = e.step("Erf", {e.step("Mul", {x, e.number(std::sqrt(0.5), dtype)}).output()}).output();
  }
  const std::string half = e.step("Mul", {x, e.number(0.5, dtype)}).output();
  e.final("Mul", {half, e.step("Add", {inner, e.number(1, dtype)}).output()});
}

void relu_gradient_(OnnxEmission& e) {
  const std::string zero = e.number(0, e.type(0).dtype);
  e.final("Where", {e.step("Greater", {e.in(1), zero}).output(), e.in(0), zero});
}

void gate_(OnnxEmission& e) { e.final("Where", {e.in(1), e.in(0), e.number(0, e.type(0).dtype)}); }

void cast_(OnnxEmission& e) { e.final("Cast", e.all()).integer("to", dtype_to_onnx(e.as<CastAttributes>().to)); }

void reduce_(OnnxEmission& e) {
  const auto& a = e.as<ReduceAttributes>();
  if (e.type(0).dtype == DType::boolean) e.refuse("ONNX 17 does not reduce booleans");
  const int64_t keep = a.keep ? 1 : 0;
  if (a.kind == "sum") {
    e.final("ReduceSum", {e.in(0), a.axes.empty() ? "" : e.ints(a.axes)}).integer("keepdims", keep);
    return;
  }
  const std::string_view name = a.kind == "mean"  ? "ReduceMean"
                                : a.kind == "max" ? "ReduceMax"
                                : a.kind == "min" ? "ReduceMin"
                                                  : "ReduceProd";
  OnnxEmitted node = e.final(name, {e.in(0)});
  node.integer("keepdims", keep);
  if (!a.axes.empty()) node.ints("axes", a.axes);
}

void extreme(OnnxEmission& e) {
  const auto& a = e.as<ArgMaxAttributes>();
  e.final(e.node.op->name == "arg_max" ? "ArgMax" : "ArgMin", e.all())
      .integer("axis", a.axis)
      .integer("keepdims", a.keep ? 1 : 0)
      .integer("select_last_index", a.select_last ? 1 : 0);
}

void top_k_(OnnxEmission& e) {
  const auto& a = e.as<TopKAttributes>();
  e.final("TopK", e.all(), 2)
      .integer("axis", a.axis)
      .integer("largest", a.largest ? 1 : 0)
      .integer("sorted", a.sorted ? 1 : 0);
}

std::vector<OnnxEmitter> make_table() {
  std::vector<OnnxEmitter> table = {{"arg_max", extreme},   {"arg_min", extreme},
                                    {"cast", cast_},        {"celu", celu_},
                                    {"clip", clip_},        {"elu", elu_},
                                    {"gate", gate_},        {"gelu", gelu_},
                                    {"hard_sigmoid", hard}, {"leaky_relu", leaky},
                                    {"mish", mish_},        {"mod", modulo},
                                    {"reduce", reduce_},    {"relu_gradient", relu_gradient_},
                                    {"selu", selu_},        {"thresholded_relu", thresholded},
                                    {"top_k", top_k_}};
  for (const Plain& entry : kPlain) table.push_back({entry.ours, plain});
  return table;
}

}  // namespace

std::span<const OnnxEmitter> onnx_simple_emitters() {
  static const std::vector<OnnxEmitter> table = make_table();
  return table;
}

}  // namespace fovea
