// t-SNE against its definition and against scikit-learn (tests/golden/tsne).
#include "fovea/features/tsne.h"

#include <cmath>
#include <fstream>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/base/rng.h"
#include "fovea/features/grid_convolution.h"
#include "fovea/features/pca.h"
#include "fovea/features/tsne_repulsion.h"
#include "fovea/formats/npy_read.h"
#include "tests/data/files.h"
#include "tests/formats/golden_tensors.h"

namespace fovea {
namespace {

using testing_data::expect_error;

Tensor golden(const char* name) { return read_npy(Bytes::map(golden_folder("tsne") / name)); }

PlanePositions golden_start() {
  const Tensor start = golden("start.npy");
  PlanePositions at;
  for (int64_t i = 0; i < start.shape()[0]; ++i) {
    at.x.push_back(static_cast<float>(start.at(2 * i)));
    at.y.push_back(static_cast<float>(start.at(2 * i + 1)));
  }
  return at;
}

// scikit-learn's KL of a method.
double golden_divergence(const std::string& method) {
  std::ifstream in(golden_folder("tsne") / "divergences.txt");
  std::string name;
  double value = 0;
  int iterations = 0;
  while (in >> name >> value >> iterations)
    if (name == method) return value;
  ADD_FAILURE() << "no " << method;
  return 0;
}

PlanePositions scattered(int64_t count, double spread, uint64_t seed) {
  const Rng rng(seed);
  PlanePositions at;
  for (int64_t i = 0; i < count; ++i) {
    at.x.push_back(static_cast<float>(spread * rng.normal(static_cast<uint64_t>(2 * i))));
    at.y.push_back(static_cast<float>(spread * rng.normal(static_cast<uint64_t>(2 * i + 1)) * 0.6 + 3));
  }
  return at;
}

// The sums as they are defined, in double.
struct Sums {
  std::vector<double> x, y;
  double z = 0;
};
Sums by_hand(const PlanePositions& at) {
  const auto count = static_cast<size_t>(at.count());
  Sums s{std::vector<double>(count), std::vector<double>(count), 0};
  for (size_t i = 0; i < count; ++i)
    for (size_t j = 0; j < count; ++j) {
      if (i == j) continue;
      const double dx = static_cast<double>(at.x[i]) - at.x[j], dy = static_cast<double>(at.y[i]) - at.y[j];
      const double w = 1 / (1 + dx * dx + dy * dy);
      s.z += w;
      s.x[i] += w * w * dx;
      s.y[i] += w * w * dy;
    }
  return s;
}

// ‖a − b‖ / ‖b‖ over both axes; forces smaller than `floor` a point count as that large.
double relative_error(const Repulsion& a, const Sums& b, double floor = 0) {
  double error = 0, size = floor * floor * static_cast<double>(b.x.size());
  for (size_t i = 0; i < b.x.size(); ++i) {
    error += std::pow(a.x[i] - b.x[i], 2) + std::pow(a.y[i] - b.y[i], 2);
    size += b.x[i] * b.x[i] + b.y[i] * b.y[i];
  }
  return std::sqrt(error / size);
}

TEST(TsneRepulsion, FourMethodsOneSum) {
  for (const int64_t count : {2, 15, 16, 17, 700})
    for (const double spread : {1e-4, 0.7, 9.0, 40.0}) {
      SCOPED_TRACE(fmt::format("{} points over {}", count, spread));
      const PlanePositions at = scattered(count, spread, 3);
      const Sums expected = by_hand(at);
      Repulsion exact, tree, grid, fine;
      exact_repulsion()->compute(at.x, at.y, exact);
      ASSERT_EQ(exact.x.size(), static_cast<size_t>(count));
      // f32 sums of up to 700 terms, in the worst order: 700 · 2^-24; the reciprocal adds 2^-22.
      EXPECT_LT(relative_error(exact, expected), 5e-5);
      EXPECT_NEAR(exact.z / expected.z, 1, 5e-5 + 4e-7 * static_cast<double>(count) / expected.z);
      barnes_hut_repulsion(0)->compute(at.x, at.y, fine);  // every pair
      EXPECT_LT(relative_error(fine, expected), 5e-5);
      EXPECT_NEAR(fine.z / expected.z, 1, 1e-6);
      barnes_hut_repulsion(0.5)->compute(at.x, at.y, tree);
      EXPECT_LT(relative_error(tree, expected), 0.03);  // the criterion's own error at theta = 0.5
      EXPECT_NEAR(tree.z / expected.z, 1, 0.02);
      Repulsion groups, all_near;
      grouped_repulsion(0)->compute(at.x, at.y, all_near);  // every pair, by estimated reciprocals
      EXPECT_LT(relative_error(all_near, expected), 8e-4);
      EXPECT_NEAR(all_near.z / expected.z, 1, 4e-4 + 2e-5 / expected.z);  // weights of padding, up to 225, in f32
      grouped_repulsion(0.5)->compute(at.x, at.y, groups);
      EXPECT_LT(relative_error(groups, expected), 0.03);
      EXPECT_NEAR(groups.z / expected.z, 1, 0.02 + 2e-5 / expected.z);
      fft_repulsion()->compute(at.x, at.y, grid);
      // Quadratic interpolation of a kernel of width 1 on squares of at most 1. In f32 coordinates of up to 100 cancel
      // to forces known to about 1e-5.
      EXPECT_LT(relative_error(grid, expected, 1e-3), 0.05);
      EXPECT_NEAR(grid.z / expected.z, 1, 0.02 + 1e-6 * static_cast<double>(count) / expected.z);
    }
}

TEST(TsneRepulsion, EstimatesAreAsGoodAsTheySay) {
  for (const double spread : {0.7, 9.0, 40.0}) {
    const PlanePositions at = scattered(700, spread, 5);
    const Sums expected = by_hand(at);
    Repulsion rough;
    exact_repulsion(true)->compute(at.x, at.y, rough);
    // w is off by at most 1.5 · 2^-12 of itself, w² by twice that; sums as above.
    EXPECT_LT(relative_error(rough, expected), 8e-4) << spread;
    EXPECT_NEAR(rough.z / expected.z, 1, 4e-4) << spread;
    // Both points of a pair are pushed alike, so that the whole map does not move.
    double sum = 0, size = 0;
    for (const float force : rough.x) sum += force, size += std::abs(force);
    EXPECT_LT(std::abs(sum), 1e-5 * size) << spread;
  }
}

TEST(TsneRepulsion, DoesNotDependOnThreads) {
  const PlanePositions at = scattered(1500, 12, 4);
  for (const auto& make : {+[] { return exact_repulsion(); }, +[] { return exact_repulsion(true); },
                           +[] { return grouped_repulsion(0.5); }, +[] { return barnes_hut_repulsion(0.5); },
                           +[] { return fft_repulsion(); }}) {
    Repulsion one, four;
    set_thread_count(1);
    make()->compute(at.x, at.y, one);
    set_thread_count(4);
    make()->compute(at.x, at.y, four);
    set_thread_count(0);
    EXPECT_EQ(one.x, four.x) << make()->name();
    EXPECT_EQ(one.y, four.y) << make()->name();
    EXPECT_EQ(one.z, four.z) << make()->name();
  }
}

TEST(TsneRepulsion, ManyPointsInOnePlace) {
  PlanePositions at{std::vector<float>(100, 2.0f), std::vector<float>(100, -1.0f)};
  at.x.push_back(5);
  at.y.push_back(3);
  const Sums expected = by_hand(at);
  for (const auto& make : {+[] { return exact_repulsion(); }, +[] { return grouped_repulsion(0.5); },
                           +[] { return barnes_hut_repulsion(0.5); }}) {
    Repulsion got;
    make()->compute(at.x, at.y, got);
    const double estimates = make()->name() == "groups" ? 8e-4 : 0;
    EXPECT_NEAR(got.z / expected.z, 1, 1e-5 + estimates) << make()->name();
    EXPECT_LT(relative_error(got, expected), 1e-4 + estimates) << make()->name();
  }
}

TEST(GridConvolution, IsTheSumOverAllNodes) {
  constexpr int64_t kNodes = 9;
  GridConvolution grid;
  grid.resize(kNodes, 0.4);
  const Rng rng(6);
  std::vector<float> q[3];
  for (int c = 0; c < 3; ++c)
    for (int64_t i = 0; i < kNodes * kNodes; ++i)
      q[c].push_back(rng.uniform(static_cast<uint64_t>(c * 100 + i)) - 0.3f);
  grid.real[0] = q[0], grid.real[1] = q[1], grid.imaginary[1] = q[2];
  grid.run();
  for (int64_t i = 0; i < kNodes * kNodes; ++i) {
    double sums[4] = {};
    for (int64_t j = 0; j < kNodes * kNodes; ++j) {
      const double dx = 0.4 * static_cast<double>(i % kNodes - j % kNodes),
                   dy = 0.4 * static_cast<double>(i / kNodes - j / kNodes), w = 1 / (1 + dx * dx + dy * dy);
      sums[0] += w * w * q[0][static_cast<size_t>(j)];
      sums[1] += w * q[0][static_cast<size_t>(j)];
      sums[2] += w * w * q[1][static_cast<size_t>(j)];
      sums[3] += w * w * q[2][static_cast<size_t>(j)];
    }
    const auto at = static_cast<size_t>(i);
    const float got[4] = {grid.real[0][at], grid.imaginary[0][at], grid.real[1][at], grid.imaginary[1][at]};
    for (int c = 0; c < 4; ++c) EXPECT_NEAR(got[c], sums[c], 3e-5) << c;
  }
}

TEST(Tsne, PerplexityIsWhatWasAsked) {
  const Rng rng(2);
  std::vector<double> squares;
  for (uint64_t i = 0; i < 200; ++i) squares.push_back(1e-3 + rng.uniform_double(i) * 50);
  for (const double perplexity : {1.5, 5.0, 30.0, 120.0}) {
    const std::vector<double> p = conditional_affinities(squares, perplexity);
    double sum = 0, entropy = 0;
    for (const double v : p) sum += v, entropy -= v > 0 ? v * std::log(v) : 0;
    EXPECT_NEAR(sum, 1, 1e-12);
    EXPECT_NEAR(std::exp(entropy), perplexity, 2e-5 * perplexity);
  }
  // All equally far: only a uniform p is possible.
  for (const double v : conditional_affinities(std::vector<double>(7, 0.0), 3)) EXPECT_NEAR(v, 1.0 / 7, 1e-12);
}

TEST(Tsne, AffinitiesAreThoseOfScikitLearn) {
  const Tensor points = golden("points.npy"), expected = golden("affinities.npy");
  const Affinities p = affinities(nearest_rows({}, rows_of(points), points.shape()[0] - 1), 30);
  double total = 0;
  for (const float v : p.value) total += v;
  EXPECT_NEAR(total, 1, 1e-5);
  for (int64_t i = 0; i < expected.shape()[0]; ++i)
    for (int64_t e = p.begin[static_cast<size_t>(i)]; e < p.begin[static_cast<size_t>(i) + 1]; ++e) {
      const int32_t j = p.column[static_cast<size_t>(e)];
      // Both stop the bisection within 1e-5 of the entropy.
      EXPECT_NEAR(p.value[static_cast<size_t>(e)], expected.at(i * expected.shape()[1] + j), 2e-8) << i << " " << j;
    }
}

TEST(Tsne, AffinitiesAreSymmetric) {
  const Tensor points = golden("points.npy");
  const Affinities p = affinities(nearest_rows({}, rows_of(points), 20), 6);
  std::map<std::pair<int64_t, int64_t>, float> entries;
  double total = 0;
  for (int64_t i = 0; i < p.count(); ++i)
    for (int64_t e = p.begin[static_cast<size_t>(i)]; e < p.begin[static_cast<size_t>(i) + 1]; ++e) {
      entries[{i, p.column[static_cast<size_t>(e)]}] = p.value[static_cast<size_t>(e)];
      total += p.value[static_cast<size_t>(e)];
    }
  EXPECT_NEAR(total, 1, 1e-5);
  for (const auto& [at, value] : entries) EXPECT_EQ(value, entries.at({at.second, at.first}));
}

TEST(Tsne, KlIsNoWorseThanScikitLearns) {
  const Tensor points = golden("points.npy");
  const Affinities all = affinities(nearest_rows({}, rows_of(points), points.shape()[0] - 1), 30),
                   near = affinities(nearest_rows({}, rows_of(points), 91), 30);
  for (const char* method : {"exact", "groups", "barnes-hut", "fft"}) {
    TsneOptions options;
    options.method = method;
    const TsneResult result = tsne({}, std::string_view(method) == "exact" ? all : near, golden_start(), options);
    const double theirs = golden_divergence(std::string_view(method) == "exact" ? "exact" : "barnes_hut");
    // So few points end in other minima for other roundings: from random starts, FFT and quadtree gave 0.473 to 0.480.
    EXPECT_LT(result.divergence, theirs * (std::string_view(method) == "fft"          ? 1.02
                                           : std::string_view(method) == "barnes-hut" ? 1.015
                                                                                      : 1.01))
        << method;
    EXPECT_GT(result.divergence, theirs * 0.5) << method;
    EXPECT_EQ(result.history.size(), 20u);
    EXPECT_LT(result.history.back().second, result.history.front().second);
    double mean = 0;
    for (const float x : result.positions.x) mean += x;
    EXPECT_NEAR(mean / 400, 0, 1e-4);
  }
}

TEST(Tsne, TheSameBitsWithAnyNumberOfThreads) {
  const Tensor points = golden("points.npy");
  TsneOptions options;
  options.iterations = 60;
  for (const char* method : {"exact", "groups", "barnes-hut", "fft"}) {
    options.method = method;
    TsneResult results[2];
    for (int i = 0; i < 2; ++i) {
      set_thread_count(i == 0 ? 1 : 3);
      const Affinities p = affinities(nearest_rows({}, rows_of(points), 60), 15);
      results[i] = tsne({}, p, random_start(400, 7), options);
    }
    set_thread_count(0);
    EXPECT_EQ(results[0].positions.x, results[1].positions.x) << method;
    EXPECT_EQ(results[0].positions.y, results[1].positions.y) << method;
    EXPECT_EQ(results[0].divergence, results[1].divergence) << method;
  }
  EXPECT_EQ(random_start(9, 7).x, random_start(9, 7).x);
  EXPECT_NE(random_start(9, 7).x, random_start(9, 8).x);
}

TEST(Tsne, NewPointsComeToTheirOwn) {
  // Points of the map itself, placed anew, come near to where they are.
  const Tensor points = golden("points.npy");
  const Affinities p = affinities(nearest_rows({}, rows_of(points), 91), 30);
  const PlanePositions map = tsne({}, p, golden_start(), {}).positions;
  const PlanePositions placed = place_on_map(map, nearest_rows({}, rows_of(points), rows_of(points), 15));
  double off = 0, width = 0;
  for (size_t i = 0; i < 400; ++i) {
    off += std::hypot(placed.x[i] - map.x[i], placed.y[i] - map.y[i]) / 400;
    width += std::hypot(map.x[i], map.y[i]) / 400;
  }
  EXPECT_LT(off, 0.15 * width);
}

TEST(Tsne, SaysWhatIsWrong) {
  const Tensor points = golden("points.npy");
  expect_error(ErrorKind::usage, {"perplexity of 30", "10 neighbours"},
               [&] { affinities(nearest_rows({}, rows_of(points), 10), 30); });
  const Affinities p = affinities(nearest_rows({}, rows_of(points), 20), 5);
  TsneOptions options;
  options.method = "barns-hut";
  expect_error(ErrorKind::usage, {"barns-hut", "barnes-hut"}, [&] { tsne({}, p, random_start(400, 1), options); });
  options.method = "exact";
  options.learning_rate = 1e30;
  expect_error(ErrorKind::usage, {"not finite", "learning-rate"}, [&] { tsne({}, p, random_start(400, 1), options); });
  Tensor same = Tensor::full(DType::f32, {5, 2}, 1);
  expect_error(ErrorKind::usage, {"equal"}, [&] { projected_start(same, 1); });
}

TEST(PrincipalComponents, AreThoseOfScikitLearn) {
  const Tensor points = golden("points.npy");
  const PrincipalComponents pca = principal_components({}, rows_of(points), 4);
  std::ifstream in(golden_folder("tsne") / "variances.txt");
  for (size_t c = 0; c < 4; ++c) {
    double variance = 0;
    ASSERT_TRUE(in >> variance);
    EXPECT_NEAR(pca.variances[c] / variance, 1, 1e-5);
  }
  // The start is the projection on two of them, up to signs.
  const PlanePositions start = projected_start(project(pca, rows_of(points)), 1), theirs = golden_start();
  const float sign_x = start.x[0] * theirs.x[0] < 0 ? -1.0f : 1.0f,
              sign_y = start.y[0] * theirs.y[0] < 0 ? -1.0f : 1.0f;
  for (size_t i = 0; i < 400; ++i) {
    EXPECT_NEAR(start.x[i], sign_x * theirs.x[i], 2e-8);
    EXPECT_NEAR(start.y[i], sign_y * theirs.y[i], 2e-8);
  }
  for (int64_t c = 0; c < 4; ++c) {
    const auto begin = pca.components.begin() + c * 12;
    const auto largest =
        std::max_element(begin, begin + 12, [](float a, float b) { return std::abs(a) < std::abs(b); });
    EXPECT_GT(*largest, 0);
  }
}

TEST(PrincipalComponents, OfLongRowsBySubspaceIteration) {
  // Three strong directions in 1500, and noise.
  const Rng rng(12);
  constexpr int64_t kCount = 300, kWidth = 1500;
  Tensor rows(DType::f32, {kCount, kWidth});
  const auto normal = [&](int64_t i) { return rng.normal(static_cast<uint64_t>(i)); };
  for (int64_t i = 0; i < kCount; ++i)
    for (int64_t d = 0; d < kWidth; ++d) {
      double v = 0.05 * normal(1'000'000 + i * kWidth + d) + 7;
      for (int64_t c = 0; c < 3; ++c)
        v += (4.0 - static_cast<double>(c)) * normal(c * 1000 + i) * normal(50'000 + c * 2000 + d) * 0.05;
      rows.set(i * kWidth + d, v);
    }
  const PrincipalComponents pca = principal_components({}, rows_of(rows), 3);
  EXPECT_EQ(pca.method, "subspace iteration");
  const Tensor projected = project(pca, rows_of(rows));
  // Orthonormal, and the variances are those of the projections, which hold nearly everything.
  for (int64_t a = 0; a < 3; ++a)
    for (int64_t b = 0; b <= a; ++b) {
      double dot = 0;
      for (int64_t d = 0; d < kWidth; ++d)
        dot += static_cast<double>(pca.components[static_cast<size_t>(a * kWidth + d)]) *
               pca.components[static_cast<size_t>(b * kWidth + d)];
      EXPECT_NEAR(dot, a == b ? 1 : 0, 1e-5);
    }
  double sum = 0;
  for (int64_t c = 0; c < 3; ++c) {
    double variance = 0;
    for (int64_t i = 0; i < kCount; ++i) variance += std::pow(projected.at(i * 3 + c), 2) / (kCount - 1);
    EXPECT_NEAR(pca.variances[static_cast<size_t>(c)] / variance, 1, 1e-4);
    sum += variance;
  }
  EXPECT_GT(sum / pca.total_variance, 0.8);
  EXPECT_LT(sum / pca.total_variance, 1);
  set_thread_count(1);
  const PrincipalComponents one = principal_components({}, rows_of(rows), 3);
  set_thread_count(3);
  const PrincipalComponents three = principal_components({}, rows_of(rows), 3);
  set_thread_count(0);
  EXPECT_EQ(one.components, three.components);
  expect_error(ErrorKind::usage, {"301 components", "300"}, [&] { principal_components({}, rows_of(rows), 301); });
}

}  // namespace
}  // namespace fovea
