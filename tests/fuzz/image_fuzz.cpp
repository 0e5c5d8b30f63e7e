// libFuzzer target: any bytes are a picture or an Error{format}.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "fovea/base/error.h"
#include "fovea/image/codec.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  try {
    fovea::decode_image(fovea::Bytes::copy({reinterpret_cast<const char*>(data), size}, "fuzz"));
  } catch (const fovea::Error& error) {
    if (error.kind() != fovea::ErrorKind::format) __builtin_trap();
  }
  return 0;
}
