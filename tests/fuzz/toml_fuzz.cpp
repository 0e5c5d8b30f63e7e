// libFuzzer target: any bytes are a network, a recipe, or an Error; what is read can be written and reads back equal.
#include <cstdint>
#include <cstdlib>

#include "fovea/formats/network_description.h"
#include "fovea/train/recipe_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  const Bytes file = Bytes::copy({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
  try {
    const std::string written = write_toml(read_toml(file));
    if (write_toml(read_toml(Bytes::copy(written))) != written) std::abort();
  } catch (const Error&) {}
  try {
    read_network_description(file);
  } catch (const Error&) {}
  try {
    const std::string written = write_run_description(read_run_description(file));
    if (write_run_description(read_run_description(Bytes::copy(written))) != written) std::abort();
  } catch (const Error&) {}
  return 0;
}
