// gemm: y = alpha · a' · b' + beta · c, a' = a or its transpose, c broadcast one way to y's shape, or 0 when not given.
// Source: ONNX Gemm-13; Dongarra et al., "A set of level 3 basic linear algebra subprograms", 1990.
#include "fovea/ops/gemm.h"

#include "fovea/ops/elementwise.h"
#include "fovea/ops/input.h"
#include "fovea/ops/matrix_product.h"
#include "fovea/ops/mul.h"
#include "fovea/ops/sum_to.h"

namespace fovea {

namespace {

struct Sizes {
  int64_t m, n, k;
};

Sizes sizes_of(const Shape& a, const Shape& b, const GemmAttributes& t) {
  require(a.rank() == 2 && b.rank() == 2, ErrorKind::shape, "expected two matrices, got {} and {}{}", to_string(a),
          to_string(b), a.rank() > 2 ? "; is a flatten missing?" : "");
  const int64_t k = a[t.trans_a ? 0 : 1], other = b[t.trans_b ? 1 : 0];
  require(k == other, ErrorKind::shape, "input has {} columns, weight expects {} (input {}, weight {})", k, other,
          to_string(a), to_string(b));
  return {a[t.trans_a ? 1 : 0], b[t.trans_b ? 0 : 1], k};
}

Inferred infer(const Inference& in) {
  for (size_t i = 0; i < in.count(); ++i)
    if (in.has(i))
      require(in.dtype(i) == in.dtype(0) && in.dtype(0) != DType::boolean, ErrorKind::type,
              "input {} is {}, input 0 is {}", i, to_string(in.dtype(i)), to_string(in.dtype(0)));
  const Sizes s = sizes_of(in.shape(0), in.shape(1), in.as<GemmAttributes>());
  const Shape y{s.m, s.n};
  if (in.has(2))
    require(in.shape(2).rank() <= 2 && broadcast(in.shape(2), y) == y, ErrorKind::shape, "c is {}, the product is {}",
            to_string(in.shape(2)), to_string(y));
  return Type{in.dtype(0), y};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const auto t = d.as<GemmAttributes>();
  Graph& g = d.graph;
  const Value a = d.input(0), b = d.input(1), dy = d.d_output();
  std::vector<Value> result(d.node.inputs.size());
  if (d.wanted[0])
    result[0] = t.trans_a ? gemm(g, b, dy, {}, {.alpha = t.alpha, .trans_a = t.trans_b, .trans_b = true})
                          : gemm(g, dy, b, {}, {.alpha = t.alpha, .trans_a = false, .trans_b = !t.trans_b});
  if (d.wanted[1])
    result[1] = t.trans_b ? gemm(g, dy, a, {}, {.alpha = t.alpha, .trans_a = true, .trans_b = t.trans_a})
                          : gemm(g, a, dy, {}, {.alpha = t.alpha, .trans_a = !t.trans_a, .trans_b = false});
  if (d.input(2) && d.wanted[2]) {
    const Value dc = sum_to(g, dy, g.shape(d.input(2)));
    result[2] = t.beta == 1 ? dc : mul(g, dc, scalar(g, t.beta, g.dtype(dc)));
  }
  return result;
}

void reference(const Call& call) {
  const auto& t = call.as<GemmAttributes>();
  const Sizes s = sizes_of(call.inputs[0].shape(), call.inputs[1].shape(), t);
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, bool>) {
      using Sum = std::conditional_t<is_float(dtype_of<T>()), double, Compute<T>>;
      const Shape y_shape{s.m, s.n};
      std::vector<Sum> total(static_cast<size_t>(y_shape.count()), Sum(0));
      matrix_product(call.inputs[0].data<T>().data(), call.inputs[1].data<T>().data(), s.m, s.n, s.k, t.trans_a,
                     t.trans_b, [&](int64_t i, int64_t j, Sum sum) {
                       total[static_cast<size_t>(i * s.n + j)] = static_cast<Sum>(t.alpha * static_cast<double>(sum));
                     });
      if (call.has(2)) {
        const T* c = call.inputs[2].data<T>().data();
        for_broadcast(y_shape, call.inputs[2].shape(), y_shape, [&](int64_t i, int64_t ic, int64_t) {
          Sum& sum = total[static_cast<size_t>(i)];
          sum = static_cast<Sum>(sum + static_cast<Sum>(t.beta * static_cast<double>(static_cast<Compute<T>>(c[ic]))));
        });
      }
      const auto y = call.outputs[0].data<T>();
      for (size_t i = 0; i < y.size(); ++i) y[i] = T(static_cast<Compute<T>>(total[i]));
    } else {
      fail(ErrorKind::type, "cannot multiply bool");
    }
  });
}

std::vector<Case> cases() {
  auto make = [](std::string name, Shape a, Shape b, std::optional<Shape> c, GemmAttributes t) {
    Case result{.name = std::move(name),
                .inputs = {{.type = {DType::f32, std::move(a)}}, {.type = {DType::f32, std::move(b)}}},
                .attributes = t};
    if (c) result.inputs.push_back({.type = {DType::f32, *c}});
    return result;
  };
  return {make("layer", {3, 17}, {10, 17}, Shape{10}, {.trans_b = true}),
          make("layer_wide", {4, 64}, {48, 64}, Shape{48}, {.trans_b = true}),
          make("no_c", {3, 5}, {5, 7}, {}, {}),
          make("scaled", {3, 5}, {5, 7}, Shape{3, 7}, {.alpha = 0.25, .beta = 0.35}),
          make("transpose_a", {5, 3}, {5, 7}, Shape{3, 1}, {.trans_a = true}),
          make("transpose_both", {5, 3}, {7, 5}, Shape{1, 7}, {.alpha = -2, .trans_a = true, .trans_b = true}),
          make("scalar_c", {3, 5}, {5, 7}, Shape{}, {.beta = 2})};
}

Cost cost(const Node& node, std::span<const Type> in) {
  const Sizes s = sizes_of(in[0].shape, in[1].shape, node.attributes.as<GemmAttributes>());
  const double outputs = static_cast<double>(s.m) * static_cast<double>(s.n), macs = outputs * static_cast<double>(s.k);
  return {.flops = 2 * macs + (in.size() > 2 && node.inputs[2] ? outputs : 0), .macs = macs};
}

}  // namespace

namespace ops {
const Op gemm = {.name = "gemm",
                 .doc = "alpha * a * b + beta * c",
                 .attributes = &GemmAttributes::info,
                 .infer = infer,
                 .gradient = differentiate,
                 .reference = reference,
                 .cases = cases,
                 .cost = cost};
}

Value gemm(Graph& graph, Value a, Value b, Value c, GemmAttributes attributes) {
  std::vector<Value> inputs{a, b};
  if (c) inputs.push_back(c);
  return graph.add(ops::gemm, std::move(inputs), attributes);
}

}  // namespace fovea
