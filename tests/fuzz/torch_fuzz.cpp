// libFuzzer target: any bytes are a checkpoint's tensors or an Error, and what is read can be written.
#include <cstdint>

#include "fovea/formats/torch_read.h"
#include "fovea/formats/torch_write.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  try {
    const WeightsFile file = read_torch(Bytes::copy({reinterpret_cast<const char*>(data), size}));
    std::vector<std::pair<std::string, Tensor>> tensors;
    size_t bytes = 0;
    for (const std::string& name : file.order) {
      tensors.emplace_back(name, file.weights.at(name));
      bytes += tensors.back().second.bytes();
    }
    if (bytes < (size_t{1} << 24)) torch_bytes(tensors, file.metadata);
  } catch (const Error&) {}
  return 0;
}
