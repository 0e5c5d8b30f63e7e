// all_reduce: y_k = Σ_r x_k of rank r over K ranks (kind sum), or that divided by K (mean), for each input k.
// What is made small is L = Σ_r L_r, one loss a rank; then dL/dx_k of one rank = Σ_r dL_r/dy_k: the gradient is the
// all_reduce of the gradients, of the same kind. The reference knows of no other rank: it is the value when all hold
// the same, K x (sum) or x (mean), which is also right for constants, since all ranks run the same graph. For one rank
// it is the identity. Source: MPI-3.1, section 5.9.6 (MPI_Allreduce); Patarasuk & Yuan, "Bandwidth optimal all-reduce
// algorithms for clusters of workstations", 2009; Li et al., "PyTorch Distributed", VLDB 2020 (buckets).
#include "fovea/ops/all_reduce.h"

#include "fovea/ops/elementwise.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const auto& a = in.as<AllReduceAttributes>();
  require(a.kind == "sum" || a.kind == "mean", ErrorKind::usage, "unknown kind \"{}\", expected sum or mean", a.kind);
  require(a.ranks >= 1, ErrorKind::usage, "{} ranks, expected at least 1", a.ranks);
  require(in.count() >= 1, ErrorKind::shape, "nothing to reduce");
  std::vector<Type> types;
  for (size_t i = 0; i < in.count(); ++i) {
    const DType dtype = in.dtype(i);
    require((dtype == DType::f32 || dtype == DType::f64) && dtype == in.dtype(0), ErrorKind::type,
            "input {} is {}, expected all f32 or all f64", i, to_string(in.type(i)));
    types.push_back(in.type(i));
  }
  return types;
}

std::vector<Value> differentiate(const Differentiation& d) {
  std::vector<Value> given;
  std::vector<size_t> places;
  std::vector<Value> result(d.node.inputs.size());
  for (size_t i = 0; i < result.size(); ++i)
    if (d.wanted[i] && d.d_outputs[i]) {
      given.push_back(d.d_outputs[i]);
      places.push_back(i);
    }
  if (given.empty()) return result;
  const std::vector<Value> reduced = all_reduce(d.graph, given, d.as<AllReduceAttributes>());
  for (size_t k = 0; k < places.size(); ++k) result[places[k]] = reduced[k];
  return result;
}

void reference(const Call& call) {
  const auto& a = call.as<AllReduceAttributes>();
  const double factor = a.kind == "sum" ? static_cast<double>(a.ranks) : 1;
  for (size_t k = 0; k < call.inputs.size(); ++k)
    dispatch_float(call.inputs[k].dtype(), [&](auto tag) {
      using T = typename decltype(tag)::type;
      const auto x = call.inputs[k].data<T>(), y = call.outputs[k].data<T>();
      for (size_t i = 0; i < x.size(); ++i) y[i] = T(static_cast<Compute<T>>(x[i]) * static_cast<Compute<T>>(factor));
    });
}

std::vector<Case> cases() {
  const Case::Input x{.type = {DType::f32, {2, 3, 5, 7}}}, y{.type = {DType::f32, {17}}}, z{.type = {DType::f32, {}}};
  return {{.name = "one_rank", .inputs = {x}, .attributes = AllReduceAttributes{}},
          {.name = "sum", .inputs = {x, y, z}, .attributes = AllReduceAttributes{.kind = "sum", .ranks = 3}},
          {.name = "mean", .inputs = {y, x}, .attributes = AllReduceAttributes{.kind = "mean", .ranks = 3}}};
}

Cost cost(const Node& node, std::span<const Type>) {
  double flops = 0;
  for (const Type& type : node.outputs) flops += static_cast<double>(type.shape.count());
  return {.flops = flops};
}

}  // namespace

namespace ops {
const Op all_reduce = {.name = "all_reduce",
                       .doc = "the sum or mean of each input over all ranks of a group of processes",
                       .attributes = &AllReduceAttributes::info,
                       .infer = infer,
                       .gradient = differentiate,
                       .reference = reference,
                       .cases = cases,
                       .cost = cost};
}

std::vector<Value> all_reduce(Graph& graph, std::span<const Value> x, AllReduceAttributes attributes) {
  const Value first = graph.add(ops::all_reduce, {x.begin(), x.end()}, std::move(attributes));
  std::vector<Value> result;
  for (size_t k = 0; k < x.size(); ++k) result.push_back({first.node, static_cast<int>(k)});
  return result;
}

Value all_reduce(Graph& graph, Value x, AllReduceAttributes attributes) {
  return all_reduce(graph, std::span<const Value>(&x, 1), std::move(attributes))[0];
}

}  // namespace fovea
