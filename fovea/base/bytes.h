// Read-only bytes with a label (the file they came from), either owned or mapped from a file; and safe writing of
// files.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace fovea {

// Cheap to copy; every copy and slice keeps the underlying buffer or mapping alive.
class Bytes {
 public:
  Bytes() = default;

  // Takes over a buffer.
  static Bytes own(std::vector<std::byte> data, std::string label = {});
  // Copies text or any characters.
  static Bytes copy(std::string_view data, std::string label = {});
  // Maps a regular file read-only. Throws Error{io} naming the path: missing, a folder, unreadable.
  static Bytes map(const std::filesystem::path& path);

  const std::byte* data() const { return data_; }
  size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  std::span<const std::byte> span() const { return {data_, size_}; }
  std::string_view view() const { return {reinterpret_cast<const char*>(data_), size_}; }
  bool is_mapped() const { return mapped_; }
  const std::string& label() const { return label_; }

  // Bytes [offset, offset + size), sharing the buffer. Throws Error{format} when out of range.
  Bytes slice(size_t offset, size_t size) const;

  // What keeps the bytes alive; a Tensor over a mapping holds on to it.
  const std::shared_ptr<const void>& owner() const { return owner_; }

 private:
  std::shared_ptr<const void> owner_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
  bool mapped_ = false;
  std::string label_;
};

// Lets the system drop the whole pages within a piece of a mapped file from memory (they come back when they are read).
// The piece must be mapped: pages of other memory would be lost.
void release_mapped_pages(const std::byte* begin, size_t size);

// Writes a file whole or not at all: to a temporary name beside it, synced, then renamed. Throws Error{io} with the
// path and the system's reason (no such folder, permission, disk full); the old file is then untouched.
void write_file(const std::filesystem::path& path, std::span<const std::byte> data);
void write_file(const std::filesystem::path& path, std::string_view text);

}  // namespace fovea
