// root_trace by products against eigenvectors, and the products of doubles, on every instruction set of this machine.
#include "fovea/ops/root_trace.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>
#include <vector>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/backend/cpu/kernels/double_product.h"
#include "fovea/backend/reference/evaluate.h"
#include "fovea/base/rng.h"
#include "fovea/compile/program.h"
#include "fovea/ops/input.h"
#include "tests/backend/every_target.h"

namespace fovea::testing {
namespace {

// Covariances of `positions` answers of n channels whose scales fall from 1 to `least`, plus `more` on the diagonal.
Tensor covariance(int64_t n, int64_t positions, double least, double more, uint64_t seed) {
  const Rng rng(seed);
  std::vector<double> answers(static_cast<size_t>(n * positions));
  for (int64_t i = 0; i < n; ++i)
    for (int64_t p = 0; p < positions; ++p) {
      const double scale = std::pow(least, static_cast<double>(i) / static_cast<double>(std::max<int64_t>(1, n - 1)));
      const auto at = static_cast<size_t>(i * positions + p);
      answers[at] = scale * (rng.normal(at) + 0.5 * rng.normal(static_cast<uint64_t>(p)));
    }
  Tensor result(DType::f64, {n, n});
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < n; ++j) {
      double sum = i == j ? more : 0;
      for (int64_t p = 0; p < positions; ++p)
        sum += answers[static_cast<size_t>(i * positions + p)] * answers[static_cast<size_t>(j * positions + p)] /
               static_cast<double>(positions);
      result.set(i * n + j, sum);
    }
  return result;
}

double distance(const Tensor& a, const Tensor& b) {
  double off = 0, all = 0;
  for (int64_t i = 0; i < a.count(); ++i) {
    off += (a.at(i) - b.at(i)) * (a.at(i) - b.at(i));
    all += b.at(i) * b.at(i);
  }
  return std::sqrt(off / all);
}

struct TraceGraph {
  Graph graph;
  std::vector<Value> wants;
};

TraceGraph trace_graph(int64_t n) {
  TraceGraph result;
  const Value a = input(result.graph, "a", {DType::f32, {n, n}}), r = input(result.graph, "r", {DType::f32, {n, n}});
  const Value t = root_trace(result.graph, a, r);
  result.wants = {t, {t.node, 1}};
  return result;
}

struct Covariances {
  int64_t channels, positions;
  double least, more;
};

TEST(RootTraceKernel, AgreesWithEigenvectors) {
  const Covariances cases[] = {{1, 3, 1, 0},          {2, 9, 0.5, 0},       {31, 100, 0.1, 1e-4},
                               {64, 400, 0.01, 0},    {97, 50, 0.03, 1e-5},  // more channels than positions
                               {160, 400, 0.01, 1e-5}};
  on_every_target([&] {
    const auto backend = cpu_backend({});
    for (const Covariances& c : cases) {
      SCOPED_TRACE(c.channels);
      const TraceGraph g = trace_graph(c.channels);
      const Tensor a = covariance(c.channels, c.positions, c.least, c.more, 1).cast(DType::f32);
      const Tensor r = symmetric_root(covariance(c.channels, c.positions + 5, c.least, c.more, 2)).cast(DType::f32);
      const auto expected = evaluate(g.graph, {{"a", a}, {"r", r}}, g.wants);
      const auto got = compile(g.graph, g.wants, {}, *backend, {}).run({{"a", a}, {"r", r}});
      EXPECT_NEAR(got[0].at(0), expected[0].at(0), 2e-7 * expected[0].at(0));
      EXPECT_LE(distance(got[1], expected[1]), 1e-6);
    }
  });
}

// A covariance without an inverse, and numbers that are none, go the way of eigenvectors.
TEST(RootTraceKernel, MatricesWithoutAnInverse) {
  const auto backend = cpu_backend({});
  const TraceGraph g = trace_graph(20);
  Program program = compile(g.graph, g.wants, {}, *backend, {});
  const Tensor a = covariance(20, 6, 1, 0, 1).cast(DType::f32);
  const Tensor r = symmetric_root(covariance(20, 50, 1, 0, 2)).cast(DType::f32);
  const auto expected = evaluate(g.graph, {{"a", a}, {"r", r}}, g.wants);
  const auto got = program.run({{"a", a}, {"r", r}});
  EXPECT_NEAR(got[0].at(0), expected[0].at(0), 1e-6 * expected[0].at(0));
  EXPECT_LE(distance(got[1], expected[1]), 1e-5);
  Tensor broken = a;
  broken.set(3, std::nan(""));
  for (const Tensor& t : program.run({{"a", broken}, {"r", r}})) EXPECT_TRUE(std::isnan(t.at(0)));
  const Tensor nothing(DType::f32, {20, 20});
  EXPECT_EQ(program.run({{"a", nothing}, {"r", r}})[0].at(0), 0);
}

TEST(DoubleProduct, AgreesWithLoops) {
  const auto filled = [](int64_t count, uint64_t seed) {
    std::vector<double> x(static_cast<size_t>(count));
    for (size_t i = 0; i < x.size(); ++i) x[i] = Rng(seed).normal(i);
    return x;
  };
  on_every_target([&] {
    for (const auto& [m, n, k] :
         {std::array<int64_t, 3>{1, 1, 1}, {7, 25, 3}, {65, 24, 70}, {130, 49, 10}, {64, 64, 0}}) {
      SCOPED_TRACE(m);
      const std::vector<double> a = filled(m * k, 1), b = filled(k * n, 2), before = filled(m * (n + 3), 3);
      std::vector<double> c = before, scratch(kernels::double_product_scratch_bytes(n, k, 2) / sizeof(double) + 1);
      // a is stored transposed, c has longer rows than it needs.
      kernels::double_product({.rows = m,
                               .columns = n,
                               .depth = k,
                               .a = {a.data(), 1, m},
                               .b = {b.data(), n, 1},
                               .c = c.data(),
                               .c_row = n + 3,
                               .factor = -0.5,
                               .keep = true,
                               .threads = 2},
                              scratch.data());
      for (int64_t i = 0; i < m; ++i)
        for (int64_t j = 0; j < n + 3; ++j) {
          const auto at = static_cast<size_t>(i * (n + 3) + j);
          double expected = before[at];
          for (int64_t p = 0; j < n && p < k; ++p)
            expected -= 0.5 * a[static_cast<size_t>(p * m + i)] * b[static_cast<size_t>(p * n + j)];
          ASSERT_NEAR(c[at], expected, 1e-12) << i << ' ' << j;
        }
    }
  });
}

TEST(DoubleProduct, SymmetricOnesAreMirrored) {
  const int64_t n = 150, k = 40;
  const Rng rng(5);
  std::vector<double> x(static_cast<size_t>(n * k)), whole(static_cast<size_t>(n * n)), half(whole.size());
  for (size_t i = 0; i < x.size(); ++i) x[i] = rng.normal(i);
  std::vector<double> scratch(kernels::double_product_scratch_bytes(n, k, 2) / sizeof(double));
  kernels::DoubleProduct p{.rows = n,
                           .columns = n,
                           .depth = k,
                           .a = {x.data(), k, 1},
                           .b = {x.data(), 1, k},
                           .c = whole.data(),
                           .c_row = n,
                           .threads = 2};
  kernels::double_product(p, scratch.data());
  p.c = half.data();
  p.symmetric = true;
  kernels::double_product(p, scratch.data());
  for (size_t i = 0; i < whole.size(); ++i) ASSERT_NEAR(whole[i], half[i], 1e-12);
  for (int64_t i = 0; i < n; ++i)
    for (int64_t j = 0; j < i; ++j)
      ASSERT_EQ(half[static_cast<size_t>(i * n + j)], half[static_cast<size_t>(j * n + i)]);
}

}  // namespace
}  // namespace fovea::testing
