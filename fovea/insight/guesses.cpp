#include "fovea/insight/guesses.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "fovea/model/labels.h"

namespace fovea {

std::vector<double> probabilities_of(const Tensor& scores, bool already) {
  std::vector<double> p = scores.to_doubles();
  if (already || p.empty()) return p;
  const double highest = *std::max_element(p.begin(), p.end());
  double sum = 0;
  for (double& v : p) sum += v = std::exp(v - highest);
  for (double& v : p) v /= sum;
  return p;
}

std::vector<Guess> best_guesses(const Tensor& scores, const Meaning& meaning, int64_t count) {
  const std::vector<double> p = probabilities_of(scores, meaning.probabilities);
  std::vector<size_t> order(p.size());
  std::iota(order.begin(), order.end(), size_t{0});
  const auto n = static_cast<size_t>(std::clamp<int64_t>(count, 0, static_cast<int64_t>(p.size())));
  const auto before = [&](size_t a, size_t b) {
    const double pa = std::isnan(p[a]) ? -1 : p[a], pb = std::isnan(p[b]) ? -1 : p[b];
    return pa != pb ? pa > pb : a < b;
  };
  std::partial_sort(order.begin(), order.begin() + static_cast<std::ptrdiff_t>(n), order.end(), before);
  std::vector<Guess> result;
  for (size_t i = 0; i < n; ++i) {
    const auto index = static_cast<int64_t>(order[i]);
    result.push_back({index, class_name(meaning.classes, index), p[order[i]], scores.at(index)});
  }
  return result;
}

}  // namespace fovea
