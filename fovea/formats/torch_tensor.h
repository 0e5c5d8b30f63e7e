// What a checkpoint's pickle describes (a storage, an offset, sizes, strides) → Tensor.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "fovea/formats/torch_pickle.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

// Makes tensors from storages; views that are not contiguous are made so, equal storages are shared.
class TorchTensors {
 public:
  // The raw little-endian bytes of a storage that should hold so many bytes; throws Error when the file has none such.
  using Fetch = std::function<Bytes(const PickleStorage&, size_t bytes)>;

  // `swap`: the storages are big-endian.
  TorchTensors(const Bytes& file, Fetch fetch, bool swap = false);

  // The tensor or array of the heap. Throws Error{format} when it leaves its storage, Error{unsupported} for element
  // types that fovea does not store; and Error{format} when views take far more memory than the file has bytes.
  Tensor make(const PickleHeap& heap, PickleRef ref);

 private:
  Bytes storage(const PickleStorage& storage, size_t element);
  Tensor view(const PickleTensor& tensor, const Bytes& bytes, DType dtype);
  void spend(size_t bytes);

  Fetch fetch_;
  bool swap_;
  size_t copies_left_;
  std::map<std::pair<std::string, size_t>, Bytes> swapped_;
};

// The element type of "FloatStorage"; Error{unsupported} for complex and quantised ones.
DType dtype_of_storage(std::string_view type);
// Bytes of an element of any storage class, also of those without a dtype here.
size_t element_of_storage(std::string_view type);
// The element type of torch.float32, named "float32" or as an alias.
DType dtype_of_torch(std::string_view name);

}  // namespace fovea
