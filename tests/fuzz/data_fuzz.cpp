// libFuzzer target: any bytes are a data set in IDX, CIFAR's files, a list or an archive, or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fovea/base/error.h"
#include "fovea/data/cifar.h"
#include "fovea/data/idx.h"
#include "fovea/data/label_list.h"
#include "fovea/data/open_dataset.h"
#include "fovea/formats/archive.h"

namespace {

constexpr size_t kLimit = size_t{1} << 24;

// Calls f, which may throw Error{format}, or one of the kinds that tell what an archive lacks.
template <class F>
void allowed(bool archive, F&& f) {
  try {
    f();
  } catch (const fovea::Error& error) {
    const bool lacks = error.kind() == fovea::ErrorKind::io || error.kind() == fovea::ErrorKind::usage;
    if (error.kind() != fovea::ErrorKind::format && !(archive && lacks)) __builtin_trap();
  }
}

// The first and the last picture of a set; their labels must be among its classes.
void look(const fovea::Dataset& data) {
  if (data.size() == 0) return;
  for (const int64_t i : {int64_t{0}, data.size() - 1}) {
    const int64_t label = data.get(i).label;
    if (label < 0 || label >= static_cast<int64_t>(data.classes().size())) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  const Bytes bytes = Bytes::copy({reinterpret_cast<const char*>(data), size}, "fuzz");
  const bool packed = is_compressed(bytes);
  allowed(false, [&] { parse_idx(bytes); });
  allowed(false, [&] { parse_label_list(bytes); });
  // A packed file may unpack to gigabytes; only those that stay small are read further.
  allowed(false, [&] {
    const Bytes plain = packed ? unpacked(bytes, kLimit) : bytes;
    look(Cifar({plain}, ""));
  });
  // The first half as pictures, the second as their labels.
  if (!packed)
    allowed(false, [&] { look(IdxDataset(bytes.slice(0, size / 2), bytes.slice(size / 2, size - size / 2), "")); });
  for (const char* split : {"test", "train"})
    allowed(true, [&] {
      if (is_archive(bytes)) look(*open_archive(bytes, {split}, kLimit));
    });
  return 0;
}
