// Tensor data come in four forms: raw little-endian bytes, a typed list (int32_data also holds the bits of 16-bit
// floats), a range of our own file left out by onnx_wire.cpp, or a range of another file beside the model.
#include "fovea/formats/onnx_tensor.h"

#include <array>
#include <charconv>

namespace fovea {

namespace {

struct TypeName {
  std::string_view name;
  std::optional<DType> dtype;
};

// By data_type number.
constexpr std::array<TypeName, 27> kTypes{{
    {"UNDEFINED", {}},
    {"FLOAT", DType::f32},
    {"UINT8", DType::u8},
    {"INT8", DType::i8},
    {"UINT16", DType::u16},
    {"INT16", DType::i16},
    {"INT32", DType::i32},
    {"INT64", DType::i64},
    {"STRING", {}},
    {"BOOL", DType::boolean},
    {"FLOAT16", DType::f16},
    {"DOUBLE", DType::f64},
    {"UINT32", DType::u32},
    {"UINT64", DType::u64},
    {"COMPLEX64", {}},
    {"COMPLEX128", {}},
    {"BFLOAT16", DType::bf16},
    {"FLOAT8E4M3FN", {}},
    {"FLOAT8E4M3FNUZ", {}},
    {"FLOAT8E5M2", {}},
    {"FLOAT8E5M2FNUZ", {}},
    {"UINT4", {}},
    {"INT4", {}},
    {"FLOAT4E2M1", {}},
    {"FLOAT8E8M0", {}},
    {"UINT2", {}},
    {"INT2", {}},
}};

// One range of another file: what external_data says.
struct External {
  std::string location;
  uint64_t offset = 0;
  std::optional<uint64_t> length;
};

uint64_t number(const std::string& text, std::string_view key) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  require(error == std::errc() && end == text.data() + text.size(), ErrorKind::format,
          "external data: {} is \"{}\", expected a number", key, text);
  return value;
}

External external_of(const onnx::TensorProto& proto) {
  External result;
  for (const auto& entry : proto.external_data()) {
    if (entry.key() == "location") result.location = entry.value();
    else if (entry.key() == "offset") result.offset = number(entry.value(), "offset");
    else if (entry.key() == "length") result.length = number(entry.value(), "length");
  }
  require(!result.location.empty(), ErrorKind::format, "external data without a location");
  return result;
}

// The file must lie in the model's folder, after following links: a model may not read other files of the machine.
Bytes external_bytes(const onnx::TensorProto& proto, const TensorSource& source) {
  namespace fs = std::filesystem;
  const External external = external_of(proto);
  const fs::path relative(external.location);
  require(!source.folder.empty(), ErrorKind::unsupported, "external data \"{}\": the model does not come from a file",
          external.location);
  bool inside = relative.is_relative() && external.location.find('\0') == std::string::npos;
  for (const fs::path& part : relative) inside = inside && part != "..";
  require(inside, ErrorKind::format, "external data \"{}\" lie outside of the model's folder", external.location);
  std::error_code failed;
  const fs::path folder = fs::canonical(source.folder, failed);
  require(!failed, ErrorKind::io, "{}: {}", source.folder.string(), failed.message());
  const fs::path path = fs::canonical(folder / relative, failed);
  require(!failed, ErrorKind::io, "external data {}: {}", (source.folder / relative).string(), failed.message());
  const auto [end, rest] = std::mismatch(folder.begin(), folder.end(), path.begin(), path.end());
  require(end == folder.end(), ErrorKind::format, "external data \"{}\" lie outside of the model's folder",
          external.location);
  const Bytes file = Bytes::map(path);
  require(external.offset <= file.size() && external.length.value_or(0) <= file.size() - external.offset,
          ErrorKind::format, "external data {}: bytes {} + {} of a file of {}", path.string(), external.offset,
          external.length.value_or(0), file.size());
  return file.slice(external.offset, external.length.value_or(file.size() - external.offset));
}

// From a typed list whose entries convert to the element type one by one; 16-bit floats stand as their bits.
template <class List>
Tensor from_list(const List& list, DType dtype, const Shape& shape) {
  require(list.size() == shape.count(), ErrorKind::format, "{} values for shape {}", list.size(), to_string(shape));
  Tensor result(dtype, shape);
  dispatch(dtype, [&](auto tag) {
    using T = typename decltype(tag)::type;
    const auto data = result.data<T>();
    for (int i = 0; i < list.size(); ++i) {
      if constexpr (std::is_same_v<T, f16> || std::is_same_v<T, bf16>)
        data[static_cast<size_t>(i)].bits = static_cast<uint16_t>(list[i]);
      else data[static_cast<size_t>(i)] = static_cast<T>(list[i]);
    }
  });
  return result;
}

Tensor from_typed(const onnx::TensorProto& proto, DType dtype, const Shape& shape) {
  switch (dtype) {
    case DType::f32: return from_list(proto.float_data(), dtype, shape);
    case DType::f64: return from_list(proto.double_data(), dtype, shape);
    case DType::i64: return from_list(proto.int64_data(), dtype, shape);
    case DType::u32:
    case DType::u64: return from_list(proto.uint64_data(), dtype, shape);
    default: return from_list(proto.int32_data(), dtype, shape);
  }
}

Tensor from_bytes(const Bytes& bytes, DType dtype, const Shape& shape) {
  const size_t expected = static_cast<size_t>(shape.count()) * size_of(dtype);
  require(bytes.size() == expected, ErrorKind::format, "{} bytes for {}[{}], expected {}", bytes.size(),
          to_string(dtype), to_string(shape), expected);
  Tensor result = Tensor::over(bytes, dtype, shape);
  if (dtype == DType::boolean)
    for (int64_t i = 0; i < result.count(); ++i)
      require(static_cast<uint8_t>(bytes.data()[i]) <= 1, ErrorKind::format, "element {} is neither false nor true", i);
  return result;
}

Tensor read(const onnx::TensorProto& proto, const TensorSource& source) {
  const DType dtype = dtype_from_onnx(proto.data_type());
  const Shape shape(std::vector<int64_t>(proto.dims().begin(), proto.dims().end()));
  require(is_sane(shape, size_of(dtype)), ErrorKind::format, "shape {} has negative, overflowing or too many sizes",
          to_string(shape));
  if (proto.data_location() == 1) return from_bytes(external_bytes(proto, source), dtype, shape);
  if (proto.has_payload_size())
    return from_bytes(source.file.slice(proto.payload_offset(), proto.payload_size()), dtype, shape);
  if (proto.has_raw_data()) return from_bytes(Bytes::copy(proto.raw_data()), dtype, shape);
  return from_typed(proto, dtype, shape);
}

}  // namespace

std::string onnx_type_name(int data_type) {
  if (data_type < 0 || data_type >= static_cast<int>(kTypes.size())) return fmt::format("number {}", data_type);
  return std::string(kTypes[static_cast<size_t>(data_type)].name);
}

DType dtype_from_onnx(int data_type) {
  require(data_type > 0 && data_type < static_cast<int>(kTypes.size()), ErrorKind::format,
          "there is no element type {}", data_type);
  const TypeName& type = kTypes[static_cast<size_t>(data_type)];
  require(type.dtype.has_value(), ErrorKind::unsupported, "unsupported element type {}", type.name);
  return *type.dtype;
}

int dtype_to_onnx(DType dtype) {
  for (size_t i = 0; i < kTypes.size(); ++i)
    if (kTypes[i].dtype == dtype) return static_cast<int>(i);
  fail(ErrorKind::internal, "no ONNX type for {}", to_string(dtype));
}

Tensor tensor_from_onnx(const onnx::TensorProto& proto, const TensorSource& source) {
  try {
    return read(proto, source);
  } catch (const Error& error) { throw error.within(fmt::format("tensor \"{}\"", proto.name())); }
}

}  // namespace fovea
