// Numbers of things, as people write them.
#pragma once

#include <concepts>
#include <cstdint>
#include <string>
#include <string_view>

namespace fovea {

// "1 picture", "2 pictures", "0 classes", "3 queries": the count and the noun, of which one is given. Its plural is the
// regular one of English: -es behind s, x, ch and sh, -ies for a y behind a consonant, otherwise -s.
std::string counted_text(int64_t count, std::string_view noun);
std::string counted(std::integral auto count, std::string_view noun) {
  return counted_text(static_cast<int64_t>(count), noun);
}

}  // namespace fovea
