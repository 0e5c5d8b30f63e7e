// A set taken apart so that every part has the classes in the same proportions.
#pragma once

#include "fovea/data/subset.h"

namespace fovea {

// The indices of the samples of each part, ascending. shares: how large the parts are to one another, in any unit
// ({0.9, 0.1} or {9, 1}); class_names may be empty. Every sample is in exactly one part. Of a class with n samples a
// part with the share s has n s rounded up or down, and at least one; what rounding leaves is given to the parts that
// are most behind, so that the parts' sizes keep their proportions too. Which samples these are depends on the key and
// the labels only. Classes without samples are left out of account. Throws Error{usage} for fewer than two shares or
// one that is not positive, and naming the class that has too few samples: fewer than parts, or so few that half a
// sample would not be due to the smallest part.
std::vector<std::vector<int64_t>> stratified_parts(const std::vector<int64_t>& labels,
                                                   const std::vector<std::string>& class_names,
                                                   const std::vector<double>& shares, uint64_t key);

// The parts as sets. Reads every label (see Dataset::label), and throws what that throws.
std::vector<Subset> stratified_split(std::shared_ptr<const Dataset> set, const std::vector<double>& shares,
                                     uint64_t key);

}  // namespace fovea
