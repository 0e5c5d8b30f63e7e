// libFuzzer target: any bytes are a Model or an Error, and what is read can be written or is refused.
#include <cstdint>

#include "fovea/formats/onnx_read.h"
#include "fovea/formats/onnx_write.h"
#include "fovea/graph/op.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  try {
    const Model model = read_onnx(Bytes::copy({reinterpret_cast<const char*>(data), size}));
    size_t bytes = 0;
    for (int i = 0; i < model.graph.size(); ++i)
      if (model.graph.node(i).op->name == "constant") bytes += model.graph.node(i).outputs[0].bytes();
    if (bytes < (size_t{1} << 24)) write_onnx(model);
  } catch (const Error&) {}
  return 0;
}
