// A .npy file: "\x93NUMPY", version (2 bytes), length of the header (u16, from version 2 on u32), the header — the text
// of a Python dictionary with the keys descr, fortran_order and shape — and the elements.
// Source: numpy/lib/format.py.
#include "fovea/formats/npy_read.h"

#include <algorithm>
#include <charconv>
#include <cstring>
#include <optional>

#include "fovea/base/error.h"
#include "fovea/formats/tensor_bytes.h"
#include "fovea/formats/zip_file.h"

namespace fovea {

namespace {

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMostHeader = size_t{1} << 20;

struct Header {
  std::optional<std::string> element;
  std::optional<bool> fortran;
  std::optional<Shape> shape;
};

// A literal parser for that one dictionary.
class HeaderReader {
 public:
  explicit HeaderReader(std::string_view text) : text_(text) {}

  Header read() {
    Header header;
    expect('{');
    while (!accept('}')) {
      const std::string key = quoted();
      expect(':');
      if (key == "descr" && !header.element) header.element = element();
      else if (key == "fortran_order" && !header.fortran) header.fortran = boolean();
      else if (key == "shape" && !header.shape) header.shape = shape();
      else fail(ErrorKind::format, "the header has the key \"{}\", unknown or twice", shown(key));
      if (!accept(',') && !at('}')) fault("a comma");
    }
    skip();
    if (at_ != text_.size()) fault("the end");
    require(header.element && header.fortran && header.shape, ErrorKind::format,
            "the header lacks one of descr, fortran_order, shape");
    return header;
  }

 private:
  [[noreturn]] void fault(std::string_view expected) const {
    fail(ErrorKind::format, "byte {} of the header: {} is expected", at_, expected);
  }
  void skip() {
    while (at_ < text_.size() && std::string_view(" \t\r\n").find(text_[at_]) != std::string_view::npos) ++at_;
  }
  bool at(char c) {
    skip();
    return at_ < text_.size() && text_[at_] == c;
  }
  bool accept(char c) {
    if (!at(c)) return false;
    ++at_;
    return true;
  }
  void expect(char c) {
    if (!accept(c)) fault(fmt::format("'{}'", c));
  }
  std::string quoted() {
    const char quote = at('"') ? '"' : '\'';
    expect(quote);
    const size_t end = text_.find(quote, at_);
    if (end == text_.npos) fault("a closing quote");
    std::string result(text_.substr(at_, end - at_));
    at_ = end + 1;
    return result;
  }
  std::string element() {
    require(!at('['), ErrorKind::unsupported, "unsupported structured elements {}", shown(text_.substr(at_)));
    return quoted();
  }
  bool boolean() {
    skip();
    for (const bool value : {true, false}) {
      const std::string_view word = value ? "True" : "False";
      if (text_.substr(at_).starts_with(word)) {
        at_ += word.size();
        return value;
      }
    }
    fault("True or False");
  }
  Shape shape() {
    Shape result;
    expect('(');
    while (!accept(')')) {
      skip();
      int64_t size = 0;
      const auto [end, error] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), size);
      if (error != std::errc() || result.size() >= 32) fault("a size");
      at_ = static_cast<size_t>(end - text_.data());
      accept('L');  // Python 2
      result.push_back(size);
      if (!accept(',') && !at(')')) fault("a comma");
    }
    return result;
  }

  std::string_view text_;
  size_t at_ = 0;
};

// "f4" → f32.
DType dtype_of_element(std::string_view element, std::string_view kind) {
  constexpr std::pair<std::string_view, DType> kTypes[] = {
      {"b1", DType::boolean}, {"i1", DType::i8},  {"i2", DType::i16}, {"i4", DType::i32},
      {"i8", DType::i64},     {"u1", DType::u8},  {"u2", DType::u16}, {"u4", DType::u32},
      {"u8", DType::u64},     {"f2", DType::f16}, {"f4", DType::f32}, {"f8", DType::f64}};
  for (const auto& [name, dtype] : kTypes)
    if (kind == name) return dtype;
  const std::string_view hint = kind == "V2"            ? " (bfloat16 without its name? store float32 instead)"
                                : kind.starts_with("O") ? " (Python objects)"
                                : kind.starts_with("c") ? " (complex numbers)"
                                : kind.starts_with("U") || kind.starts_with("S") ? " (texts)"
                                                                                 : "";
  fail(ErrorKind::unsupported, "unsupported elements \"{}\"{}", shown(element), hint);
}

// Axes reversed: elements in Fortran's order are a row-major array of the reversed shape.
template <class T>
void from_fortran(const std::byte* source, const Shape& shape, std::byte* target) {
  const size_t rank = shape.size();
  std::vector<int64_t> steps(rank, 1), index(rank, 0);
  for (size_t axis = 1; axis < rank; ++axis) steps[axis] = steps[axis - 1] * shape[axis - 1];
  const int64_t count = shape.count();
  int64_t at = 0;
  for (int64_t i = 0; i < count; ++i) {
    std::memcpy(target + static_cast<size_t>(i) * sizeof(T), source + static_cast<size_t>(at) * sizeof(T), sizeof(T));
    for (size_t axis = rank; axis-- > 0;) {
      at += steps[axis];
      if (++index[axis] < shape[axis]) break;
      at -= index[axis] * steps[axis];
      index[axis] = 0;
    }
  }
}

}  // namespace

bool is_npy(const Bytes& file) { return file.view().starts_with(kMagic); }

Tensor tensor_from_numpy(const Bytes& data, std::string_view element, const Shape& shape, bool fortran) {
  const bool ordered = !element.empty() && std::string_view("<>|=").find(element[0]) != std::string_view::npos;
  const DType dtype = dtype_of_element(element, element.substr(ordered ? 1 : 0));
  const size_t size = size_of(dtype);
  const bool swap = element[0] == '>' && size > 1;
  if (swap || fortran) tensor_over(data, dtype, shape);  // its checks, before anything is copied
  const Tensor rows = tensor_over(swap ? swapped(data, size) : data, dtype, shape);
  if (!fortran || shape.rank() < 2) return rows;
  Tensor result(dtype, shape);
  switch (size) {
    case 1: from_fortran<uint8_t>(rows.raw(), shape, result.raw()); break;
    case 2: from_fortran<uint16_t>(rows.raw(), shape, result.raw()); break;
    case 4: from_fortran<uint32_t>(rows.raw(), shape, result.raw()); break;
    default: from_fortran<uint64_t>(rows.raw(), shape, result.raw()); break;
  }
  return result;
}

Tensor read_npy(const Bytes& file) try {
  require(is_npy(file) && file.size() >= 10, ErrorKind::format, "not a .npy file");
  const auto byte = [&](size_t at) { return static_cast<size_t>(file.span()[at]); };
  const size_t version = byte(6), begin = version == 1 ? 10 : 12;
  require(version >= 1 && version <= 3, ErrorKind::unsupported, "version {} of the .npy format is not known", version);
  require(file.size() >= begin, ErrorKind::format, "it is cut short");
  const size_t length =
      version == 1 ? byte(8) | byte(9) << 8 : byte(8) | byte(9) << 8 | byte(10) << 16 | byte(11) << 24;
  require(length <= kMostHeader && length <= file.size() - begin, ErrorKind::format,
          "its header of {} bytes does not fit into the {} of the file", length, file.size());
  const Header header = HeaderReader(file.view().substr(begin, length)).read();
  const Bytes data = file.slice(begin + length, file.size() - begin - length);
  return tensor_from_numpy(data, *header.element, *header.shape, *header.fortran);
} catch (const Error& error) { throw error.within(file.label()); }

WeightsFile read_npz(const Bytes& file) {
  ZipFile zip(file);
  WeightsFile result;
  result.kind = "NumPy archive";
  for (const ZipFile::Entry& entry : zip.entries()) {
    if (!entry.name.ends_with(".npy")) {
      result.notes.push_back(fmt::format("the entry \"{}\" is no array; it is left out", shown(entry.name)));
      continue;
    }
    const std::string name = entry.name.substr(0, entry.name.size() - 4);
    result.weights.emplace(name, read_npy(zip.read(entry)));
    result.order.push_back(name);
  }
  return result;
}

}  // namespace fovea
