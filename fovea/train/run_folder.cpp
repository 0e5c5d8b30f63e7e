#include "fovea/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "fovea/base/error.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

void make(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  require(!error && fs::is_directory(path, error), ErrorKind::io, "{}: cannot make this folder: {}", path.string(),
          error ? error.message() : "a file of that name exists");
}

bool is_file(const fs::path& path) {
  std::error_code error;
  return fs::is_regular_file(path, error);
}

// Whether an open file is still the one of this name: another process may have taken it away before it was locked.
bool is_same_file(int file, const fs::path& name) {
  struct stat own = {}, there = {};
  return ::fstat(file, &own) == 0 && ::stat(name.c_str(), &there) == 0 && own.st_ino == there.st_ino &&
         own.st_dev == there.st_dev;
}

}  // namespace

RunFolder::RunFolder(fs::path path) : path_(std::move(path)) {
  require(!path_.empty(), ErrorKind::usage, "an empty name was given, expected a folder for the run");
  std::error_code error;
  made_ = !fs::exists(path_, error);
  make(path_ / "checkpoints");
  const fs::path name = path_ / "lock";
  lock_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  require(lock_ >= 0, ErrorKind::io, "{}: cannot be written: {}", name.string(), std::strerror(errno));
  const bool locked = ::flock(lock_, LOCK_EX | LOCK_NB) == 0;
  const int reason = errno;
  if (locked && is_same_file(lock_, name)) return;
  ::close(lock_);
  require(locked || reason == EWOULDBLOCK, ErrorKind::io, "{}: cannot be locked: {}", name.string(),
          std::strerror(reason));
  fail(ErrorKind::usage, "{}: another process trains in this folder; wait for it, or give another one with -o",
       path_.string());
}

RunFolder::~RunFolder() {
  if (!holds_run() && !has_checkpoint()) {
    std::error_code error;
    fs::remove(path_ / "lock", error);  // before it is let go: see is_same_file
    fs::remove(path_ / "checkpoints", error);
    if (made_) fs::remove(path_, error);  // only where nothing else lies in it
  }
  ::close(lock_);
}

void RunFolder::discard() {
  std::error_code error;
  for (const fs::path& file :
       {recipe(), metrics(), evaluation(), errors(), last(), best(), network(), path_ / "report.html"})
    fs::remove(file, error);
  for (const fs::path& folder : {events(), filters()}) fs::remove_all(folder, error);
}

bool RunFolder::holds_run() const { return is_file(recipe()); }
bool RunFolder::has_checkpoint() const { return is_file(last()); }
bool RunFolder::finished() const { return is_file(final_model()); }

}  // namespace fovea
