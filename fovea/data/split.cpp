// Seats by largest remainders: part k of a class with n samples gets floor(n s_k), and the samples left over go, one a
// part, to the parts with the greatest n s_k - floor(n s_k) + what earlier classes still owe them. Source: the method
// of Hamilton; M. Balinski and H. Young, "Fair representation" (2001), with the debts carried over from class to class.
#include "fovea/data/split.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <numeric>

#include "fovea/base/error.h"
#include "fovea/base/rng.h"

namespace fovea {

namespace {

std::vector<double> normalised_shares(const std::vector<double>& shares) {
  require(shares.size() >= 2, ErrorKind::usage, "a set is split into two parts or more, not {}", shares.size());
  for (const double share : shares)
    require(std::isfinite(share) && share > 0, ErrorKind::usage, "a part of a set cannot have the share {}", share);
  const double sum = std::accumulate(shares.begin(), shares.end(), 0.0);
  require(std::isfinite(sum), ErrorKind::usage, "the shares are too great: their sum is {}", sum);
  std::vector<double> result;
  for (const double share : shares) result.push_back(share / sum);
  return result;
}

// How many of n samples each part gets; debts: what each part is behind, brought up to date.
std::vector<int64_t> apportioned(int64_t n, const std::vector<double>& shares, std::vector<double>& debts) {
  std::vector<int64_t> counts;
  int64_t left = n;
  for (const double share : shares) {
    // 1e-9 n: a share such as 0.1 is not exact, and 10 samples must count as one whole one.
    counts.push_back(static_cast<int64_t>(std::floor(static_cast<double>(n) * (share + 1e-9))));
    left -= counts.back();
  }
  std::vector<size_t> parts(shares.size());
  std::iota(parts.begin(), parts.end(), size_t{0});
  const auto claim = [&](size_t k) {
    return static_cast<double>(n) * shares[k] - static_cast<double>(counts[k]) + debts[k];
  };
  std::vector<double> claims;
  for (const size_t k : parts) claims.push_back(claim(k));
  std::stable_sort(parts.begin(), parts.end(), [&](size_t a, size_t b) { return claims[a] > claims[b]; });
  for (size_t i = 0; left > 0; i = (i + 1) % parts.size(), --left) ++counts[parts[i]];
  for (int64_t& count : counts)
    if (count == 0) {
      --*std::max_element(counts.begin(), counts.end());
      count = 1;
    }
  for (size_t k = 0; k < shares.size(); ++k) debts[k] = claim(k);
  return counts;
}

}  // namespace

std::vector<std::vector<int64_t>> stratified_parts(const std::vector<int64_t>& labels,
                                                   const std::vector<std::string>& class_names,
                                                   const std::vector<double>& shares, uint64_t key) {
  const std::vector<double> share = normalised_shares(shares);
  std::map<int64_t, std::vector<int64_t>> members;
  for (size_t i = 0; i < labels.size(); ++i) members[labels[i]].push_back(static_cast<int64_t>(i));
  const double least_share = *std::min_element(share.begin(), share.end());
  const double least =
      std::max(static_cast<double>(share.size()), std::ceil(0.5 / least_share - 1e-9));  // as a double: may be huge
  std::vector<std::vector<int64_t>> parts(share.size());
  std::vector<double> debts(share.size(), 0.0);
  for (auto& entry : members) {
    const int64_t label = entry.first;
    std::vector<int64_t>& indices = entry.second;
    const bool named = label >= 0 && label < static_cast<int64_t>(class_names.size());
    const std::string name =
        named ? fmt::format("{} ({})", label, class_names[static_cast<size_t>(label)]) : fmt::format("{}", label);
    require(
        static_cast<double>(indices.size()) >= least, ErrorKind::usage,
        "class {} has {} samples, too few for {} parts of which the smallest is {:.4g} % of the set: at least {:.0f} "
        "are needed",
        name, indices.size(), share.size(), 100 * least_share, least);
    const std::vector<int64_t> counts = apportioned(static_cast<int64_t>(indices.size()), share, debts);
    const uint64_t class_key = Rng(key).fork("split").fork(static_cast<uint64_t>(label)).key();
    const std::vector<int64_t> order = shuffled_order(static_cast<int64_t>(indices.size()), class_key, 0);
    size_t next = 0;
    for (size_t k = 0; k < parts.size(); ++k)
      for (int64_t i = 0; i < counts[k]; ++i) parts[k].push_back(indices[static_cast<size_t>(order[next++])]);
  }
  for (auto& part : parts) std::sort(part.begin(), part.end());
  return parts;
}

std::vector<Subset> stratified_split(std::shared_ptr<const Dataset> set, const std::vector<double>& shares,
                                     uint64_t key) {
  std::vector<int64_t> labels(static_cast<size_t>(set->size()));
  for (size_t i = 0; i < labels.size(); ++i) labels[i] = set->label(static_cast<int64_t>(i));
  std::vector<Subset> result;
  for (auto& part : stratified_parts(labels, set->classes(), shares, key)) {
    std::string what = fmt::format("part {} of {}", result.size() + 1, shares.size());
    result.emplace_back(set, std::move(part), std::move(what));
  }
  return result;
}

}  // namespace fovea
