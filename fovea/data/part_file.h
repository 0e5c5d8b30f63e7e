// The beginning of a download on disk: FILE.part, and FILE.part.from, which says of which file on which server.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

#include "fovea/data/checksum.h"

namespace fovea {

class PartFile {
 public:
  // Opens or makes target + ".part" and locks it. Throws Error{io}: the folder cannot be made, or another process holds
  // the file.
  PartFile(std::filesystem::path target, Checksum::Kind sums);
  ~PartFile();
  PartFile(const PartFile&) = delete;
  PartFile& operator=(const PartFile&) = delete;

  int64_t size() const { return size_; }
  const Digest& digest() const { return digest_; }
  const std::filesystem::path& path() const { return part_; }
  // What to say in If-Range (the quoted ETag or the date under which the bytes were served); empty: the server named
  // none. Not given: the bytes came from another address.
  std::optional<std::string> validator(const std::string& address) const;

  // Forgets all bytes and remembers where the next ones come from.
  void restart(const std::string& address, const std::string& validator);
  // Writes at the end. Throws Error{io}: the disk is full.
  void append(std::span<const std::byte> bytes);
  // Throws Error{io} when the disk has no room for so many more bytes.
  void require_room(int64_t more) const;
  // Syncs the bytes and gives the file its name.
  void finish();
  // Deletes both files.
  void discard();

 private:
  std::filesystem::path target_, part_, from_;
  int file_ = -1;
  int64_t size_ = 0;
  Checksum::Kind sums_;
  Digest digest_;
};

}  // namespace fovea
