// libFuzzer target: any bytes are arrays (.npy, .npz) or an Error, and what is read comes back from what is written.
#include <cstdint>

#include "fovea/formats/npy_read.h"
#include "fovea/formats/npy_write.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  const Bytes bytes = Bytes::copy({reinterpret_cast<const char*>(data), size});
  try {
    if (is_npy(bytes)) {
      const Tensor tensor = read_npy(bytes);
      if (!read_npy(Bytes::own(npy_bytes(tensor))).same_bits(tensor)) __builtin_trap();
    } else {
      read_npz(bytes);
    }
  } catch (const Error&) {}
  return 0;
}
