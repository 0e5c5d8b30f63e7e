// Source: numpy/lib/format.py, version 1.0.
#include "fovea/formats/npy_write.h"

#include "fovea/base/error.h"
#include "fovea/formats/tensor_bytes.h"
#include "fovea/formats/zip_file.h"

namespace fovea {

namespace {

std::string_view element_of(DType dtype) {
  switch (dtype) {
    case DType::boolean: return "|b1";
    case DType::i8: return "|i1";
    case DType::i16: return "<i2";
    case DType::i32: return "<i4";
    case DType::i64: return "<i8";
    case DType::u8: return "|u1";
    case DType::u16: return "<u2";
    case DType::u32: return "<u4";
    case DType::u64: return "<u8";
    case DType::f16: return "<f2";
    case DType::f32: return "<f4";
    case DType::f64: return "<f8";
    case DType::bf16: break;
  }
  fail(ErrorKind::internal, "no element of NumPy for {}", to_string(dtype));
}

}  // namespace

std::string npy_head(DType dtype, const Shape& shape) {
  constexpr size_t kAlignment = 64, kPrefix = 10;
  std::string text = fmt::format("{{'descr': '{}', 'fortran_order': False, 'shape': ({}{}), }}", element_of(dtype),
                                 fmt::join(shape, ", "), shape.rank() == 1 ? "," : "");
  text.append((kAlignment - (kPrefix + text.size() + 1) % kAlignment) % kAlignment, ' ');
  text += '\n';
  std::string head = "\x93NUMPY\x01";
  head += '\0';
  head += static_cast<char>(text.size() & 255);
  head += static_cast<char>(text.size() >> 8);
  return head + text;
}

std::vector<std::byte> npy_bytes(const Tensor& tensor) {
  if (tensor.dtype() == DType::bf16) return npy_bytes(tensor.cast(DType::f32));
  const std::string head = npy_head(tensor.dtype(), tensor.shape());
  const auto* begin = reinterpret_cast<const std::byte*>(head.data());
  std::vector<std::byte> result(begin, begin + head.size());
  result.insert(result.end(), tensor.raw(), tensor.raw() + tensor.bytes());
  return result;
}

std::vector<std::byte> npz_bytes(const std::vector<std::pair<std::string, Tensor>>& tensors) {
  ZipWriter zip;
  for (const auto& [name, tensor] : tensors) {
    const bool outside = name.empty() || name.front() == '/' || name.find("..") != name.npos ||
                         name.find('\\') != name.npos || name.find('\0') != name.npos;
    require(!outside, ErrorKind::unsupported, "the name \"{}\" cannot stand in a .npz file", shown(name));
    zip.add(name + ".npy", npy_bytes(tensor), 64);
  }
  return zip.finish();
}

}  // namespace fovea
