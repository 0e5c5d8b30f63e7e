#include "fovea/data/subset.h"

#include <algorithm>
#include <numeric>

#include "fovea/base/error.h"
#include "fovea/base/rng.h"

namespace fovea {

Subset::Subset(std::shared_ptr<const Dataset> set, std::vector<int64_t> indices, std::string what)
    : set_(std::move(set)), indices_(std::move(indices)), what_(std::move(what)) {
  const int64_t count = set_->size();
  for (const int64_t index : indices_)
    require(index >= 0 && index < count, ErrorKind::usage, "there is no sample {} of {}", index, count);
}

int64_t Subset::original(int64_t index) const {
  require(index >= 0 && index < size(), ErrorKind::usage, "there is no sample {} of {}", index, size());
  return indices_[static_cast<size_t>(index)];
}

std::string Subset::description() const {
  const std::string whole = set_->description();
  if (what_.empty()) return whole;
  return whole.empty() ? what_ : fmt::format("{} ({})", whole, what_);
}

std::vector<int64_t> shuffled_order(int64_t count, uint64_t key, int64_t epoch) {
  require(count >= 0, ErrorKind::usage, "{} samples cannot be shuffled", count);
  std::vector<int64_t> order(static_cast<size_t>(count));
  std::iota(order.begin(), order.end(), int64_t{0});
  const Rng rng = Rng(key).fork("shuffle").fork(static_cast<uint64_t>(epoch));
  for (uint64_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[rng.below(i, i)]);
  return order;
}

Subset shuffled(std::shared_ptr<const Dataset> set, uint64_t key, int64_t epoch) {
  const int64_t count = set->size();
  return {std::move(set), shuffled_order(count, key, epoch), "shuffled"};
}

Subset slice(std::shared_ptr<const Dataset> set, int64_t first, int64_t count) {
  require(first >= 0 && count >= 0, ErrorKind::usage, "a set has no {} samples from number {} on", count, first);
  first = std::min(first, set->size());
  std::vector<int64_t> indices(static_cast<size_t>(std::min(count, set->size() - first)));
  std::iota(indices.begin(), indices.end(), first);
  std::string what = fmt::format("{} from {} on", indices.size(), first);
  return {std::move(set), std::move(indices), std::move(what)};
}

}  // namespace fovea
