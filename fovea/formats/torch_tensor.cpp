// Element i of a view lies at offset + Σ index_k · stride_k of its storage, in elements. Source: torch/_utils.py,
// _rebuild_tensor.
#include "fovea/formats/torch_tensor.h"

#include <algorithm>
#include <array>
#include <cstring>

#include "fovea/base/error.h"
#include "fovea/formats/npy_read.h"
#include "fovea/formats/tensor_bytes.h"

namespace fovea {

namespace {

// Views that need a copy may take this much together: a floor, and a multiple of the file.
constexpr size_t kCopiesFloor = size_t{64} << 20;
constexpr size_t kCopiesRatio = 16;

// The storage element one past the last that the view touches; -1 when that overflows or a stride is negative.
int64_t reach(const PickleTensor& tensor) {
  constexpr int64_t kLimit = int64_t{1} << 56;
  int64_t last = tensor.offset;
  if (last < 0 || last > kLimit) return -1;
  for (size_t axis = 0; axis < tensor.shape.size(); ++axis) {
    const int64_t steps = tensor.shape[axis] - 1, stride = tensor.strides[axis];
    if (stride < 0 || (stride > 0 && steps > (kLimit - last) / stride)) return -1;
    last += steps * stride;
  }
  return last + 1;
}

bool is_contiguous(const PickleTensor& tensor) {
  int64_t expected = 1;
  for (size_t axis = tensor.shape.size(); axis-- > 0;) {
    if (tensor.shape[axis] != 1 && tensor.strides[axis] != expected) return false;
    expected *= tensor.shape[axis];
  }
  return true;
}

template <class T>
void gather(const PickleTensor& view, const std::byte* source, int64_t count, std::byte* target) {
  const size_t rank = view.shape.size();
  std::vector<int64_t> index(rank, 0);
  int64_t at = view.offset;
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(target + static_cast<size_t>(i) * sizeof(T), source + static_cast<size_t>(at) * sizeof(T), sizeof(T));
    for (size_t axis = rank; axis-- > 0;) {
      at += view.strides[axis];
      if (++index[axis] < view.shape[axis]) break;
      at -= index[axis] * view.strides[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace

DType dtype_of_torch(std::string_view name) {
  constexpr std::pair<std::string_view, DType> kTypes[] = {
      {"float32", DType::f32}, {"float", DType::f32},  {"float64", DType::f64},   {"double", DType::f64},
      {"float16", DType::f16}, {"half", DType::f16},   {"bfloat16", DType::bf16}, {"int64", DType::i64},
      {"long", DType::i64},    {"int32", DType::i32},  {"int", DType::i32},       {"int16", DType::i16},
      {"short", DType::i16},   {"int8", DType::i8},    {"uint8", DType::u8},      {"uint16", DType::u16},
      {"uint32", DType::u32},  {"uint64", DType::u64}, {"bool", DType::boolean}};
  for (const auto& [known, dtype] : kTypes)
    if (name == known) return dtype;
  fail(ErrorKind::unsupported, "unsupported element type torch.{}", shown(name));
}

DType dtype_of_storage(std::string_view type) {
  constexpr std::pair<std::string_view, DType> kTypes[] = {
      {"FloatStorage", DType::f32},     {"DoubleStorage", DType::f64}, {"HalfStorage", DType::f16},
      {"BFloat16Storage", DType::bf16}, {"LongStorage", DType::i64},   {"IntStorage", DType::i32},
      {"ShortStorage", DType::i16},     {"CharStorage", DType::i8},    {"ByteStorage", DType::u8},
      {"BoolStorage", DType::boolean},  {"UntypedStorage", DType::u8}, {"_UntypedStorage", DType::u8}};
  for (const auto& [known, dtype] : kTypes)
    if (type == known) return dtype;
  fail(ErrorKind::unsupported, "unsupported elements: torch.{}", shown(type));
}

size_t element_of_storage(std::string_view type) {
  if (type == "ComplexDoubleStorage") return 16;
  if (type == "ComplexFloatStorage") return 8;
  if (type == "QInt32Storage") return 4;
  if (type.starts_with("Q")) return 1;
  return size_of(dtype_of_storage(type));
}

TorchTensors::TorchTensors(const Bytes& file, Fetch fetch, bool swap)
    : fetch_(std::move(fetch)), swap_(swap), copies_left_(kCopiesFloor + kCopiesRatio * file.size()) {}

void TorchTensors::spend(size_t bytes) {
  require(bytes <= copies_left_, ErrorKind::format,
          "it takes {} bytes as a copy, and all copied views together far more than the file holds", bytes);
  copies_left_ -= bytes;
}

// The bytes of a storage, or of a legacy view on one, in this machine's order for elements of that size.
Bytes TorchTensors::storage(const PickleStorage& storage, size_t element) {
  constexpr int64_t kLimit = int64_t{1} << 46;
  const size_t own = element_of_storage(storage.type);
  require(storage.count >= 0 && storage.count <= kLimit, ErrorKind::format, "storage \"{}\" has {} elements",
          shown(storage.key), storage.count);
  Bytes bytes;
  const std::pair key(storage.key, element);
  if (const auto found = swapped_.find(key); found != swapped_.end()) {
    bytes = found->second;
  } else {
    bytes = fetch_(storage, static_cast<size_t>(storage.count) * own);
    if (swap_ && element > 1) bytes = swapped_[key] = swapped(bytes, element);
  }
  if (storage.view < 0) return bytes;
  require(storage.offset >= 0 && storage.offset <= storage.count && storage.view <= storage.count - storage.offset,
          ErrorKind::format, "a view of {} elements at {} leaves the storage \"{}\" of {}", storage.view,
          storage.offset, shown(storage.key), storage.count);
  return bytes.slice(static_cast<size_t>(storage.offset) * own, static_cast<size_t>(storage.view) * own);
}

Tensor TorchTensors::view(const PickleTensor& tensor, const Bytes& bytes, DType dtype) {
  const Shape shape(tensor.shape);
  const size_t element = size_of(dtype);
  require(is_sane(shape, element), ErrorKind::format, "the shape {} cannot be", to_string(shape));
  const int64_t count = shape.count(), end = count == 0 ? 0 : reach(tensor);
  const auto room = static_cast<int64_t>(bytes.size() / element);
  require(end >= 0 && end <= room, ErrorKind::format,
          "shape {}, strides {}, offset {} lead outside of its storage of {} elements", to_string(shape),
          fmt::join(tensor.strides, ","), tensor.offset, room);
  if (count == 0) return Tensor(dtype, shape);
  const size_t size = static_cast<size_t>(count) * element;
  if (is_contiguous(tensor)) {
    const Bytes part = bytes.slice(static_cast<size_t>(tensor.offset) * element, size);
    if (reinterpret_cast<uintptr_t>(part.data()) % element != 0) spend(size);
    return tensor_over(part, dtype, shape);
  }
  spend(size);
  std::vector<std::byte> copy(size);
  switch (element) {
    case 1: gather<uint8_t>(tensor, bytes.data(), count, copy.data()); break;
    case 2: gather<uint16_t>(tensor, bytes.data(), count, copy.data()); break;
    case 4: gather<uint32_t>(tensor, bytes.data(), count, copy.data()); break;
    default: gather<uint64_t>(tensor, bytes.data(), count, copy.data()); break;
  }
  return tensor_over(Bytes::own(std::move(copy), bytes.label()), dtype, shape);
}

Tensor TorchTensors::make(const PickleHeap& heap, PickleRef ref) {
  if (heap[ref].kind == PickleKind::array) {
    const PickleArray& array = heap.array(ref);
    spend(2 * array.data.size());
    return tensor_from_numpy(Bytes::copy(array.data, heap.file().label()), array.element, Shape(array.shape),
                             array.fortran);
  }
  const PickleTensor& tensor = heap.tensor(ref);
  const PickleStorage& source = heap.storage(tensor.storage);
  const DType dtype = tensor.dtype.empty() ? dtype_of_storage(source.type) : dtype_of_torch(tensor.dtype);
  return view(tensor, storage(source, size_of(dtype)), dtype);
}

}  // namespace fovea
