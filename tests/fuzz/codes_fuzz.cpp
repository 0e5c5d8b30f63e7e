// libFuzzer target: any bytes are a file of codes, a map, or an Error; what is read agrees with itself.
#include <sys/mman.h>
#include <unistd.h>

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>

#include "fovea/base/error.h"
#include "fovea/features/codes.h"
#include "fovea/features/map_file.h"

namespace {

using namespace fovea;

// A file without a folder, for readers that map what they read.
class MemoryFile {
 public:
  MemoryFile(const uint8_t* data, size_t size) : file_(::memfd_create("fuzz", 0)) {
    if (file_ < 0 || ::write(file_, data, size) != static_cast<ssize_t>(size)) __builtin_trap();
  }
  ~MemoryFile() { ::close(file_); }
  std::filesystem::path path() const { return "/proc/self/fd/" + std::to_string(file_); }

 private:
  int file_;
};

void look(const Codes& codes) {
  const auto count = static_cast<size_t>(codes.count());
  if (codes.labels.size() != count || codes.indices.size() != count || codes.names.size() != count) __builtin_trap();
  for (const float v : codes.values.data<float>())
    if (!std::isfinite(v)) __builtin_trap();
  for (int64_t i = 0; i < codes.count(); ++i) {
    codes.class_of(i);
    if (codes.has_thumbnails() && codes.thumbnail(i).empty()) __builtin_trap();
  }
}

template <class F>
void result_or_error(F&& f) {
  try {
    f();
  } catch (const Error& error) {
    if (error.kind() == ErrorKind::internal || error.kind() == ErrorKind::shape) __builtin_trap();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const MemoryFile file(data, size);
  result_or_error([&] { look(read_codes(file.path())); });
  result_or_error([&] { is_map_file(file.path()); });
  result_or_error([&] {
    const MapFile map = read_map(file.path());
    look(map.codes);
    if (map.positions.count() != map.codes.count()) __builtin_trap();
  });
  result_or_error([&] {
    Codes codes;
    take_codes_meta(std::string(reinterpret_cast<const char*>(data), size), codes);
  });
  return 0;
}
