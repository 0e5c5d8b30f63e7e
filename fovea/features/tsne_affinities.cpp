#include <algorithm>
#include <cmath>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/features/tsne.h"

namespace fovea {

std::vector<double> conditional_affinities(const std::vector<double>& squared_distances, double perplexity) {
  std::vector<double> p(squared_distances.size());
  const double wanted = std::log(perplexity);
  const double least = *std::min_element(squared_distances.begin(), squared_distances.end());
  double beta = 1, low = 0, high = INFINITY;
  // A first guess of the right size, so that few halvings are left.
  double mean = 0;
  for (const double d : squared_distances) mean += d - least;
  if (mean > 0) beta = static_cast<double>(p.size()) / mean;
  for (int step = 0; step < 100; ++step) {
    double sum = 0, weighted = 0;
    for (size_t j = 0; j < p.size(); ++j) {
      const double d = squared_distances[j] - least;  // shifts cancel in p
      p[j] = std::exp(-beta * d);
      sum += p[j];
      weighted += p[j] * d;
    }
    const double entropy = std::log(sum) + beta * weighted / sum;
    for (double& v : p) v /= sum;
    if (std::abs(entropy - wanted) < 1e-5) break;
    if (entropy > wanted) {
      low = beta;
      beta = std::isinf(high) ? beta * 2 : (beta + high) / 2;
    } else {
      high = beta;
      beta = (low + beta) / 2;
    }
  }
  return p;
}

namespace {

// The sparse matrix of p_{j|i}: row i, its k neighbours by ascending index.
struct Conditional {
  std::vector<int32_t> column;
  std::vector<float> value;
};

Conditional conditional(const Neighbours& neighbours, double perplexity) {
  const int64_t count = neighbours.count(), k = neighbours.k;
  Conditional result{neighbours.index, std::vector<float>(neighbours.index.size())};
  parallel_for(count, 16, [&](int64_t i) {
    std::vector<double> squares(static_cast<size_t>(k));
    for (int64_t j = 0; j < k; ++j) {
      const double d = neighbours.distance[static_cast<size_t>(i * k + j)];
      squares[static_cast<size_t>(j)] = d * d;
    }
    const std::vector<double> p = conditional_affinities(squares, perplexity);
    std::vector<std::pair<int32_t, float>> row(static_cast<size_t>(k));
    for (size_t j = 0; j < row.size(); ++j)
      row[j] = {neighbours.index[static_cast<size_t>(i * k) + j], static_cast<float>(p[j])};
    std::sort(row.begin(), row.end());
    for (size_t j = 0; j < row.size(); ++j) {
      result.column[static_cast<size_t>(i * k) + j] = row[j].first;
      result.value[static_cast<size_t>(i * k) + j] = row[j].second;
    }
  });
  return result;
}

}  // namespace

Affinities affinities(const Neighbours& neighbours, double perplexity) {
  const int64_t count = neighbours.count(), k = neighbours.k;
  require(perplexity >= 1 && perplexity <= static_cast<double>(k), ErrorKind::usage,
          "a perplexity of {:g} among {} neighbours, expected 1 to {}", perplexity, k, k);
  const Conditional own = conditional(neighbours, perplexity);
  // The transpose, rows ascending too, because they are walked in order.
  std::vector<int64_t> begin(static_cast<size_t>(count) + 1);
  for (const int32_t column : own.column) ++begin[static_cast<size_t>(column) + 1];
  for (size_t i = 0; i < static_cast<size_t>(count); ++i) begin[i + 1] += begin[i];
  std::vector<int64_t> free(begin.begin(), begin.end() - 1);
  std::vector<int32_t> from(own.column.size());
  std::vector<float> back(own.column.size());
  for (int64_t i = 0; i < count; ++i)
    for (int64_t j = i * k; j < (i + 1) * k; ++j) {
      const auto at = static_cast<size_t>(free[static_cast<size_t>(own.column[static_cast<size_t>(j)])]++);
      from[at] = static_cast<int32_t>(i);
      back[at] = own.value[static_cast<size_t>(j)];
    }
  Affinities result;
  result.begin.assign(1, 0);
  result.column.reserve(own.column.size() * 2);
  result.value.reserve(own.column.size() * 2);
  const double scale = 1 / (2 * static_cast<double>(count));
  for (int64_t i = 0; i < count; ++i) {
    int64_t a = i * k, b = begin[static_cast<size_t>(i)];
    const int64_t a_end = a + k, b_end = begin[static_cast<size_t>(i) + 1];
    while (a < a_end || b < b_end) {
      const int32_t column_a = a < a_end ? own.column[static_cast<size_t>(a)] : INT32_MAX;
      const int32_t column_b = b < b_end ? from[static_cast<size_t>(b)] : INT32_MAX;
      double p = 0;
      if (column_a <= column_b) p += own.value[static_cast<size_t>(a++)];
      if (column_b <= column_a) p += back[static_cast<size_t>(b++)];
      result.column.push_back(std::min(column_a, column_b));
      result.value.push_back(static_cast<float>(p * scale));
    }
    result.begin.push_back(static_cast<int64_t>(result.column.size()));
  }
  return result;
}

}  // namespace fovea
