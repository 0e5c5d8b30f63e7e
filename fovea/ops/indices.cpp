#include "fovea/ops/indices.h"

namespace fovea {

namespace {

std::vector<int64_t> normal(const Tensor& indices, int64_t size, ErrorKind kind) {
  std::vector<int64_t> result = indices.to_ints();
  for (int64_t& index : result) {
    require(index >= -size && index < size, kind, "index {} is outside of an axis of size {}", index, size);
    if (index < 0) index += size;
  }
  return result;
}

}  // namespace

void check_indices(const Inference& in, size_t i, int64_t size) {
  require(in.dtype(i) == DType::i32 || in.dtype(i) == DType::i64, ErrorKind::type,
          "indices are {}, expected i32 or i64", to_string(in.dtype(i)));
  if (in.known[i]) normal(*in.known[i], size, ErrorKind::shape);
}

std::vector<int64_t> normal_indices(const Tensor& indices, int64_t size) {
  return normal(indices, size, ErrorKind::usage);
}

}  // namespace fovea
