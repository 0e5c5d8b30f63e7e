// Source: see safetensors_read.cpp.
#include "fovea/formats/safetensors_write.h"

#include <algorithm>
#include <cstring>
#include <nlohmann/json.hpp>

#include "fovea/base/error.h"

namespace fovea {

namespace {

std::string_view name_of(DType dtype) {
  switch (dtype) {
    case DType::boolean: return "BOOL";
    case DType::i8: return "I8";
    case DType::i16: return "I16";
    case DType::i32: return "I32";
    case DType::i64: return "I64";
    case DType::u8: return "U8";
    case DType::u16: return "U16";
    case DType::u32: return "U32";
    case DType::u64: return "U64";
    case DType::f16: return "F16";
    case DType::bf16: return "BF16";
    case DType::f32: return "F32";
    case DType::f64: return "F64";
  }
  fail(ErrorKind::internal, "no element type of safetensors for {}", to_string(dtype));
}

}  // namespace

std::vector<std::byte> safetensors_bytes(const std::vector<std::pair<std::string, Tensor>>& tensors,
                                         const std::map<std::string, std::string>& metadata) {
  std::vector<size_t> places(tensors.size()), offsets(tensors.size());
  for (size_t i = 0; i < places.size(); ++i) places[i] = i;
  std::ranges::stable_sort(places, std::greater{}, [&](size_t i) { return size_of(tensors[i].second.dtype()); });
  size_t size = 0;
  for (const size_t i : places) {
    offsets[i] = size;
    size += tensors[i].second.bytes();
  }
  nlohmann::ordered_json header = nlohmann::ordered_json::object();
  if (!metadata.empty()) header["__metadata__"] = metadata;
  for (size_t i = 0; i < tensors.size(); ++i) {
    const auto& [name, tensor] = tensors[i];
    require(name != "__metadata__", ErrorKind::unsupported, "no tensor of a safetensors file can be named {}", name);
    header[name] = {{"dtype", name_of(tensor.dtype())},
                    {"shape", std::vector<int64_t>(tensor.shape())},
                    {"data_offsets", {offsets[i], offsets[i] + tensor.bytes()}}};
  }
  std::string text;
  try {
    text = header.dump();
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::unsupported, "a name or the metadata cannot stand in a safetensors file: {}", error.what());
  }
  text.append((8 - text.size() % 8) % 8, ' ');
  require(text.size() <= 100'000'000, ErrorKind::unsupported, "the header of the safetensors file passes 100 MB");
  std::vector<std::byte> result(8 + text.size() + size);
  const uint64_t length = text.size();
  std::memcpy(result.data(), &length, 8);
  std::memcpy(result.data() + 8, text.data(), text.size());
  for (size_t i = 0; i < tensors.size(); ++i)
    if (tensors[i].second.bytes() > 0)
      std::memcpy(result.data() + 8 + text.size() + offsets[i], tensors[i].second.raw(), tensors[i].second.bytes());
  return result;
}

}  // namespace fovea
