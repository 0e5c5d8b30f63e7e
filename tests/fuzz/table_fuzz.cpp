// libFuzzer target: any bytes are a table in text, arrays in .npz, or an Error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fovea/base/error.h"
#include "fovea/data/arrays.h"
#include "fovea/data/text_table.h"

namespace {

template <class F>
void allowed(F&& f) {
  try {
    f();
  } catch (const fovea::Error& error) {
    if (error.kind() == fovea::ErrorKind::internal || error.kind() == fovea::ErrorKind::shape) __builtin_trap();
  }
}

void look(const fovea::Dataset& set) {
  for (const int64_t i : {int64_t{0}, set.size() - 1}) {
    const fovea::Sample sample = set.get(i);
    if (sample.label < 0 || sample.label >= static_cast<int64_t>(set.classes().size())) __builtin_trap();
    if (!sample.has_values() && sample.image.empty()) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  const Bytes bytes = Bytes::copy({reinterpret_cast<const char*>(data), size}, "fuzz");
  looks_like_table(bytes);
  for (const char* label : {"", "none", "1"})
    for (const char* header : {"auto", "no"}) allowed([&] { look(*read_text_table(bytes, {label, header, {}, ""})); });
  allowed([&] { look(*open_npz(bytes, "test")); });
  return 0;
}
