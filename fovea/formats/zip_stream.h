// A zip archive of stored entries written to disk as its bytes come: for arrays that do not fit into memory.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

namespace fovea {

// Writes to a temporary name beside the target and renames at the end, so that the target is whole or not there.
// Entries and archives of 4 GiB and more get the fields of zip64. The same calls give the same bytes.
class ZipStream {
 public:
  // Throws Error{io} when the file cannot be made.
  explicit ZipStream(std::filesystem::path path);
  // Removes what finish() has not made whole.
  ~ZipStream();
  ZipStream(const ZipStream&) = delete;
  ZipStream& operator=(const ZipStream&) = delete;

  // Begins an entry of exactly `size` bytes, which start at a multiple of `alignment`.
  void begin(const std::string& name, uint64_t size, size_t alignment = 64);
  // The entry's next bytes. Throws Error{io} when the disk is full, Error{internal} beyond the entry's size.
  void write(std::span<const std::byte> bytes);
  // Throws Error{internal} when bytes are missing.
  void end();
  void add(const std::string& name, std::span<const std::byte> bytes, size_t alignment = 64);
  // Writes the directory, syncs and gives the file its name.
  void finish();

 private:
  struct Entry {
    std::string name;
    uint64_t size = 0, offset = 0;
    uint32_t checksum = 0;
  };
  void put(std::span<const std::byte> bytes);
  void flush();
  void put_directory();

  std::filesystem::path path_, temporary_;
  int file_ = -1;
  uint64_t at_ = 0;  // where the next byte goes
  std::vector<std::byte> waiting_;
  std::vector<Entry> entries_;
  uint64_t left_ = 0;  // bytes still to come of the entry at hand
  bool open_ = false;
};

}  // namespace fovea
