// ONNX reductions: an operator of ours or a small composition around it.
#include <limits>

#include "fovea/formats/onnx_node.h"
#include "fovea/ops/abs.h"
#include "fovea/ops/add.h"
#include "fovea/ops/clip.h"
#include "fovea/ops/exp.h"
#include "fovea/ops/log.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/shape.h"
#include "fovea/ops/sqrt.h"
#include "fovea/ops/sub.h"

namespace fovea {

namespace {

// The kind of reduction and what stands before and after it.
struct Reduction {
  std::string_view kind;
  Value (*before)(Graph&, Value) = nullptr;
  Value (*after)(Graph&, Value) = nullptr;
};

Value square(Graph& g, Value x) { return mul(g, x, x); }

constexpr Reduction kSum{"sum"}, kMean{"mean"}, kMax{"max"}, kMin{"min"}, kProd{"prod"}, kL1{"sum", abs},
    kL2{"sum", square, sqrt}, kLogSum{"sum", nullptr, log}, kSumSquare{"sum", square};

// The axes are an attribute, then an input (ReduceSum from opset 13, the others from 18). None named means all, or none
// at all where noop_with_empty_axes says so: then only what stands before and after the reduction is done.
std::vector<Value> reduce_by(OnnxNode& n, const Reduction& r) {
  Graph& g = n.graph;
  ReduceAttributes a{.kind = std::string(r.kind), .axes = n.ints_or_input("axes", 1), .keep = n.flag("keepdims", true)};
  const bool nothing = n.flag("noop_with_empty_axes", false) && a.axes.empty();
  Value x = r.before ? r.before(g, n.in(0)) : n.in(0);
  if (!nothing) x = reduce(g, x, a);
  return {r.after ? r.after(g, x) : x};
}

template <const Reduction& r>
std::vector<Value> reduction(OnnxNode& n) {
  return reduce_by(n, r);
}

// log Σ eˣ = m + log Σ e^(x − m) with m the maximum, held finite so that infinities do not meet.
std::vector<Value> log_sum_exp(OnnxNode& n) {
  Graph& g = n.graph;
  ReduceAttributes a{.kind = "max", .axes = n.ints_or_input("axes", 1), .keep = true};
  const bool keep = n.flag("keepdims", true);
  if (n.flag("noop_with_empty_axes", false) && a.axes.empty()) return {n.in(0)};
  const double most = std::numeric_limits<float>::max();
  const Value peak = clip(g, reduce(g, n.in(0), a), ClipAttributes{-most, most});
  a.kind = "sum";
  const Value kept = add(g, peak, log(g, reduce(g, exp(g, sub(g, n.in(0), peak)), a)));
  if (keep) return {kept};
  // Dropping the axes: a maximum over axes of size 1.
  return {reduce(g, kept, {.kind = "max", .axes = a.axes, .keep = false})};
}

constexpr OnnxOperator kOperators[] = {
    {"ReduceL1", reduction<kL1>},         {"ReduceL2", reduction<kL2>},
    {"ReduceLogSum", reduction<kLogSum>}, {"ReduceLogSumExp", log_sum_exp},
    {"ReduceMax", reduction<kMax>},       {"ReduceMean", reduction<kMean>},
    {"ReduceMin", reduction<kMin>},       {"ReduceProd", reduction<kProd>},
    {"ReduceSum", reduction<kSum>},       {"ReduceSumSquare", reduction<kSumSquare>},
};

}  // namespace

std::span<const OnnxOperator> onnx_reduce_operators() { return kOperators; }

}  // namespace fovea
