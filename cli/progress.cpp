#include "cli/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cstdio>

#include "fovea/report/table.h"

namespace fovea::cli {

ProgressBar::ProgressBar(bool quiet) : quiet_(quiet), terminal_(isatty(STDERR_FILENO) != 0) {}

void ProgressBar::clear() {
  if (shown_) std::fputs("\r\033[K", stderr);
  shown_ = false;
}

void ProgressBar::show(const Progress& p) {
  if (quiet_) return;
  const auto now = Clock::now();
  if (what_ != p.what) {
    what_ = p.what;
    start_ = now;
    first_ = p.done;
    last_ = terminal_ ? Clock::time_point{} : now;
  }
  const bool finished = p.total > 0 && p.done >= p.total;
  const double since = std::chrono::duration<double>(now - last_).count();
  if (since < (terminal_ ? 0.1 : 5.0) && !(finished && terminal_)) return;
  last_ = now;
  const double seconds = std::chrono::duration<double>(now - start_).count();
  const double rate = seconds > 0 ? static_cast<double>(p.done - first_) / seconds : 0;
  std::string line = fmt::format("{} {}", p.what, p.done);
  if (p.total > 0) {
    line += fmt::format("/{}", p.total);
    const double share = static_cast<double>(p.done) / static_cast<double>(p.total);
    const std::string shape = bar(share, 24);
    if (terminal_) line += " ▕" + shape + std::string(24 - std::min<size_t>(24, shown_width(shape)), ' ') + "▏";
    if (rate > 0 && !finished)
      line += fmt::format(" {:.3g}/s, {:.0f} s left", rate, static_cast<double>(p.total - p.done) / rate);
  }
  if (!p.detail.empty()) line += "  " + printable(p.detail);
  if (!terminal_) {
    std::fputs((line + "\n").c_str(), stderr);
    return;
  }
  clear();
  if (finished) return;
  std::fputs(("\r" + line).c_str(), stderr);
  shown_ = true;
}

}  // namespace fovea::cli
