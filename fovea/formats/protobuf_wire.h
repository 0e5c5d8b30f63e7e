// Protobuf's wire format is a list of fields: a varint key (field number · 8 + wire type), then a varint (0), 8 bytes
// (1), a length and that many bytes (2), or 4 bytes (5). Source: protobuf's encoding guide.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "fovea/base/bytes.h"

namespace fovea {

// One field: its key, and where its data lie ([data, end)); for numbers the data are the number's bytes.
struct WireField {
  uint64_t number = 0;
  int wire = 0;
  size_t begin = 0, data = 0, end = 0;
  size_t size() const { return end - data; }
};

// Reads the fields of a file that must outlive it. `what` it is meant to be, for messages: "a Caffe model".
class WireReader {
 public:
  WireReader(const Bytes& file, std::string_view what) : file_(file), text_(file.view()), what_(what) {}

  size_t size() const { return text_.size(); }
  // The field at `at`, which must end at or before `end`. Throws Error{format} naming the byte.
  WireField field(size_t at, size_t end) const;
  // Its bytes, the key with them.
  std::string_view bytes(const WireField& f) const { return text_.substr(f.begin, f.end - f.begin); }
  // Throws Error{format}: what is wrong at this byte.
  [[noreturn]] void bad(size_t at, std::string_view problem) const;

 private:
  uint64_t varint(size_t& at, size_t end) const;

  const Bytes& file_;
  std::string_view text_, what_;
};

void put_varint(std::string& out, uint64_t value);

}  // namespace fovea
