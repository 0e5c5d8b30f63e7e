// add: c = a + b, broadcast. Source: ONNX Add-14.
#include "fovea/ops/add.h"

#include "fovea/ops/elementwise.h"
#include "fovea/ops/sum_to.h"

namespace fovea {

namespace {

std::vector<Value> differentiate(const Differentiation& d) {
  return {sum_to(d.graph, d.d_output(), d.shape(d.input(0))), sum_to(d.graph, d.d_output(), d.shape(d.input(1)))};
}

void reference(const Call& call) {
  map_pair(call, [](auto a, auto b) { return static_cast<decltype(a)>(a + b); });
}

std::vector<Case> cases() { return binary_cases(); }

}  // namespace

namespace ops {
const Op add = {.name = "add",
                .doc = "a + b",
                .infer = infer_broadcast,
                .gradient = differentiate,
                .reference = reference,
                .cases = cases};
}

Value add(Graph& graph, Value a, Value b) { return graph.add(ops::add, {a, b}); }

}  // namespace fovea
