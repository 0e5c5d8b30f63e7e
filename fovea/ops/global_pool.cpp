// global_average_pool: y[n,c] = (1/P) Σ_p x[n,c,p] over the P positions of a plane.
// global_max_pool, global_lp_pool: the same with max and (Σ |x|^p)^(1/p), compositions of reduce.
// Source: ONNX GlobalAveragePool-1, GlobalMaxPool-1, GlobalLpPool-2; Lin, Chen & Yan, "Network in network", ICLR 2014.
#include "fovea/ops/global_pool.h"

#include "fovea/ops/abs.h"
#include "fovea/ops/expand.h"
#include "fovea/ops/input.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/pow.h"
#include "fovea/ops/reduce.h"
#include "fovea/ops/window.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  require(in.dtype(0) == DType::f32 || in.dtype(0) == DType::f64, ErrorKind::type, "computes in f32; the input is {}",
          to_string(in.dtype(0)));
  spatial_sizes(in.shape(0));
  Shape y = in.shape(0);
  require(y.count(2, y.rank()) > 0, ErrorKind::shape, "the planes of {} are empty", to_string(y));
  std::fill(y.begin() + 2, y.end(), 1);
  return Type{in.dtype(0), y};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const Shape x = d.shape(d.input(0));
  const double positions = static_cast<double>(x.count(2, x.rank()));
  const Value scale = scalar(d.graph, 1 / positions, d.graph.dtype(d.d_output()));
  return {expand(d.graph, mul(d.graph, d.d_output(), scale), x)};
}

void reference(const Call& call) {
  const Shape& shape = call.inputs[0].shape();
  const int64_t positions = shape.count(2, shape.rank());
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const T* x = call.inputs[0].data<T>().data();
    const auto y = call.outputs[0].data<T>();
    for (size_t plane = 0; plane < y.size(); ++plane) {
      double sum = 0;
      for (int64_t p = 0; p < positions; ++p) sum += double(x[static_cast<int64_t>(plane) * positions + p]);
      y[plane] = T(sum / static_cast<double>(positions));
    }
  });
}

std::vector<Case> cases() {
  auto make = [](std::string name, Shape x) {
    return Case{.name = std::move(name), .inputs = {{.type = {DType::f32, std::move(x)}}}};
  };
  return {make("odd", {2, 3, 5, 7}), make("wide", {1, 32, 7, 7}), make("1d", {2, 3, 9}), make("3d", {1, 2, 3, 4, 5}),
          make("one", {2, 3, 1, 1})};
}

Cost cost(const Node&, std::span<const Type> in) { return {.flops = static_cast<double>(in[0].shape.count())}; }

Ints plane_axes(const Shape& x) {
  Ints axes;
  for (size_t k = 2; k < spatial_sizes(x).size() + 2; ++k) axes.push_back(static_cast<int64_t>(k));
  return axes;
}

std::vector<Value> decompose(Graph& g, const Node&, std::span<const Value> inputs) {
  return {reduce(g, inputs[0], {.kind = "mean", .axes = plane_axes(g.shape(inputs[0])), .keep = true})};
}

}  // namespace

namespace ops {
const Op global_average_pool = {.name = "global_average_pool",
                                .doc = "the average of each plane",
                                .infer = infer,
                                .gradient = differentiate,
                                .reference = reference,
                                .cases = cases,
                                .cost = cost,
                                .decompose = decompose,
                                .zero_in_zero_out = 1};
}

Value global_average_pool(Graph& graph, Value x) { return graph.add(ops::global_average_pool, {x}); }

Value global_max_pool(Graph& graph, Value x) {
  return reduce(graph, x, {.kind = "max", .axes = plane_axes(graph.shape(x)), .keep = true});
}

Value global_lp_pool(Graph& graph, Value x, double p) {
  require(p >= 1, ErrorKind::usage, "global_lp_pool: p is {}, it must be at least 1", p);
  const DType dtype = graph.dtype(x);
  Value powers = p == 2 ? mul(graph, x, x) : abs(graph, x);
  if (p != 1 && p != 2) powers = pow(graph, powers, scalar(graph, p, dtype));
  const Value sum = reduce(graph, powers, {.kind = "sum", .axes = plane_axes(graph.shape(x)), .keep = true});
  return p == 1 ? sum : pow(graph, sum, scalar(graph, 1 / p, dtype));
}

}  // namespace fovea
