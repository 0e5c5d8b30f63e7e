// matmul: y[...,i,j] = Σ_k a'[...,i,k] · b'[...,k,j], a' = a or a with its last two axes swapped; other axes broadcast.
// Vectors: a [K] is a row, b [K] a column; the added axis is dropped from y. An inner size of 0 gives zeros.
// Source: ONNX MatMul-13, numpy.matmul. The transpositions are ours: gradients need them.
#include "fovea/ops/matmul.h"

#include "fovea/ops/elementwise.h"
#include "fovea/ops/matrix_product.h"
#include "fovea/ops/reshape.h"
#include "fovea/ops/sum_to.h"

namespace fovea {

namespace {

// The product with vectors written as matrices.
struct Product {
  Shape a, b, y;  // with at least two axes each
  Shape batch_a, batch_b, batch;
  int64_t m, n, k;
};

Product product(const Shape& a, const Shape& b, const MatmulAttributes& t) {
  require(a.rank() >= 1 && b.rank() >= 1, ErrorKind::shape, "cannot multiply {} by {}: a scalar is no matrix",
          to_string(a), to_string(b));
  require(!(t.transpose_a && a.rank() == 1) && !(t.transpose_b && b.rank() == 1), ErrorKind::shape,
          "a vector cannot be transposed ({} by {})", to_string(a), to_string(b));
  Product p{a, b, {}, {}, {}, {}, 0, 0, 0};
  if (a.rank() == 1) p.a.insert(p.a.begin(), 1);
  if (b.rank() == 1) p.b.push_back(1);
  const size_t ra = p.a.size(), rb = p.b.size();
  p.m = p.a[ra - (t.transpose_a ? 1 : 2)];
  p.k = p.a[ra - (t.transpose_a ? 2 : 1)];
  p.n = p.b[rb - (t.transpose_b ? 2 : 1)];
  const int64_t other = p.b[rb - (t.transpose_b ? 1 : 2)];
  require(p.k == other, ErrorKind::shape, "cannot multiply {} by {}: inner sizes {} and {} differ", to_string(a),
          to_string(b), p.k, other);
  p.batch_a.assign(p.a.begin(), p.a.end() - 2);
  p.batch_b.assign(p.b.begin(), p.b.end() - 2);
  p.batch = broadcast(p.batch_a, p.batch_b);
  p.y = p.batch;
  p.y.push_back(p.m);
  p.y.push_back(p.n);
  return p;
}

Inferred infer(const Inference& in) {
  require(in.dtype(0) == in.dtype(1) && in.dtype(0) != DType::boolean, ErrorKind::type, "cannot multiply {} by {}",
          to_string(in.dtype(0)), to_string(in.dtype(1)));
  const Shape &a = in.shape(0), &b = in.shape(1);
  const Product p = product(a, b, in.as<MatmulAttributes>());
  Shape y = p.batch;
  if (a.rank() > 1) y.push_back(p.m);
  if (b.rank() > 1) y.push_back(p.n);
  return Type{in.dtype(0), y};
}

std::vector<Value> differentiate(const Differentiation& d) {
  const auto t = d.as<MatmulAttributes>();
  Graph& g = d.graph;
  const Shape shape_a = g.shape(d.input(0)), shape_b = g.shape(d.input(1));
  const Product p = product(shape_a, shape_b, t);
  const Value a = reshape(g, d.input(0), p.a), b = reshape(g, d.input(1), p.b), dy = reshape(g, d.d_output(), p.y);
  std::vector<Value> result(2);
  if (d.wanted[0]) {
    const Value full = t.transpose_a ? matmul(g, b, dy, {.transpose_a = t.transpose_b, .transpose_b = true})
                                     : matmul(g, dy, b, {.transpose_a = false, .transpose_b = !t.transpose_b});
    result[0] = reshape(g, sum_to(g, full, p.a), shape_a);
  }
  if (d.wanted[1]) {
    const Value full = t.transpose_b ? matmul(g, dy, a, {.transpose_a = true, .transpose_b = t.transpose_a})
                                     : matmul(g, a, dy, {.transpose_a = !t.transpose_a, .transpose_b = false});
    result[1] = reshape(g, sum_to(g, full, p.b), shape_b);
  }
  return result;
}

void reference(const Call& call) {
  const auto& t = call.as<MatmulAttributes>();
  const Product p = product(call.inputs[0].shape(), call.inputs[1].shape(), t);
  dispatch(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    if constexpr (!std::is_same_v<T, bool>) {
      const T* a = call.inputs[0].data<T>().data();
      const T* b = call.inputs[1].data<T>().data();
      T* y = call.outputs[0].data<T>().data();
      for_broadcast(p.batch, p.batch_a, p.batch_b, [&](int64_t i, int64_t ia, int64_t ib) {
        T* to = y + i * p.m * p.n;
        matrix_product(
            a + ia * p.m * p.k, b + ib * p.k * p.n, p.m, p.n, p.k, t.transpose_a, t.transpose_b,
            [&](int64_t row, int64_t column, auto sum) { to[row * p.n + column] = T(static_cast<Compute<T>>(sum)); });
      });
    } else {
      fail(ErrorKind::type, "cannot multiply bool");
    }
  });
}

std::vector<Case> cases() {
  auto make = [](std::string name, Shape a, Shape b, MatmulAttributes t) {
    return Case{.name = std::move(name),
                .inputs = {{.type = {DType::f32, std::move(a)}}, {.type = {DType::f32, std::move(b)}}},
                .attributes = t};
  };
  return {make("2d", {3, 5}, {5, 7}, {}),
          make("2d_wide", {17, 33}, {33, 16}, {}),
          make("2d_transpose_a", {5, 3}, {5, 7}, {.transpose_a = true}),
          make("2d_transpose_b", {3, 5}, {7, 5}, {.transpose_b = true}),
          make("2d_transpose_both", {5, 3}, {7, 5}, {.transpose_a = true, .transpose_b = true}),
          make("batched", {2, 3, 4, 5}, {2, 3, 5, 2}, {}),
          make("broadcast", {3, 1, 2, 5}, {4, 5, 3}, {}),
          make("broadcast_transposed", {3, 5, 2}, {2, 1, 4, 5}, {.transpose_a = true, .transpose_b = true}),
          make("vector_vector", {5}, {5}, {}),
          make("vector_matrix", {5}, {3, 5, 2}, {}),
          make("matrix_vector", {2, 3, 5}, {5}, {}),
          make("one", {1, 1}, {1, 1}, {})};
}

Cost cost(const Node& node, std::span<const Type> in) {
  const Product p = product(in[0].shape, in[1].shape, node.attributes.as<MatmulAttributes>());
  const double macs = static_cast<double>(p.y.count()) * static_cast<double>(p.k);
  return {.flops = 2 * macs, .macs = macs};
}

}  // namespace

namespace ops {
const Op matmul = {.name = "matmul",
                   .doc = "y[...,i,j] = sum over k of a[...,i,k] * b[...,k,j]",
                   .attributes = &MatmulAttributes::info,
                   .infer = infer,
                   .gradient = differentiate,
                   .reference = reference,
                   .cases = cases,
                   .cost = cost,
                   .zero_in_zero_out = 3};
}

Value matmul(Graph& graph, Value a, Value b, MatmulAttributes attributes) {
  return graph.add(ops::matmul, {a, b}, attributes);
}

}  // namespace fovea
