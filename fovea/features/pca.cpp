// C = Σ (x − m)(x − m)ᵀ / (N − 1) is summed over blocks of rows: each block's product in f32, the blocks in double.
#include "fovea/features/pca.h"

#define EIGEN_DONT_PARALLELIZE  // the same order of sums for any number of threads
#include <Eigen/Dense>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/base/rng.h"
#include "fovea/features/block_product.h"

namespace fovea {

namespace {

constexpr int64_t kBlock = 512, kExactDimensions = 1024, kSpare = 16;
constexpr int kRounds = 8;

using Matrix = Eigen::MatrixXd;

// Calls each(rows, number) for centred blocks [kBlock, D]; rows beyond `number` are zero.
template <class Each>
void for_blocks(const Context& context, const RowSource& rows, const std::vector<double>& mean, float* buffer,
                const Each& each) {
  const int64_t width = rows.dimensions;
  for (int64_t first = 0; first < rows.count; first += kBlock) {
    if (context.cancelled()) fail(ErrorKind::usage, "interrupted");
    const int64_t number = std::min(kBlock, rows.count - first);
    rows.read(first, number, buffer);
    parallel_for(number, 16, [&](int64_t row) {
      for (int64_t i = 0; i < width; ++i) {
        float& value = buffer[row * width + i];
        value = static_cast<float>(value - mean[static_cast<size_t>(i)]);
      }
    });
    std::fill(buffer + number * width, buffer + kBlock * width, 0.0f);
    each(first, number);
  }
}

void take(PrincipalComponents& pca, const Matrix& vectors, const Eigen::VectorXd& values, int64_t k) {
  const int64_t width = pca.dimensions();
  pca.components.resize(static_cast<size_t>(k * width));
  for (int64_t c = 0; c < k; ++c) {
    const int64_t column = vectors.cols() - 1 - c;  // ascending
    int64_t largest = 0;
    for (int64_t i = 0; i < width; ++i)
      if (std::abs(vectors(i, column)) > std::abs(vectors(largest, column))) largest = i;
    const double sign = vectors(largest, column) < 0 ? -1 : 1;
    for (int64_t i = 0; i < width; ++i)
      pca.components[static_cast<size_t>(c * width + i)] = static_cast<float>(sign * vectors(i, column));
    pca.variances.push_back(std::max(0.0, values(column)));
  }
}

void by_covariance(const Context& context, const RowSource& rows, int64_t k, PrincipalComponents& pca) {
  const int64_t width = rows.dimensions;
  BlockProduct product(width, width, kBlock, BlockProduct::Form::at_b);
  Matrix sum = Matrix::Zero(width, width);
  for_blocks(context, rows, pca.mean, product.a(), [&](int64_t first, int64_t) {
    context.report({"covariance", first, rows.count, ""});
    std::memcpy(product.b(), product.a(), static_cast<size_t>(kBlock * width) * sizeof(float));
    const float* part = product.run();
    parallel_for(width, 16, [&](int64_t c) {
      for (int64_t r = 0; r < width; ++r) sum(r, c) += part[c * width + r];
    });
  });
  context.report({"covariance", rows.count, rows.count, ""});
  sum = (sum + sum.transpose()).eval() / (2.0 * static_cast<double>(rows.count - 1));
  pca.total_variance = sum.trace();
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(sum);
  take(pca, solver.eigenvectors(), solver.eigenvalues(), k);
  pca.method = "covariance";
}

Matrix orthonormal(const Matrix& m) {
  Eigen::HouseholderQR<Matrix> qr(m);
  return qr.householderQ() * Matrix::Identity(m.rows(), m.cols());
}

void by_subspace(const Context& context, const RowSource& rows, int64_t k, PrincipalComponents& pca) {
  const int64_t width = rows.dimensions, directions = std::min({k + kSpare, rows.count, width});
  BlockProduct onto(kBlock, directions, width), back(width, directions, kBlock, BlockProduct::Form::at_b);
  const Rng rng = Rng(context.seed).fork("principal components");
  Matrix basis(width, directions);
  for (int64_t i = 0; i < width * directions; ++i) basis.data()[i] = rng.normal(static_cast<uint64_t>(i));
  basis = orthonormal(basis);
  Matrix inner;
  for (int round = 0; round <= kRounds; ++round) {  // the last one only measures
    context.report({"principal components", round, kRounds + 1, ""});
    Matrix next = Matrix::Zero(width, directions);
    inner = Matrix::Zero(directions, directions);
    double total = 0;
    for (int64_t d = 0; d < directions; ++d)
      for (int64_t i = 0; i < width; ++i) onto.b()[d * width + i] = static_cast<float>(basis(i, d));
    for_blocks(context, rows, pca.mean, onto.a(), [&](int64_t, int64_t number) {
      const float* projected = onto.run();
      if (round == kRounds) {
        const Eigen::Map<const Eigen::Matrix<float, Eigen::Dynamic, Eigen::Dynamic, Eigen::RowMajor>> p(
            projected, number, directions);
        inner += p.cast<double>().transpose() * p.cast<double>();
        for (int64_t i = 0; i < number * width; ++i) total += static_cast<double>(onto.a()[i]) * onto.a()[i];
        return;
      }
      std::memcpy(back.a(), onto.a(), static_cast<size_t>(kBlock * width) * sizeof(float));
      std::memcpy(back.b(), projected, static_cast<size_t>(kBlock * directions) * sizeof(float));
      const float* part = back.run();
      for (int64_t i = 0; i < width; ++i)
        for (int64_t d = 0; d < directions; ++d) next(i, d) += part[i * directions + d];
    });
    if (round < kRounds) basis = orthonormal(next);
    else pca.total_variance = total / static_cast<double>(rows.count - 1);
  }
  context.report({"principal components", kRounds + 1, kRounds + 1, ""});
  const Eigen::SelfAdjointEigenSolver<Matrix> solver(inner / static_cast<double>(rows.count - 1));
  take(pca, basis * solver.eigenvectors(), solver.eigenvalues(), k);
  pca.method = "subspace iteration";
}

}  // namespace

PrincipalComponents principal_components(const Context& context, const RowSource& rows, int64_t k) {
  require(rows.count >= 2 && k >= 1 && k <= std::min(rows.count, rows.dimensions), ErrorKind::usage,
          "{} components of {} rows of {} numbers; expected 1 to {}, and two rows at least", k, rows.count,
          rows.dimensions, std::min(rows.count, rows.dimensions));
  PrincipalComponents pca;
  pca.mean = mean_of(rows);
  if (rows.dimensions <= kExactDimensions) by_covariance(context, rows, k, pca);
  else by_subspace(context, rows, k, pca);
  return pca;
}

Tensor project(const PrincipalComponents& pca, const RowSource& rows) {
  require(rows.dimensions == pca.dimensions(), ErrorKind::usage, "rows of {} numbers, the components are of {}",
          rows.dimensions, pca.dimensions());
  const int64_t k = pca.count();
  BlockProduct product(kBlock, k, rows.dimensions);
  std::memcpy(product.b(), pca.components.data(), pca.components.size() * sizeof(float));
  Tensor result(DType::f32, {rows.count, k});
  float* to = result.data<float>().data();
  for_blocks({}, rows, pca.mean, product.a(), [&](int64_t first, int64_t number) {
    std::memcpy(to + first * k, product.run(), static_cast<size_t>(number * k) * sizeof(float));
  });
  return result;
}

}  // namespace fovea
