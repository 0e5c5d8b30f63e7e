#include "fovea/formats/open.h"

#include "fovea/base/error.h"
#include "fovea/formats/onnx_wire.h"

namespace fovea {

namespace {

// A little-endian length, then a JSON object.
bool is_safetensors(std::string_view text) {
  if (text.size() < 10 || text[8] != '{') return false;
  uint64_t size = 0;
  std::memcpy(&size, text.data(), 8);
  return size <= text.size() - 8;
}

// The kinds of model files that are known by sight; null for others.
const char* other_kind(const Bytes& file, const std::filesystem::path& path) {
  const std::string_view text = file.view();
  const std::string extension = path.extension().string();
  if (text.starts_with("PK\x03\x04")) return "a zip archive, as PyTorch checkpoints (.pth, .pt) are";
  if (text.starts_with("\x80\x02")) return "an old PyTorch checkpoint (a pickle)";
  if (is_safetensors(text)) return "a safetensors file";
  if (text.starts_with("\x89HDF")) return "an HDF5 file, as Keras models are";
  if (text.size() > 8 && text.substr(4, 4) == "TFL3") return "a TensorFlow Lite model";
  if (extension == ".caffemodel" || extension == ".prototxt") return "a Caffe model";
  return nullptr;
}

}  // namespace

Model open_model(const std::filesystem::path& path, const OpenOptions& options) {
  const Bytes file = Bytes::map(path);
  require(!file.empty(), ErrorKind::format, "{}: the file is empty", path.string());
  if (const char* kind = other_kind(file, path))
    fail(ErrorKind::unsupported, "{} is {}; fovea reads ONNX for now", path.string(), kind);
  return read_onnx(file, options.onnx);
}

}  // namespace fovea
