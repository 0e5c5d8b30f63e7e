// root_trace without eigenvectors: with a = l lᵀ (Cholesky), x = lᵀ r = u h (polar decomposition) has h = (r a r)^½, so
//   t = tr h = Σ u ∘ x     and     ∂t/∂a = ½ r h⁻¹ r = ½ l⁻ᵀ u r.
// u comes from x ← x (c₀ + c₁ g + c₂ g² + c₃ g³ + c₄ g⁴), g = xᵀx: odd polynomials of the singular values, each as
// close to 1 as can be on what the one before made of [1e-6, 1], and at last one step of
// Newton and Schulz, x (3 − g) / 2. All in double: nearly all the time goes into products.
// Singular values of x below 1e-6 of the greatest are lifted part of the way, and add so much less to t.
// Source: Higham, "Functions of matrices", 2008, sections 6.5 and 8.3; Amsel, Persson, Musco & Gower, "The Polar
// Express: optimal matrix sign methods", 2025 (the polynomials).
#include "fovea/ops/root_trace.h"

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "fovea/backend/cpu/kernel_candidates.h"
#include "fovea/backend/cpu/kernels/double_product.h"
#include "fovea/base/parallel.h"

namespace fovea::cpu {

namespace {

using kernels::double_product;
using kernels::DoubleMatrix;

constexpr int64_t kPanel = 32;  // columns of l that are found together
// Coefficients of x, x³ … x⁹ and what is left of the greatest error; by tests/golden/root_trace/polynomials.py.
constexpr double kPolynomials[][5] = {
    {15.217108046934751, -149.92553874933418, 499.80830795283062, -642.994446467437, 279.89455399989777},     // 1.0
    {7.6081410922431026, -18.739573367659117, 15.618220682970509, -5.0232022940216632, 0.54665556449772548},  // 1.0
    {7.6049430246867277, -18.730636092635325, 15.611626766064619, -5.0214760307575331, 0.54651558097472998},  // 1.0
    {7.5807060043827756, -18.662887682603491, 15.561631144480717, -5.0083856450689714, 0.54545415165579356},  // 0.99
    {7.4017002014953796, -18.161632928180044, 15.191116236195729, -4.9112773375195646, 0.53758452308338678},  // 0.95
    {6.2987415474606862, -15.0340389752863, 12.851562882145849, -4.2936664006849622, 0.48776086243043657},    // 0.69
    {3.4953449646295974, -6.6016974016915434, 6.1035340979102416, -2.4301031942631698, 0.34317634409792697},  // 0.098
    {2.4737184816742767, -3.3206395185062282, 2.9944295325757271, -1.4219280276153857, 0.27441882542279308},  // 4.4e-6
};

// Square row-major matrices in the scratch memory, and the products' own.
struct Work {
  int64_t n;
  int threads;
  double *l, *r, *x, *start, *next, *g, *g2, *sum;
  void* products;

  DoubleMatrix of(const double* m) const { return {m, n, 1}; }
  void multiply(const DoubleMatrix& a, const DoubleMatrix& b, double* c, bool symmetric) const {
    double_product({.rows = n,
                    .columns = n,
                    .depth = n,
                    .a = a,
                    .b = b,
                    .c = c,
                    .c_row = n,
                    .symmetric = symmetric,
                    .threads = threads},
                   products);
  }
};

constexpr int64_t kMatrices = 8;
size_t work_bytes(int64_t n, int threads) {
  return static_cast<size_t>(kMatrices * n * n) * sizeof(double) + kernels::double_product_scratch_bytes(n, n, threads);
}

Work work_in(int64_t n, int threads, void* scratch) {
  auto* m = static_cast<double*>(scratch);
  const int64_t size = n * n;
  return {n,
          threads,
          m,
          m + size,
          m + 2 * size,
          m + 3 * size,
          m + 4 * size,
          m + 5 * size,
          m + 6 * size,
          m + 7 * size,
          m + kMatrices * size};
}

// The lower triangle of w.l becomes its Cholesky factor, the upper one 0. False: it is not safely positive definite.
bool factorise(const Work& w) {
  const int64_t n = w.n;
  double greatest = 0;
  for (int64_t i = 0; i < n; ++i) greatest = std::max(greatest, w.l[i * n + i]);
  for (int64_t first = 0; first < n; first += kPanel) {
    const int64_t width = std::min(kPanel, n - first);
    double* panel = w.l + first * n + first;  // what is left of these columns
    if (first > 0) {
      const double* done = w.l + first * n;
      double_product({.rows = n - first,
                      .columns = width,
                      .depth = first,
                      .a = {done, n, 1},
                      .b = {done, 1, n},
                      .c = panel,
                      .c_row = n,
                      .factor = -1,
                      .keep = true,
                      .threads = w.threads},
                     w.products);
    }
    for (int64_t j = 0; j < width; ++j) {
      double* row = panel + j * n;
      if (!(row[j] > 1e-14 * greatest)) return false;
      row[j] = std::sqrt(row[j]);
      for (int64_t k = j + 1; k < width; ++k) row[k] = panel[k * n + j] / row[j];  // the triangle's mirror, for a while
      for (int64_t i = j + 1; i < n - first; ++i) {
        double* under = panel + i * n;
        const double value = under[j] /= row[j];
        for (int64_t k = j + 1; k < width; ++k) under[k] -= value * row[k];
      }
    }
  }
  for (int64_t i = 0; i < n; ++i) std::fill(w.l + i * n + i + 1, w.l + (i + 1) * n, 0.0);
  return true;
}

// The rows of y become those of l⁻ᵀ y.
void solve_transposed(const Work& w, double* y) {
  const int64_t n = w.n;
  for (int64_t last = n; last > 0;) {
    const int64_t first = (last - 1) / kPanel * kPanel, width = last - first;
    if (last < n)  // what the rows below have found
      double_product({.rows = width,
                      .columns = n,
                      .depth = n - last,
                      .a = {w.l + last * n + first, 1, n},
                      .b = {y + last * n, n, 1},
                      .c = y + first * n,
                      .c_row = n,
                      .factor = -1,
                      .keep = true,
                      .threads = w.threads},
                     w.products);
    parallel_ranges(n, 64, [&](int64_t begin, int64_t end) {
      for (int64_t i = last - 1; i >= first; --i) {
        double* row = y + i * n;
        for (int64_t k = i + 1; k < last; ++k) {
          const double value = w.l[k * n + i];
          const double* other = y + k * n;
          for (int64_t j = begin; j < end; ++j) row[j] -= value * other[j];
        }
        const double inverse = 1 / w.l[i * n + i];
        for (int64_t j = begin; j < end; ++j) row[j] *= inverse;
      }
    });
    last = first;
  }
}

double dot(int64_t count, const double* a, const double* b) {
  double sum = 0;
  for (int64_t i = 0; i < count; ++i) sum += a[i] * b[i];
  return sum;
}

// sum[i,j] = start δ_ij + Σ factor · matrix.
struct Share {
  double factor;
  const double* matrix;
};
void combine(int64_t n, double start, std::initializer_list<Share> shares, double* sum) {
  parallel_for(n, 64, [&](int64_t i) {
    double* row = sum + i * n;
    std::fill(row, row + n, 0.0);
    for (const Share& s : shares)
      for (int64_t j = 0; j < n; ++j) row[j] += s.factor * s.matrix[i * n + j];
    row[i] += start;
  });
}

// w.x becomes its orthogonal factor.
void orthogonalise(Work& w) {
  const int64_t n = w.n;
  const auto square = [&](const double* m, double* to) { w.multiply(w.of(m).transposed(), w.of(m), to, true); };
  square(w.x, w.g);
  // ‖xᵀx‖^½ is no less than the greatest singular value. The first polynomial is of x / scale.
  double scale = std::sqrt(std::sqrt(dot(n * n, w.g, w.g)));
  if (!(scale > 0)) return;
  for (const auto& given : kPolynomials) {
    double c[5];
    for (int k = 0; k < 5; ++k) c[k] = given[k] / std::pow(scale, 2 * k + 1);
    if (&given != &kPolynomials[0]) square(w.x, w.g);
    square(w.g, w.g2);
    combine(n, 0, {{c[3], w.g}, {c[4], w.g2}}, w.sum);
    w.multiply(w.of(w.g2), w.of(w.sum), w.next, true);  // polynomials of one matrix commute
    combine(n, c[0], {{c[1], w.g}, {c[2], w.g2}, {1, w.next}}, w.sum);
    w.multiply(w.of(w.x), w.of(w.sum), w.next, false);
    std::swap(w.x, w.next);
    scale = 1;
  }
  square(w.x, w.g);
  combine(n, 1.5, {{-0.5, w.g}}, w.sum);
  w.multiply(w.of(w.x), w.of(w.sum), w.next, false);
  std::swap(w.x, w.next);
}

// False where a is not positive definite.
bool by_products(int64_t n, int threads, const float* a, const float* r, float* trace, float* slope, void* scratch) {
  Work w = work_in(n, threads, scratch);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      w.l[i * n + j] = 0.5 * (static_cast<double>(a[i * n + j]) + static_cast<double>(a[j * n + i]));
      w.r[i * n + j] = static_cast<double>(r[i * n + j]);
    }
  if (!factorise(w)) return false;
  w.multiply(w.of(w.l).transposed(), w.of(w.r), w.x, false);
  std::copy(w.x, w.x + n * n, w.start);
  orthogonalise(w);
  *trace = static_cast<float>(dot(n * n, w.x, w.start));
  if (!std::isfinite(*trace)) return false;
  w.multiply(w.of(w.x), w.of(w.r), w.next, false);
  solve_transposed(w, w.next);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j)
      slope[i * n + j] = static_cast<float>(0.25 * (w.next[i * n + j] + w.next[j * n + i]));
  return true;
}

}  // namespace

std::string lower_root_trace(const Request& request, const CpuOptions&, std::vector<Lowering>& choices) {
  const Type& a = request.type(0);
  if (a.dtype != DType::f32) return "not f32";
  const int64_t n = a.shape[0];
  if (n == 0) return "empty";
  Lowering lowering;
  lowering.implementation = kernel_name("root_trace");
  lowering.inputs = {plain_layout(a), plain_layout(request.type(1))};
  for (const Type& type : request.op_node().outputs) lowering.outputs.push_back(plain_layout(type));
  const int threads = thread_count();
  lowering.scratch = work_bytes(n, threads);
  lowering.run = [n, threads](const Buffers& b) {
    const auto *given = reinterpret_cast<const float*>(b.in[0]), *root = reinterpret_cast<const float*>(b.in[1]);
    auto *trace = reinterpret_cast<float*>(b.out[0]), *slope = reinterpret_cast<float*>(b.out[1]);
    if (!by_products(n, threads, given, root, trace, slope, b.scratch))
      root_trace_exactly(n, given, root, trace, slope);
  };
  choices.push_back(std::move(lowering));
  return {};
}

}  // namespace fovea::cpu
