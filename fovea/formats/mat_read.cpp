// header: 116 bytes of text, 8 bytes of an offset, u16 version 0x0100, u16 'MI' as the machine writes it.
// element: u32 type, u32 size, data, padded to 8 bytes (not where it is compressed); or, when the upper half of the
// first word is not 0, a small one: u16 type, u16 size, 4 bytes of data.
// array (type 14): elements flags (2 x u32, the class in the low byte), sizes (i32), name (i8), real part, imaginary
// part. The parts may be stored in a narrower type than the class.
// Source: The MathWorks, "MAT-File Format" (2019), chapter 1, "Level 5 MAT-file format".
#include "fovea/formats/mat_read.h"

#include <zlib.h>

#include <algorithm>
#include <bit>
#include <cstring>
#include <optional>

#include "fovea/base/error.h"
#include "fovea/formats/npy_read.h"

namespace fovea {

namespace {

constexpr size_t kHeader = 128, kMostArrays = 4096, kMostSizes = 32, kMostName = 4096;
constexpr uint32_t kMatrix = 14, kCompressed = 15;
// A stream of zlib grows at most so many times. Source: M. Adler's notes in zlib's documentation, "1032:1".
constexpr size_t kMostGrowth = 1040;

// Type of the elements of a part of an array, by its number in the file.
std::optional<DType> part_type(uint32_t type) {
  switch (type) {
    case 1: return DType::i8;
    case 2: return DType::u8;
    case 3: return DType::i16;
    case 4: return DType::u16;
    case 5: return DType::i32;
    case 6: return DType::u32;
    case 7: return DType::f32;
    case 9: return DType::f64;
    case 12: return DType::i64;
    case 13: return DType::u64;
    case 16: return DType::u8;   // UTF-8
    case 17: return DType::u16;  // UTF-16
    default: return std::nullopt;
  }
}

// Type of an array's values, by its class.
std::optional<DType> class_type(uint32_t kind) {
  switch (kind) {
    case 4: return DType::u16;  // char
    case 6: return DType::f64;
    case 7: return DType::f32;
    case 8: return DType::i8;
    case 9: return DType::u8;
    case 10: return DType::i16;
    case 11: return DType::u16;
    case 12: return DType::i32;
    case 13: return DType::u32;
    case 14: return DType::i64;
    case 15: return DType::u64;
    default: return std::nullopt;
  }
}

std::string_view class_name(uint32_t kind) {
  switch (kind) {
    case 1: return "a cell array";
    case 2: return "a struct";
    case 3: return "an object";
    case 5: return "a sparse array";
    default: return "of an unknown class";
  }
}

struct Element {
  uint32_t type = 0;
  Bytes data;
  size_t at = 0;  // where its data begins
};

// The elements of a piece of a file, one after the other. Errors name the file and where in the piece.
class Elements {
 public:
  Elements(Bytes bytes, bool swapped, std::string where)
      : bytes_(std::move(bytes)), swapped_(swapped), where_(std::move(where)) {}
  bool more() const { return at_ < bytes_.size(); }
  Element next();
  uint32_t word(const Bytes& bytes, size_t at) const {
    uint32_t value = 0;
    std::memcpy(&value, bytes.data() + at, 4);
    return swapped_ ? __builtin_bswap32(value) : value;
  }
  template <class... Args>
  [[noreturn]] void damaged(size_t at, fmt::format_string<Args...> text, Args&&... args) const {
    fail(ErrorKind::format, "{} byte {}: {}", where_, at, fmt::format(text, std::forward<Args>(args)...));
  }
  bool swapped() const { return swapped_; }
  const std::string& where() const { return where_; }

 private:
  Bytes bytes_;
  bool swapped_;
  std::string where_;
  size_t at_ = 0;
};

Element Elements::next() {
  const size_t begin = at_, left = bytes_.size() - at_;
  if (left < 8) damaged(begin, "cut short: {} bytes where an element's tag takes 8", left);
  Element element;
  const uint32_t first = word(bytes_, begin);
  size_t size = first >> 16;
  if (size != 0) {  // a small element
    element.type = first & 0xFFFF;
    if (size > 4) damaged(begin, "a small element of {} bytes, expected at most 4", size);
    element.at = begin + 4;
    at_ = begin + 8;
  } else {
    element.type = first;
    size = word(bytes_, begin + 4);
    if (size > left - 8) damaged(begin, "cut short: an element of {} bytes, {} are left", size, left - 8);
    element.at = begin + 8;
    const size_t padded = element.type == kCompressed ? size : (size + 7) / 8 * 8;
    at_ = begin + 8 + std::min(padded, left - 8);
  }
  element.data = bytes_.slice(element.at, size);
  return element;
}

// Takes the data of one zlib stream out of `packed`.
class Inflater {
 public:
  explicit Inflater(const Bytes& packed) : packed_(packed) {
    if (inflateInit(&stream_) != Z_OK) fail(ErrorKind::io, "{}: zlib cannot be started", packed.label());
  }
  ~Inflater() { inflateEnd(&stream_); }
  Inflater(const Inflater&) = delete;
  Inflater& operator=(const Inflater&) = delete;

  // Fills `out` as far as the stream goes, and says how far that is; nothing when the stream is damaged.
  std::optional<size_t> fill(std::span<std::byte> out) {
    size_t done = 0;
    while (done < out.size() && !ended_) {
      constexpr size_t kPiece = size_t{1} << 30;  // zlib counts in 32 bits
      const size_t in = std::min(kPiece, packed_.size() - taken_), room = std::min(kPiece, out.size() - done);
      stream_.next_in = reinterpret_cast<Bytef*>(const_cast<std::byte*>(packed_.data() + taken_));
      stream_.avail_in = static_cast<uInt>(in);
      stream_.next_out = reinterpret_cast<Bytef*>(out.data() + done);
      stream_.avail_out = static_cast<uInt>(room);
      const int status = inflate(&stream_, Z_NO_FLUSH);
      const size_t used = in - stream_.avail_in, made = room - stream_.avail_out;
      taken_ += used, done += made;
      ended_ = status == Z_STREAM_END;
      if (status != Z_OK && !ended_) return std::nullopt;
      if (used == 0 && made == 0 && !ended_) return std::nullopt;
    }
    return done;
  }

 private:
  Bytes packed_;
  z_stream stream_{};
  size_t taken_ = 0;
  bool ended_ = false;
};

// The one element in a compressed one, unpacked with its tag.
Bytes inflated(const Element& packed, const Elements& from, size_t limit) {
  Inflater stream(packed.data);
  std::array<std::byte, 8> tag{};
  if (stream.fill(tag) != tag.size()) from.damaged(packed.at, "its compressed data is damaged or cut short");
  const Bytes start = Bytes::copy({reinterpret_cast<const char*>(tag.data()), tag.size()}, from.where());
  if (from.word(start, 0) >> 16 != 0) from.damaged(packed.at, "a compressed element holds no array");
  const size_t size = from.word(start, 4);
  if (size > limit || size / kMostGrowth > packed.data.size())
    from.damaged(packed.at, "{} compressed bytes say that they unpack to {}, at most {} are possible or allowed",
                 packed.data.size(), size, std::min(limit, packed.data.size() * kMostGrowth));
  std::vector<std::byte> data(tag.size() + size);
  std::copy(tag.begin(), tag.end(), data.begin());
  const std::optional<size_t> made = stream.fill(std::span(data).subspan(tag.size()));
  if (!made || *made != size)
    from.damaged(packed.at, "its compressed data is damaged or cut short: expected {} bytes", size);
  return Bytes::own(std::move(data), packed.data.label());
}

std::vector<int64_t> sizes_of(const Element& element, const Elements& from) {
  if (element.type != 5 || element.data.size() % 4 != 0 || element.data.size() < 8 ||
      element.data.size() > 4 * kMostSizes)
    from.damaged(element.at, "expected the sizes of an array, got an element of type {} with {} bytes", element.type,
                 element.data.size());
  std::vector<int64_t> sizes;
  uint64_t count = 1;
  for (size_t at = 0; at < element.data.size(); at += 4) {
    const auto size = static_cast<int32_t>(from.word(element.data, at));
    if (size < 0) from.damaged(element.at + at, "an array's size is {}", size);
    if (size > 0 && count > (uint64_t{1} << 40) / static_cast<uint64_t>(size))
      from.damaged(element.at, "the sizes of an array are beyond any file");
    count *= static_cast<uint64_t>(size);
    sizes.push_back(size);
  }
  return sizes;
}

// The elements of a part in the machine's byte order.
Bytes in_machine_order(const Bytes& data, size_t each, bool swapped) {
  if (!swapped || each == 1) return data;
  std::vector<std::byte> out(data.span().begin(), data.span().end());
  for (size_t at = 0; at + each <= out.size(); at += each)
    std::reverse(out.begin() + static_cast<std::ptrdiff_t>(at), out.begin() + static_cast<std::ptrdiff_t>(at + each));
  return Bytes::own(std::move(out), data.label());
}

// One array; `file` takes it, or a note that says why not.
void read_array(const Bytes& bytes, bool swapped, const std::string& where, MatFile& file) {
  Elements parts(bytes, swapped, where);
  const Element flags = parts.next();
  if (flags.type != 6 || flags.data.size() != 8) parts.damaged(flags.at, "expected an array's flags");
  const uint32_t word = parts.word(flags.data, 0), kind = word & 0xFF;
  MatArray array;
  array.sizes = sizes_of(parts.next(), parts);
  const Element name = parts.next();
  if (name.type != 1 || name.data.size() > kMostName) parts.damaged(name.at, "expected an array's name");
  array.name = name.data.view();
  const std::optional<DType> type = class_type(kind);
  const bool complex = (word & 0x0800) != 0;
  if (!type || complex) {
    file.notes.push_back(
        fmt::format("variable {} is {} and is passed over", array.name, complex ? "complex" : class_name(kind)));
    return;
  }
  array.dtype = *type;
  uint64_t count = 1;
  for (const int64_t size : array.sizes) count *= static_cast<uint64_t>(size);
  if (count == 0 && !parts.more()) {
    file.arrays.push_back(std::move(array));
    return;
  }
  const Element real = parts.next();
  const std::optional<DType> stored = part_type(real.type);
  if (!stored) parts.damaged(real.at, "variable {} holds elements of the unknown type {}", array.name, real.type);
  const size_t each = size_of(*stored);
  if (real.data.size() != count * each)
    parts.damaged(real.at, "variable {} of {} has {} bytes of {}, expected {}", array.name, fmt::join(array.sizes, "x"),
                  real.data.size(), to_string(*stored), count * each);
  array.values = in_machine_order(real.data, each, swapped);
  if (*stored != array.dtype) {
    const Tensor cast = Tensor::over(array.values, *stored, Shape{static_cast<int64_t>(count)}).cast(array.dtype);
    array.values = Bytes::copy({reinterpret_cast<const char*>(cast.raw()), cast.bytes()}, bytes.label());
  }
  file.arrays.push_back(std::move(array));
}

}  // namespace

Tensor MatArray::tensor() const {
  static_assert(std::endian::native == std::endian::little);
  const char kind = is_float(dtype)                                                                           ? 'f'
                    : dtype == DType::u8 || dtype == DType::u16 || dtype == DType::u32 || dtype == DType::u64 ? 'u'
                                                                                                              : 'i';
  return tensor_from_numpy(values, fmt::format("<{}{}", kind, size_of(dtype)), Shape(sizes), true);
}

const MatArray* MatFile::find(std::string_view name) const {
  for (const MatArray& array : arrays)
    if (array.name == name) return &array;
  return nullptr;
}

bool is_mat(const Bytes& file) {
  if (file.size() < kHeader || !file.view().starts_with("MATLAB")) return false;
  const std::string_view order = file.view().substr(126, 2);
  return order == "IM" || order == "MI";
}

MatFile read_mat(const Bytes& file, size_t limit) {
  require(is_mat(file), ErrorKind::format,
          "{}: not a .mat file of level 5: expected 128 bytes that begin with MATLAB and end in IM or MI",
          file.label());
  const bool swapped = file.view().substr(126, 2) == "MI";
  const auto low = std::to_integer<int>(file.data()[swapped ? 125 : 124]);
  const int high = std::to_integer<int>(file.data()[swapped ? 124 : 125]);
  require(high != 2, ErrorKind::unsupported,
          "{}: a .mat file of version 7.3 (HDF5); save it again with -v7, which fovea reads", file.label());
  require(high == 1, ErrorKind::format, "{}: a .mat file of version {}.{}, expected 1.0", file.label(), high, low);
  MatFile result;
  Elements elements(file.slice(kHeader, file.size() - kHeader), swapped, file.label() + ": behind the header,");
  size_t left = limit;
  while (elements.more()) {
    Element element = elements.next();
    if (result.arrays.size() + result.notes.size() >= kMostArrays)
      elements.damaged(element.at, "more than {} variables", kMostArrays);
    std::string where = elements.where();
    if (element.type == kCompressed) {
      where = fmt::format("{}: unpacked variable {},", file.label(), result.arrays.size() + result.notes.size() + 1);
      Elements inner(inflated(element, elements, left), swapped, where);
      element = inner.next();
      left -= element.data.size();
    }
    if (element.type == kMatrix) read_array(element.data, swapped, where, result);
    else result.notes.push_back(fmt::format("an element of type {} is passed over", element.type));
  }
  return result;
}

}  // namespace fovea
