#include "fovea/data/part_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <fstream>

#include "fovea/base/bytes.h"
#include "fovea/base/error.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

// Opens and locks the file of that name. Between the two another process may have finished and renamed it: then the
// lock is on the finished file, and a new one is made.
int locked(const fs::path& path) {
  for (int attempt = 0; attempt < 10; ++attempt) {
    const int file = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666);
    require(file >= 0, ErrorKind::io, "cannot write {}: {}", path.string(), std::strerror(errno));
    if (::flock(file, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
      ::close(file);
      fail(ErrorKind::io, "{}: another process is fetching this file; wait for it, or stop it", path.string());
    }
    struct stat held, named;
    if (::fstat(file, &held) == 0 && ::stat(path.c_str(), &named) == 0 && held.st_ino == named.st_ino &&
        held.st_dev == named.st_dev)
      return file;
    ::close(file);
  }
  fail(ErrorKind::io, "cannot write {}: other processes keep replacing it", path.string());
}

void sync_folder(const fs::path& folder) {
  const int file = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (file < 0) return;
  ::fsync(file);  // not every file system can; the rename is then only as lasting as the next sync
  ::close(file);
}

}  // namespace

PartFile::PartFile(fs::path target, Checksum::Kind sums)
    : target_(std::move(target)),
      part_(target_.string() + ".part"),
      from_(target_.string() + ".part.from"),
      sums_(sums),
      digest_(sums) {
  std::error_code error;
  fs::create_directories(target_.parent_path(), error);
  require(fs::is_directory(target_.parent_path(), error), ErrorKind::io, "cannot make the folder {}: {}",
          target_.parent_path().string(), error ? error.message() : "a file of that name exists");
  file_ = locked(part_);
  try {
    digest_ = digest_of(part_, sums_);
    size_ = ::lseek(file_, 0, SEEK_END);
    require(size_ >= 0, ErrorKind::io, "{}: cannot be read: {}", part_.string(), std::strerror(errno));
  } catch (...) {
    ::close(file_);
    throw;
  }
}

PartFile::~PartFile() {
  if (file_ >= 0) ::close(file_);
}

std::optional<std::string> PartFile::validator(const std::string& address) const {
  std::ifstream in(from_);
  std::string from, validator;
  if (!std::getline(in, from) || !std::getline(in, validator) || from != address || validator.size() > 1024)
    return std::nullopt;
  for (const char c : validator)
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) return std::nullopt;
  return validator;
}

void PartFile::restart(const std::string& address, const std::string& validator) {
  require(::ftruncate(file_, 0) == 0 && ::lseek(file_, 0, SEEK_SET) == 0, ErrorKind::io, "cannot write {}: {}",
          part_.string(), std::strerror(errno));
  size_ = 0;
  digest_ = Digest(sums_);
  write_file(from_, address + "\n" + validator + "\n");
}

void PartFile::append(std::span<const std::byte> bytes) {
  for (size_t done = 0; done < bytes.size();) {
    const ssize_t written = ::write(file_, bytes.data() + done, bytes.size() - done);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) {
      const int reason = written == 0 ? ENOSPC : errno;
      fail(ErrorKind::io, "cannot write {}: {}; {} bytes of it are kept, and the same command goes on from there",
           part_.string(), std::strerror(reason), size_);
    }
    digest_.add(bytes.subspan(done, static_cast<size_t>(written)));
    done += static_cast<size_t>(written);
    size_ += written;
  }
}

void PartFile::require_room(int64_t more) const {
  struct statvfs disk;
  if (::statvfs(part_.c_str(), &disk) != 0) return;
  const double room = static_cast<double>(disk.f_bavail) * static_cast<double>(disk.f_frsize);
  require(static_cast<double>(more) <= room, ErrorKind::io,
          "cannot write {}: {:.1f} MiB are still to come, and the disk has room for {:.1f} MiB", part_.string(),
          static_cast<double>(more) / (1 << 20), room / (1 << 20));
}

void PartFile::finish() {
  require(::fsync(file_) == 0 || errno == EINVAL || errno == EROFS, ErrorKind::io, "cannot write {}: {}",
          part_.string(), std::strerror(errno));
  require(::rename(part_.c_str(), target_.c_str()) == 0, ErrorKind::io, "cannot rename {} to {}: {}", part_.string(),
          target_.string(), std::strerror(errno));
  ::unlink(from_.c_str());
  sync_folder(target_.parent_path());
}

void PartFile::discard() {
  ::unlink(part_.c_str());
  ::unlink(from_.c_str());
}

}  // namespace fovea
