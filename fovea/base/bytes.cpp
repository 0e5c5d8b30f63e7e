#include "fovea/base/bytes.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fovea/base/error.h"

namespace fovea {

Bytes Bytes::own(std::vector<std::byte> data, std::string label) {
  auto kept = std::make_shared<const std::vector<std::byte>>(std::move(data));
  Bytes bytes;
  bytes.data_ = kept->data();
  bytes.size_ = kept->size();
  bytes.owner_ = std::move(kept);
  bytes.label_ = std::move(label);
  return bytes;
}

Bytes Bytes::copy(std::string_view data, std::string label) {
  auto begin = reinterpret_cast<const std::byte*>(data.data());
  return own({begin, begin + data.size()}, std::move(label));
}

Bytes Bytes::map(const std::filesystem::path& path) {
  const int file = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
  require(file >= 0, ErrorKind::io, "cannot open {}: {}", path.string(), std::strerror(errno));
  struct stat status {};
  if (::fstat(file, &status) != 0 || !S_ISREG(status.st_mode)) {
    ::close(file);
    fail(ErrorKind::io, "cannot read {}: {}", path.string(),
         S_ISDIR(status.st_mode) ? "it is a folder" : "not a regular file");
  }
  Bytes bytes;
  bytes.label_ = path.string();
  bytes.size_ = static_cast<size_t>(status.st_size);
  if (bytes.size_ > 0) {
    void* mapped = ::mmap(nullptr, bytes.size_, PROT_READ, MAP_PRIVATE, file, 0);
    const int reason = errno;
    ::close(file);
    require(mapped != MAP_FAILED, ErrorKind::io, "cannot map {}: {}", path.string(), std::strerror(reason));
    bytes.data_ = static_cast<const std::byte*>(mapped);
    bytes.mapped_ = true;
    bytes.owner_ = std::shared_ptr<const void>(
        mapped, [size = bytes.size_](const void* address) { ::munmap(const_cast<void*>(address), size); });
  } else {
    ::close(file);
  }
  return bytes;
}

Bytes Bytes::slice(size_t offset, size_t size) const {
  require(offset <= size_ && size <= size_ - offset, ErrorKind::format,
          "{}: bytes {} to {} are outside of its {} bytes", label_, offset, offset + size, size_);
  Bytes part = *this;
  part.data_ = data_ + offset;
  part.size_ = size;
  return part;
}

void release_mapped_pages(const std::byte* begin, size_t size) {
  const auto page = static_cast<uintptr_t>(::sysconf(_SC_PAGESIZE));
  const uintptr_t first = (reinterpret_cast<uintptr_t>(begin) + page - 1) / page * page;
  const uintptr_t last = reinterpret_cast<uintptr_t>(begin + size) / page * page;
  if (first < last) ::madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
}

void write_file(const std::filesystem::path& path, std::span<const std::byte> data) {
  const std::string temporary = fmt::format("{}.{}.tmp", path.string(), ::getpid());
  const int file = ::open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  require(file >= 0, ErrorKind::io, "cannot write {}: {}", path.string(), std::strerror(errno));
  int reason = 0;
  for (size_t done = 0; done < data.size() && reason == 0;) {
    const ssize_t written = ::write(file, data.data() + done, data.size() - done);
    if (written > 0) done += static_cast<size_t>(written);
    else if (written == 0) reason = ENOSPC;
    else if (errno != EINTR) reason = errno;
  }
  if (reason == 0 && ::fsync(file) != 0 && errno != EINVAL && errno != EROFS) reason = errno;
  if (::close(file) != 0 && reason == 0) reason = errno;
  if (reason == 0 && ::rename(temporary.c_str(), path.c_str()) != 0) reason = errno;
  if (reason != 0) {
    ::unlink(temporary.c_str());
    fail(ErrorKind::io, "cannot write {}: {}", path.string(), std::strerror(reason));
  }
}

void write_file(const std::filesystem::path& path, std::string_view text) {
  write_file(path, std::as_bytes(std::span(text.data(), text.size())));
}

}  // namespace fovea
