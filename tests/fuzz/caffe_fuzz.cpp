// libFuzzer target: any bytes are a Model or an Error, and what is read can be written or is refused. A text is a
// prototxt, with weights behind a byte 0 where there is one; anything else is a caffemodel and a mean image.
#include <cstdint>

#include "fovea/formats/caffe_read.h"
#include "fovea/formats/caffe_write.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace fovea;
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const size_t end = bytes.find('\0');
  const Bytes text = Bytes::copy(bytes.substr(0, end));
  const auto attempt = [](auto read) {
    try {
      read();
    } catch (const Error&) {}
  };
  is_prototxt(text);
  is_caffemodel(Bytes::copy(bytes));
  attempt([&] { read_caffemodel(Bytes::copy(bytes)); });
  attempt([&] { read_binaryproto(Bytes::copy(bytes)); });
  attempt([&] {
    std::optional<Bytes> weights;
    if (end != std::string_view::npos) weights = Bytes::copy(bytes.substr(end + 1));
    const Model model = read_caffe(text, weights, {.initialise = false});
    to_caffe(model);
  });
  return 0;
}
