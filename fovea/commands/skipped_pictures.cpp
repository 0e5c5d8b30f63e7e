#include "fovea/commands/skipped_pictures.h"

#include <fmt/format.h>

#include <algorithm>

#include "fovea/base/counted.h"
#include "fovea/report/table.h"

namespace fovea {

std::string skipped_text(const std::vector<std::string>& messages, bool all, std::string_view how_to_see) {
  constexpr size_t kShown = 5;
  if (messages.empty()) return {};
  std::string text = coloured(
      fmt::format("{} could not be read and had to be left out:\n", counted(messages.size(), "picture")), Ink::yellow);
  const size_t shown = all ? messages.size() : std::min(kShown, messages.size());
  for (size_t i = 0; i < shown; ++i) text += "  " + printable(messages[i]) + "\n";
  if (shown < messages.size()) text += fmt::format("  and {} more ({})\n", messages.size() - shown, how_to_see);
  return text;
}

}  // namespace fovea
