#include "fovea/formats/protobuf_wire.h"

#include "fovea/base/error.h"
#include "fovea/formats/onnx_wire.h"

namespace fovea {

void WireReader::bad(size_t at, std::string_view problem) const {
  fail(ErrorKind::format, "{}: not {}, cut off or damaged: byte {}: {}; the file is {}", file_.label(), what_, at,
       problem, looks_like(file_));
}

uint64_t WireReader::varint(size_t& at, size_t end) const {
  uint64_t value = 0;
  const size_t begin = at;
  for (int shift = 0; shift < 64; shift += 7) {
    if (at >= end) bad(begin, "a number runs past the end");
    const auto byte = static_cast<uint8_t>(text_[at++]);
    value |= static_cast<uint64_t>(byte & 0x7F) << shift;
    if (byte < 0x80) return value;
  }
  bad(begin, "a number has more than ten bytes");
}

WireField WireReader::field(size_t at, size_t end) const {
  WireField f;
  f.begin = at;
  const uint64_t key = varint(at, end);
  f.number = key >> 3;
  f.wire = static_cast<int>(key & 7);
  if (f.number == 0 || f.number > 0x1FFFFFFF) bad(f.begin, fmt::format("there is no field {}", f.number));
  uint64_t size = 0;
  f.data = at;
  switch (f.wire) {
    case 0: varint(at, end); break;
    case 1: size = 8; break;
    case 2: size = varint(at, end), f.data = at; break;
    case 5: size = 4; break;
    default: bad(f.begin, fmt::format("there is no wire type {}", f.wire));
  }
  if (size > end - at) bad(f.begin, fmt::format("field {} has {} bytes, {} are left", f.number, size, end - at));
  f.end = at + size;
  return f;
}

void put_varint(std::string& out, uint64_t value) {
  for (; value >= 0x80; value >>= 7) out += static_cast<char>(value | 0x80);
  out += static_cast<char>(value);
}

}  // namespace fovea
