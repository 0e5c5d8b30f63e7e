#include "fovea/data/packed.h"

#include <fmt/format.h>

#include <algorithm>

#include "fovea/formats/archive.h"

namespace fovea {

Bytes unpacked_part(const Bytes& file) { return unpacked(file, kMaxUnpacked); }

std::string first_bytes(const Bytes& file) {
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(4, file.size()); ++i)
    text += fmt::format("{}{:02x}", i ? " " : "", std::to_integer<int>(file.data()[i]));
  return text.empty() ? "nothing" : text;
}

}  // namespace fovea
