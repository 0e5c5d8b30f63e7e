#include "fovea/base/counted.h"

#include <fmt/format.h>

namespace fovea {

std::string counted_text(int64_t count, std::string_view noun) {
  if (count == 1 || noun.empty()) return fmt::format("{} {}", count, noun);
  const auto ends = [&](std::string_view end) { return noun.ends_with(end); };
  if (ends("s") || ends("x") || ends("ch") || ends("sh")) return fmt::format("{} {}es", count, noun);
  const bool consonant = noun.size() > 1 && std::string_view("aeiou").find(noun[noun.size() - 2]) == noun.npos;
  if (ends("y") && consonant) return fmt::format("{} {}ies", count, noun.substr(0, noun.size() - 1));
  return fmt::format("{} {}s", count, noun);
}

}  // namespace fovea
