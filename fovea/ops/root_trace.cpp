// root_trace: t = tr (r a r)^½ = Σ_k √λ_k with r a r = V diag(λ) Vᵀ, and ∂t/∂a = ½ r V diag(λ^−½) Vᵀ r.
// (d tr M^½ = ½ tr(M^−½ dM) for symmetric M.) An eigendecomposition in double: exact, where Newton–Schulz iterations
// in f32 lose the small eigenvalues, whose slopes are the greatest.
// Source: Dowson & Landau, "The Fréchet distance between multivariate normal distributions", 1982, equation 16.
#include "fovea/ops/root_trace.h"

#include <Eigen/Dense>
#include <algorithm>
#include <cmath>

#include "fovea/ops/mul.h"

namespace fovea {

namespace {

using Matrix = Eigen::Matrix<double, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>;
using Solver = Eigen::SelfAdjointEigenSolver<Eigen::MatrixXd>;

constexpr double kNothing = 1e-12;

Inferred infer(const Inference& in) {
  require(in.dtype(0) == DType::f32 || in.dtype(0) == DType::f64, ErrorKind::type, "computes in f32; a is {}",
          to_string(in.dtype(0)));
  require(in.shape(0).rank() == 2 && in.shape(0)[0] == in.shape(0)[1] && in.type(1) == in.type(0), ErrorKind::shape,
          "expected two square matrices of one type, got {} and {}", to_string(in.type(0)), to_string(in.type(1)));
  return std::vector<Type>{{in.dtype(0), {}}, in.type(0)};
}

std::vector<Value> differentiate(const Differentiation& d) {
  require(!d.d_output(1), ErrorKind::unsupported, "the slope of a root's trace has no gradient");
  return {d.d_output(0) ? mul(d.graph, d.outputs[1], d.d_output(0)) : Value{}, {}};
}

Matrix matrix_of(const Tensor& tensor) {
  const int64_t size = tensor.size(0);
  Matrix result(size, size);
  for (int64_t i = 0; i < size * size; ++i) result.data()[i] = tensor.at(i);
  return result;
}

struct TraceAndSlope {
  double trace = 0;
  Matrix slope;
};

TraceAndSlope exact(const Matrix& a, const Matrix& r) {
  const int64_t size = a.rows();
  TraceAndSlope result{0, Matrix::Zero(size, size)};
  // A loss that has overflowed is NaN, whatever a solver would make of it.
  if (!a.allFinite() || !r.allFinite()) {
    result.trace = std::nan("");
    result.slope.setConstant(result.trace);
  } else if (size > 0) {
    const Matrix m = r * (0.5 * (a + a.transpose())) * r;
    const Solver solver(0.5 * (m + m.transpose()));
    const double greatest = std::max(0.0, solver.eigenvalues()(size - 1));
    Eigen::VectorXd inverse(size);
    for (int64_t k = 0; k < size; ++k) {
      const double value = solver.eigenvalues()(k);
      const bool counts = value > kNothing * greatest;
      result.trace += counts ? std::sqrt(value) : 0;
      inverse(k) = counts ? 0.5 / std::sqrt(value) : 0;
    }
    const Eigen::MatrixXd turned = r * solver.eigenvectors();
    result.slope = turned * inverse.asDiagonal() * turned.transpose();
  }
  return result;
}

void reference(const Call& call) {
  const TraceAndSlope found = exact(matrix_of(call.inputs[0]), matrix_of(call.inputs[1]));
  dispatch_float(call.inputs[0].dtype(), [&](auto tag) {
    using T = typename decltype(tag)::type;
    call.outputs[0].data<T>()[0] = static_cast<T>(found.trace);
    const auto to = call.outputs[1].data<T>();
    for (size_t i = 0; i < to.size(); ++i) to[i] = static_cast<T>(found.slope.data()[i]);
  });
}

// Random matrices are neither symmetric nor positive: central differences are in the operator's own tests.
std::vector<Case> cases() {
  const Tensor root = Tensor::of<float>({3, 3}, {2, 0.5F, 0, 0.5F, 1, -0.25F, 0, -0.25F, 1.5F});
  const auto matrix = [](int64_t n) { return Case::Input{.type = {DType::f32, {n, n}}}; };
  const Case::Input given{.type = {DType::f32, {3, 3}}, .value = root, .differentiate = false};
  return {{.name = "positive", .inputs = {given, given}, .gradient = false},
          {.name = "random", .inputs = {matrix(3), given}, .gradient = false},
          {.name = "one", .inputs = {matrix(1), matrix(1)}, .gradient = false}};
}

Cost cost(const Node&, std::span<const Type> in) {
  const auto size = static_cast<double>(in[0].shape[0]);
  return {.flops = 18 * size * size * size};  // products 8, eigenvectors about 9
}

}  // namespace

namespace ops {
const Op root_trace = {.name = "root_trace",
                       .doc = "the trace of the root of r a r, and its derivative by a",
                       .infer = infer,
                       .gradient = differentiate,
                       .reference = reference,
                       .cases = cases,
                       .cost = cost};
}

Value root_trace(Graph& graph, Value a, Value r) { return graph.add(ops::root_trace, {a, r}); }

void root_trace_exactly(int64_t size, const float* a, const float* r, float* trace, float* slope) {
  using Floats = Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>>;
  const TraceAndSlope found = exact(Floats(a, size, size).cast<double>(), Floats(r, size, size).cast<double>());
  *trace = static_cast<float>(found.trace);
  for (int64_t i = 0; i < size * size; ++i) slope[i] = static_cast<float>(found.slope.data()[i]);
}

Tensor symmetric_root(const Tensor& matrix) {
  const Matrix a = matrix_of(matrix);
  const Solver solver(0.5 * (a + a.transpose()));
  const Eigen::VectorXd roots = solver.eigenvalues().cwiseMax(0).cwiseSqrt();
  const Matrix root = solver.eigenvectors() * roots.asDiagonal() * solver.eigenvectors().transpose();
  return Tensor::of<double>(matrix.shape(), {root.data(), root.data() + root.size()});
}

}  // namespace fovea
