#include "fovea/commands/open_page.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <string_view>

namespace fs = std::filesystem;

namespace fovea {

namespace {

constexpr const char* kOpener = "xdg-open";

bool is_in_path(const std::string& name) {
  const char* path = std::getenv("PATH");
  for (std::string_view rest = path ? path : ""; !rest.empty();) {
    const size_t end = std::min(rest.find(':'), rest.size());
    if (::access((fs::path(rest.substr(0, end)) / name).c_str(), X_OK) == 0) return true;
    rest.remove_prefix(std::min(end + 1, rest.size()));
  }
  return false;
}

bool has_desktop() { return std::getenv("DISPLAY") || std::getenv("WAYLAND_DISPLAY"); }

}  // namespace

void open_page(const Context& context, const std::string& path) {
  std::error_code error;
  const std::string where = fs::absolute(path, error).string();
  if (!has_desktop() || !is_in_path(kOpener)) {
    context.note(fmt::format("no browser to open the page in ({}); it is {}",
                             has_desktop() ? "there is no xdg-open" : "no desktop is running", where));
    return;
  }
  // Twice forked, so that nobody has to wait for the browser.
  const pid_t child = ::fork();
  if (child == 0) {
    if (::fork() != 0) ::_exit(0);
    const int nothing = ::open("/dev/null", O_RDWR);
    for (int descriptor = 0; nothing >= 0 && descriptor < 3; ++descriptor) ::dup2(nothing, descriptor);
    ::execlp(kOpener, kOpener, where.c_str(), static_cast<char*>(nullptr));
    ::_exit(127);
  }
  if (child > 0) ::waitpid(child, nullptr, 0);
}

}  // namespace fovea
