#include "fovea/data/first_sample.h"

#include "fovea/base/error.h"

namespace fovea {

Sample first_sample(const Dataset& set, bool skip_broken) {
  require(set.size() > 0, ErrorKind::usage, "the set has no samples");
  for (int64_t i = 0; skip_broken && i < set.size(); ++i) {
    try {
      return set.get(i);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::io && error.kind() != ErrorKind::format) throw;
    }
  }
  return set.get(0);
}

}  // namespace fovea
