#include "fovea/graph/op.h"

namespace fovea {

const Type& Inference::type(size_t i) const {
  require(has(i), ErrorKind::shape, "input {} is missing", i);
  return *types[i];
}

std::vector<int64_t> Inference::ints(size_t i, std::string_view what) const {
  type(i);
  require(known[i] != nullptr, ErrorKind::unsupported,
          "{} is computed at run time; it must be known when the network is compiled (bind its value)", what);
  return known[i]->to_ints();
}

std::vector<double> Inference::doubles(size_t i, std::string_view what) const {
  type(i);
  require(known[i] != nullptr, ErrorKind::unsupported,
          "{} is computed at run time; it must be known when the network is compiled (bind its value)", what);
  return known[i]->to_doubles();
}

}  // namespace fovea
