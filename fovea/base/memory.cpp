#include "fovea/base/memory.h"

#include <sys/mman.h>

#include <cstdint>
#include <utility>

#include "fovea/base/error.h"

namespace fovea {

namespace {
constexpr size_t kHugePage = size_t{1} << 21;
constexpr size_t kChunk = size_t{1} << 20;
}  // namespace

Block::Block(size_t size) : size_(size) {
  if (size == 0) return;
  const bool huge = size >= kHugePage;
  mapped_ = huge ? size + kHugePage : (size + 4095) / 4096 * 4096;
  mapping_ = ::mmap(nullptr, mapped_, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  require(mapping_ != MAP_FAILED, ErrorKind::internal, "out of memory: {} MiB", size >> 20);
  uintptr_t address = reinterpret_cast<uintptr_t>(mapping_);
  if (huge) {
    address = (address + kHugePage - 1) / kHugePage * kHugePage;
    ::madvise(reinterpret_cast<void*>(address), size, MADV_HUGEPAGE);
  }
  data_ = reinterpret_cast<std::byte*>(address);
}

Block::Block(Block&& other) noexcept { *this = std::move(other); }

Block& Block::operator=(Block&& other) noexcept {
  std::swap(data_, other.data_);
  std::swap(size_, other.size_);
  std::swap(mapping_, other.mapping_);
  std::swap(mapped_, other.mapped_);
  return *this;
}

Block::~Block() {
  if (mapping_) ::munmap(mapping_, mapped_);
}

std::byte* Region::take(size_t size) {
  size = (size + 63) / 64 * 64;
  size_ += size;
  if (size >= kChunk) {
    blocks_.emplace_back(size);
    return blocks_.back().data();
  }
  if (size > left_) {
    blocks_.emplace_back(kChunk);
    free_ = blocks_.back().data();
    left_ = kChunk;
  }
  std::byte* piece = free_;
  free_ += size;
  left_ -= size;
  return piece;
}

}  // namespace fovea
