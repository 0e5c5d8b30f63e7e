// Zip archives as containers of weights (.pth, .npz), read by libzip and written plain ("stored").
#pragma once

#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/base/bytes.h"

struct zip;

namespace fovea {

// A zip archive's table of contents, checked as a whole, and its entries on demand. Names are never used as paths.
class ZipFile {
 public:
  struct Entry {
    std::string name;
    size_t size = 0;    // unpacked
    size_t packed = 0;  // as it lies in the file
    bool stored = true;
    size_t index = 0;
    uint32_t checksum = 0;
  };

  // Throws Error{format} when the file is no zip, is damaged, names an entry twice, has a name that leads outside
  // ("../", "/", a drive) or entries that cannot be that large for their bytes; Error{unsupported} for encrypted
  // entries and compressions other than deflate.
  explicit ZipFile(const Bytes& file);

  const std::vector<Entry>& entries() const { return entries_; }
  // Null when there is none.
  const Entry* find(std::string_view name) const;
  // The entry unpacked, its checksum compared; a stored entry lies over the file, without a copy. Throws Error{format}
  // naming the entry when it is damaged, or when all that was unpacked from this file together passes 1 GiB + 64 times
  // its size (a zip bomb).
  Bytes read(const Entry& entry);

 private:
  Bytes unpack(const Entry& entry);

  Bytes file_;
  std::shared_ptr<struct zip> archive_;
  std::vector<uint64_t> headers_;  // where each entry's own header stands; empty when the directory is unusual
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
  size_t unpacked_ = 0;  // bytes of compressed entries read so far
};

// Builds an archive of stored entries in memory.
class ZipWriter {
 public:
  // Makes room for so many bytes of data at once.
  void reserve(size_t size) { out_.reserve(size); }
  // Appends an entry whose bytes begin at a multiple of `alignment`. Throws Error{unsupported} when the archive passes
  // 4 GiB.
  void add(const std::string& name, std::span<const std::byte> data, size_t alignment = 1);
  // The whole archive; nothing may be added after.
  std::vector<std::byte> finish();

 private:
  struct Entry {
    std::string name;
    uint32_t checksum = 0, size = 0, offset = 0;
  };
  void put(uint64_t value, size_t bytes);
  void put(std::string_view text);
  void put_fields(const Entry& entry);

  std::vector<std::byte> out_;
  std::vector<Entry> entries_;
};

// CRC-32 as zip uses it: polynomial 0xEDB88320, reflected, initial and final value inverted.
uint32_t crc32(std::span<const std::byte> data);

}  // namespace fovea
