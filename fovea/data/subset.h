// Parts of a set, and a set in another order. Both are sets that read the first one when they are read.
#pragma once

#include <memory>

#include "fovea/data/dataset.h"

namespace fovea {

// The samples of a set with the given indices, in that order; one may come several times.
class Subset : public Dataset {
 public:
  // Throws Error{usage} for an index outside [0, set->size()). `what` follows the set's description in brackets.
  Subset(std::shared_ptr<const Dataset> set, std::vector<int64_t> indices, std::string what = {});

  int64_t size() const override { return static_cast<int64_t>(indices_.size()); }
  Sample get(int64_t index) const override { return set_->get(original(index)); }
  int64_t label(int64_t index) const override { return set_->label(original(index)); }
  const std::vector<std::string>& classes() const override { return set_->classes(); }
  std::vector<std::string> features() const override { return set_->features(); }
  std::string name(int64_t index) const override { return set_->name(original(index)); }
  std::string description() const override;
  // The sample's index in the set that this is a part of. Throws Error{usage} for an index outside [0, size()).
  int64_t original(int64_t index) const;

 private:
  std::shared_ptr<const Dataset> set_;
  std::vector<int64_t> indices_;
  std::string what_;
};

// 0 .. count - 1 in an order that depends on the count, the key and the epoch only; every order is as likely as any
// other (Fisher-Yates; Knuth, "The art of computer programming", volume 2, algorithm 3.4.2P).
std::vector<int64_t> shuffled_order(int64_t count, uint64_t key, int64_t epoch);

// The whole set in the order of a key and an epoch.
Subset shuffled(std::shared_ptr<const Dataset> set, uint64_t key, int64_t epoch = 0);

// At most `count` samples from `first` on: what "--limit" means. Throws Error{usage} for negative numbers.
Subset slice(std::shared_ptr<const Dataset> set, int64_t first, int64_t count);

}  // namespace fovea
