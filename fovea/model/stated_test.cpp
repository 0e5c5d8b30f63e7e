#include "fovea/model/stated_test.h"

#include <charconv>

namespace fovea {

std::string metadata_of(const Meaning& meaning, std::string_view key) {
  for (const auto& [name, value] : meaning.metadata)
    if (name == key) return value;
  return {};
}

std::optional<StatedTest> stated_test(const Meaning& meaning) {
  constexpr std::string_view kBetween = " errors of ";
  const std::string text = metadata_of(meaning, "test");
  const char* const end = text.data() + text.size();
  StatedTest test;
  const auto errors = std::from_chars(text.data(), end, test.errors);
  if (errors.ec != std::errc{} || !std::string_view(errors.ptr, end).starts_with(kBetween)) return {};
  const auto count = std::from_chars(errors.ptr + kBetween.size(), end, test.count);
  if (count.ec != std::errc{} || count.ptr != end) return {};
  if (test.count < 1 || test.errors < 0 || test.errors > test.count) return {};
  return test;
}

}  // namespace fovea
