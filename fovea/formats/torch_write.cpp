// Source: torch/serialization.py (_save) and torch/_tensor.py (_reduce_ex_internal): a pickle of protocol 2 that makes
// OrderedDict of name → _rebuild_tensor_v2(storage, offset, sizes, strides, requires_grad, hooks).
#include "fovea/formats/torch_write.h"

#include <nlohmann/json.hpp>

#include "fovea/base/error.h"
#include "fovea/formats/tensor_bytes.h"
#include "fovea/formats/zip_file.h"

namespace fovea {

namespace {

constexpr std::string_view kRoot = "archive/";
constexpr size_t kAlignment = 64;

std::string_view storage_of(DType dtype, const std::string& name) {
  switch (dtype) {
    case DType::boolean: return "BoolStorage";
    case DType::i8: return "CharStorage";
    case DType::i16: return "ShortStorage";
    case DType::i32: return "IntStorage";
    case DType::i64: return "LongStorage";
    case DType::u8: return "ByteStorage";
    case DType::f16: return "HalfStorage";
    case DType::bf16: return "BFloat16Storage";
    case DType::f32: return "FloatStorage";
    case DType::f64: return "DoubleStorage";
    case DType::u16:
    case DType::u32:
    case DType::u64: break;
  }
  fail(ErrorKind::unsupported, "tensor \"{}\": a PyTorch checkpoint cannot hold {}; write .safetensors instead",
       shown(name), to_string(dtype));
}

class PickleWriter {
 public:
  void op(std::string_view bytes) { out_ += bytes; }
  void global(std::string_view module, std::string_view name) { out_ += fmt::format("c{}\n{}\n", module, name); }
  void text(std::string_view value) {
    out_ += 'X';
    little(value.size(), 4);
    out_ += value;
  }
  void integer(int64_t value) {
    if (value >= 0 && value < 256) {
      out_ += 'K';
      little(static_cast<uint64_t>(value), 1);
    } else if (value >= INT32_MIN && value <= INT32_MAX) {
      out_ += 'J';
      little(static_cast<uint64_t>(value), 4);
    } else {
      out_ += "\x8a\x08";
      little(static_cast<uint64_t>(value), 8);
    }
  }
  void integers(const std::vector<int64_t>& values) {
    out_ += '(';
    for (const int64_t value : values) integer(value);
    out_ += 't';
  }
  void empty_ordered_dict() {
    global("collections", "OrderedDict");
    out_ += ")R";
  }
  void tensor(const std::string& name, const Tensor& tensor, size_t key) {
    global("torch._utils", "_rebuild_tensor_v2");
    out_ += "((";
    text("storage");
    global("torch", storage_of(tensor.dtype(), name));
    text(std::to_string(key));
    text("cpu");
    integer(tensor.count());
    out_ += "tQ";
    integer(0);
    integers(tensor.shape());
    integers(tensor.shape().strides());
    out_ += '\x89';  // no gradient
    empty_ordered_dict();
    out_ += "tR";
  }
  std::string take() { return std::move(out_); }

 private:
  void little(uint64_t value, size_t bytes) {
    for (size_t k = 0; k < bytes; ++k) out_ += static_cast<char>(value >> (8 * k));
  }
  std::string out_;
};

std::span<const std::byte> bytes_of(std::string_view text) {
  return std::as_bytes(std::span(text.data(), text.size()));
}

}  // namespace

std::vector<std::byte> torch_bytes(const std::vector<std::pair<std::string, Tensor>>& tensors,
                                   const std::map<std::string, std::string>& metadata) {
  PickleWriter pickle;
  pickle.op("\x80\x02");
  pickle.empty_ordered_dict();
  pickle.op("(");
  for (size_t i = 0; i < tensors.size(); ++i) {
    pickle.text(tensors[i].first);
    pickle.tensor(tensors[i].first, tensors[i].second, i);
  }
  pickle.op("u.");
  ZipWriter zip;
  size_t size = size_t{1} << 16;
  for (const auto& [name, tensor] : tensors) size += tensor.bytes() + 4 * name.size() + 512;
  zip.reserve(size);
  const std::string root(kRoot);
  const std::string text = pickle.take();
  zip.add(root + "data.pkl", bytes_of(text), kAlignment);
  zip.add(root + "byteorder", bytes_of("little"), kAlignment);
  if (!metadata.empty()) {
    const std::string json = nlohmann::json(metadata).dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
    zip.add(root + "metadata.json", bytes_of(json), kAlignment);
  }
  for (size_t i = 0; i < tensors.size(); ++i) {
    const Tensor& tensor = tensors[i].second;
    zip.add(root + "data/" + std::to_string(i), {tensor.raw(), tensor.bytes()}, kAlignment);
  }
  zip.add(root + "version", bytes_of("3\n"), kAlignment);
  return zip.finish();
}

}  // namespace fovea
