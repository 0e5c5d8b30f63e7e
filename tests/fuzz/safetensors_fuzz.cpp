// libFuzzer target: any bytes are tensors or an Error, and what is read comes back from what is written.
#include <cstdint>

#include "fovea/formats/safetensors_read.h"
#include "fovea/formats/safetensors_write.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  try {
    const WeightsFile file = read_safetensors(Bytes::copy({reinterpret_cast<const char*>(data), size}));
    std::vector<std::pair<std::string, Tensor>> tensors;
    for (const std::string& name : file.order) tensors.emplace_back(name, file.weights.at(name));
    const WeightsFile again = read_safetensors(Bytes::own(safetensors_bytes(tensors, file.metadata)));
    if (again.order != file.order || again.metadata != file.metadata) __builtin_trap();
    for (const auto& [name, tensor] : file.weights)
      if (!again.weights.at(name).same_bits(tensor)) __builtin_trap();
  } catch (const Error&) {}
  return 0;
}
