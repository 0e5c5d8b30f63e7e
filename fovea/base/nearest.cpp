#include "fovea/base/nearest.h"

#include <fmt/format.h>

#include <algorithm>

namespace fovea {

namespace {

// Levenshtein's distance, with neighbouring letters swapped counting as one.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> d(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) d[i][0] = i;
  for (size_t j = 0; j <= b.size(); ++j) d[0][j] = j;
  for (size_t i = 1; i <= a.size(); ++i)
    for (size_t j = 1; j <= b.size(); ++j) {
      d[i][j] = std::min({d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + (a[i - 1] != b[j - 1])});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
        d[i][j] = std::min(d[i][j], d[i - 2][j - 2] + 1);
    }
  return d[a.size()][b.size()];
}

}  // namespace

std::string nearest(std::string_view name, const std::vector<std::string>& names) {
  std::string best;
  size_t least = std::max<size_t>(2, name.size() / 3) + 1;
  if (name.size() > 200) return best;
  for (const std::string& candidate : names) {
    if (candidate.size() > 200) continue;
    const size_t d = distance(name, candidate);
    if (d < std::min(least, name.size())) least = d, best = candidate;
  }
  return best;
}

std::string did_you_mean(std::string_view name, const std::vector<std::string>& names) {
  const std::string best = nearest(name, names);
  return best.empty() ? "" : fmt::format("; did you mean \"{}\"?", best);
}

}  // namespace fovea
