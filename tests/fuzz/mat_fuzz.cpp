// libFuzzer target: any bytes are a .mat file, a set in one, or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fovea/base/error.h"
#include "fovea/data/svhn.h"
#include "fovea/formats/mat_read.h"

namespace {

constexpr size_t kLimit = size_t{1} << 24;

template <class F>
void allowed(F&& f) {
  try {
    f();
  } catch (const fovea::Error& error) {
    if (error.kind() != fovea::ErrorKind::format && error.kind() != fovea::ErrorKind::unsupported) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  const Bytes bytes = Bytes::copy({reinterpret_cast<const char*>(data), size}, "fuzz");
  allowed([&] {
    for (const MatArray& array : read_mat(bytes, kLimit).arrays)
      if (array.tensor().bytes() != array.values.size()) __builtin_trap();
  });
  allowed([&] {
    const Svhn set(bytes, "", kLimit);
    if (set.size() > 0 && set.get(set.size() - 1).label != set.label(set.size() - 1)) __builtin_trap();
  });
  return 0;
}
