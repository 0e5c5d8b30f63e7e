#include "fovea/train/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
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

}  // namespace

RunFolder::RunFolder(fs::path path) : path_(std::move(path)) {
  require(!path_.empty(), ErrorKind::usage, "an empty name was given, expected a folder for the run");
  make(path_ / "checkpoints");
  const fs::path name = path_ / "lock";
  lock_ = ::open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  require(lock_ >= 0, ErrorKind::io, "{}: cannot be written: {}", name.string(), std::strerror(errno));
  if (::flock(lock_, LOCK_EX | LOCK_NB) == 0) return;
  const int reason = errno;
  ::close(lock_);
  require(reason == EWOULDBLOCK, ErrorKind::io, "{}: cannot be locked: {}", name.string(), std::strerror(reason));
  fail(ErrorKind::usage, "{}: another process trains in this folder; wait for it, or give another one with -o",
       path_.string());
}

RunFolder::~RunFolder() { ::close(lock_); }

bool RunFolder::holds_run() const { return is_file(recipe()); }
bool RunFolder::has_checkpoint() const { return is_file(last()); }
bool RunFolder::finished() const { return is_file(final_model()); }

}  // namespace fovea
