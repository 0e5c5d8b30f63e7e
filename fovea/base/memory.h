// Large blocks of memory on huge pages, and a region that hands out pieces of such blocks. Fresh memory costs about 2
// µs a 4 KiB page on small virtual machines, so what runs repeatedly allocates once and keeps.
#pragma once

#include <cstddef>
#include <memory>
#include <vector>

namespace fovea {

// A zeroed block, aligned to 64 bytes at least and to a huge page when it is that large; returned to the system at
// destruction.
class Block {
 public:
  Block() = default;
  explicit Block(size_t size);
  Block(Block&& other) noexcept;
  Block& operator=(Block&& other) noexcept;
  ~Block();
  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

 private:
  std::byte* data_ = nullptr;
  size_t size_ = 0;  // asked for
  void* mapping_ = nullptr;
  size_t mapped_ = 0;
};

// Pieces that live as long as the region.
class Region {
 public:
  // A piece aligned to 64 bytes.
  std::byte* take(size_t size);
  size_t size() const { return size_; }

 private:
  std::vector<Block> blocks_;
  std::byte* free_ = nullptr;
  size_t left_ = 0;
  size_t size_ = 0;
};

}  // namespace fovea
