// take_switches: y[n,c,p] = x[n,c,switch[n,c,p]], a switch being a position in the plane of its channel. The adjoint of
// unpool.
#include "fovea/ops/take_switches.h"

#include "fovea/ops/max_pool.h"

namespace fovea {

namespace {

Inferred infer(const Inference& in) {
  const Shape &x = in.shape(0), &s = in.shape(1);
  require(in.dtype(1) == DType::i32 && x.rank() >= 3 && s.rank() == x.rank() && s[0] == x[0] && s[1] == x[1],
          ErrorKind::shape, "switches {} do not index {}", to_string(in.type(1)), to_string(in.type(0)));
  return Type{in.dtype(0), s};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const Shape x = d.shape(d.input(0));
  return {unpool(d.graph, d.d_output(), d.input(1), Ints(x.begin() + 2, x.end())), {}};
}

void reference(const Call& call) {
  const Shape &from = call.inputs[0].shape(), &to = call.outputs[0].shape();
  const int64_t size = from.count(2, from.rank()), positions = to.count(2, to.rank());
  const auto switches = call.inputs[1].data<int32_t>();
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto x = call.inputs[0].data<T>();
    const auto y = call.outputs[0].data<T>();
    for (int64_t i = 0; i < to.count(); ++i) {
      const int64_t at = switches[static_cast<size_t>(i)];
      y[static_cast<size_t>(i)] = at >= 0 && at < size ? x[static_cast<size_t>(i / positions * size + at)] : T(0);
    }
  });
}

std::vector<Case> cases() {
  const Tensor switches = Tensor::of<int32_t>({1, 2, 2, 2}, {0, 3, 12, 10, 5, 5, 8, 15});
  return {{.name = "4x4",
           .inputs = {{.type = {DType::f32, {1, 2, 4, 4}}},
                      {.type = {DType::i32, {1, 2, 2, 2}}, .value = switches, .differentiate = false}}}};
}

}  // namespace

namespace ops {
const Op take_switches = {.name = "take_switches",
                          .doc = "the elements that switches name",
                          .infer = infer,
                          .gradient = differentiate,
                          .reference = reference,
                          .cases = cases,
                          .zero_in_zero_out = 1};
}

Value take_switches(Graph& graph, Value x, Value switches) { return graph.add(ops::take_switches, {x, switches}); }

}  // namespace fovea
