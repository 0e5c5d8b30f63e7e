// The program: argv → a command → its report. Everything else is in the library.
#include <fmt/format.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <atomic>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>

#include "cli/progress.h"
#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/commands/command.h"
#include "fovea/commands/command_line.h"
#include "fovea/commands/doctor.h"
#include "fovea/commands/model_options.h"
#include "fovea/report/table.h"
#include "fovea/train/mpi_group.h"

namespace fovea::cli {
namespace {

enum Exit { kOk = 0, kFailed = 1, kUsage = 2, kBadInput = 3, kInterrupted = 130 };

std::atomic<bool> interrupted{false};

extern "C" void on_interrupt(int) {
  if (interrupted.exchange(true)) _exit(kInterrupted);  // the second time: at once
}

void complain(std::string_view message) {
  std::string line = fmt::format("error: {}", message);
  std::fputs(
      ("fovea: " + (isatty(STDERR_FILENO) ? coloured(line.substr(0, 6), Ink::red) + line.substr(6) : line) + "\n")
          .c_str(),
      stderr);
}

std::string overview() {
  std::string text = "fovea looks inside convolutional networks.\n\nusage: fovea COMMAND [options]\n\n";
  for (const Command& c : all_commands())
    if (!c.hidden) text += fmt::format("  {:<11} {}\n", c.name, c.summary);
  return text +
         "\n  fovea COMMAND --help shows a command's options with examples\n"
         "  fovea --version\n\nto begin: fovea demo\n";
}

struct Common {
  bool json = false, quiet = false, help = false;
  int64_t threads = 0;
};

void add_option(CLI::App& app, const Option& option) {
  CLI::Option* added = std::visit(
      [&](auto* target) -> CLI::Option* {
        using T = std::remove_pointer_t<decltype(target)>;
        if constexpr (std::is_same_v<T, bool>) {
          return app.add_flag(option.name, *target, option.help);
        } else {
          CLI::Option* o = app.add_option(option.name, *target, option.help);
          if constexpr (std::is_arithmetic_v<T>) {
            if (option.least > -1e299) o->check(CLI::Range(static_cast<T>(option.least), static_cast<T>(option.most)));
          }
          return o;
        }
      },
      option.target);
  if (option.required) added->required();
  if (!option.choices.empty()) {
    added->check([choices = option.choices](const std::string& value) {
      for (const auto& c : choices)
        if (c == value) return std::string();
      return fmt::format("\"{}\" is none of {}{}", value, fmt::join(choices, ", "), did_you_mean(value, choices));
    });
  }
}

// Flags that no option of the command has: said with the nearest one.
std::string unknown_flag(const std::vector<std::string>& extras, const OptionList& options) {
  std::vector<std::string> known = {"--json", "--threads", "--quiet", "--help"};
  for (const Option& o : options)
    if (!o.positional()) known.push_back(o.name.substr(o.name.rfind(',') + 1));
  for (const std::string& e : extras)
    if (e.starts_with("-")) return fmt::format("unknown option {}{}", e, did_you_mean(e.substr(0, e.find('=')), known));
  return fmt::format("too many arguments: {}", fmt::join(extras, " "));
}

int print(const std::string& text) {
  const bool written = std::fwrite(text.data(), 1, text.size(), stdout) == text.size() && std::fflush(stdout) == 0;
  if (!written) {
    complain("standard output cannot be written");
    return kFailed;
  }
  return kOk;
}

int print_report(const Report& report, bool json) {
  std::string text = json ? json_text(*report.json) : report.text;
  if (!isatty(STDOUT_FILENO) || std::getenv("NO_COLOR")) text = without_colours(text);
  const int code = print(text);
  return report.failed ? kFailed : code;
}

int run_command(const Command& command, const void* options, const Common& common) {
  const int share = take_share_of_cores();  // of several processes that mpirun has started here
  set_thread_count(common.threads > 0 ? static_cast<int>(common.threads) : share);
  bind_threads();
  ProgressBar progress(common.quiet);
  Context context;
  context.cancel = &interrupted;
  context.progress = [&](const Progress& p) { progress.show(p); };
  if (!common.quiet)
    context.log = [&](std::string_view note) {
      progress.clear();
      std::fputs(fmt::format("fovea: {}\n", printable(note)).c_str(), stderr);
    };
  const Report report = command.run(context, options);
  progress.clear();
  if (report.silent) return kOk;
  if (interrupted) return kInterrupted;
  return print_report(report, common.json);
}

int exit_code(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::usage: return kUsage;
    case ErrorKind::internal: return kFailed;
    default: return kBadInput;
  }
}

// What a command's own arguments are where they were given in another tool's words; says so.
std::vector<std::string> own_arguments(const Command& command, std::vector<std::string> arguments) {
  if (!command.own_arguments) return arguments;
  std::optional<OwnArguments> own = command.own_arguments(arguments);
  if (!own) return arguments;
  const bool quiet = std::find_if(arguments.begin(), arguments.end(),
                                  [](const std::string& a) { return a == "-q" || a == "--quiet"; }) != arguments.end();
  if (quiet) return own->arguments;
  for (const std::string& note : own->notes) std::fputs(fmt::format("fovea: {}\n", printable(note)).c_str(), stderr);
  std::vector<std::string> words = {"fovea", command.name};
  words.insert(words.end(), own->arguments.begin(), own->arguments.end());
  std::fputs(fmt::format("fovea: in its own words: {}\n", printable(shell_line(words))).c_str(), stderr);
  return own->arguments;
}

int parse_and_run(const Command& command, std::vector<std::string> arguments) {
  arguments = own_arguments(command, std::move(arguments));
  Common common;
  const auto options = command.make_options();
  const OptionList list = command.describe(options.get());
  CLI::App app(command.summary, "fovea " + command.name);
  app.set_help_flag();
  app.allow_extras();
  for (const Option& option : list) add_option(app, option);
  app.add_flag("--json", common.json);
  app.add_flag("-q,--quiet", common.quiet);
  app.add_flag("-h,--help", common.help);
  app.add_option("--threads", common.threads)->check(CLI::Range(int64_t{1}, int64_t{1024}));
  for (const std::string& a : arguments) {
    if (a == "--") break;
    if (a == "--help" || a == "-h") { return print(help_text(command)); }
  }
  std::reverse(arguments.begin(), arguments.end());  // as CLI11 wants them
  try {
    app.parse(arguments);
    if (!app.remaining().empty()) throw Error(ErrorKind::usage, unknown_flag(app.remaining(), list));
  } catch (const CLI::ParseError& e) {
    const auto extras = app.remaining();
    const bool flag =
        std::any_of(extras.begin(), extras.end(), [](const std::string& x) { return x.starts_with("-"); });
    complain(flag ? unknown_flag(extras, list) : e.what());
    std::fputs(fmt::format("see fovea {} --help\n", command.name).c_str(), stderr);
    return kUsage;
  }
  return run_command(command, options.get(), common);
}

int find_and_run(std::vector<std::string> arguments) {
  // Flags for every command may also stand before its name.
  std::vector<std::string> before;
  while (!arguments.empty() && arguments[0].starts_with("-")) {
    const bool takes_value = arguments[0] == "--threads" && arguments.size() > 1;
    for (int i = 0; i < 1 + takes_value; ++i) before.push_back(arguments[0]), arguments.erase(arguments.begin());
  }
  for (const std::string& flag : before) {
    if (flag == "--help" || flag == "-h") return print(overview());
    if (flag == "--version") return print(fmt::format("fovea {}\n", version()));
  }
  if (!arguments.empty() && arguments[0] == "help") {
    if (arguments.size() == 1) return print(overview());
    std::swap(arguments[0], arguments[1]);
    arguments[1] = "--help";
  }
  if (arguments.empty()) {
    const std::vector<std::string> known = {"--json", "--threads", "--quiet", "-q", "--help", "--version"};
    for (const std::string& flag : before) {
      if (!flag.starts_with("-") || std::find(known.begin(), known.end(), flag) != known.end()) continue;
      complain(fmt::format("unknown option {}{}", printable(flag), did_you_mean(flag, known)));
      return kUsage;
    }
    std::fputs(overview().c_str(), stderr);
    return kUsage;
  }
  const Command* command = find_command(arguments[0]);
  if (!command) {
    std::vector<std::string> names;
    for (const Command& c : all_commands()) names.push_back(c.name);
    complain(fmt::format("there is no command \"{}\"{}", printable(arguments[0]), did_you_mean(arguments[0], names)));
    return kUsage;
  }
  arguments.erase(arguments.begin());
  arguments.insert(arguments.begin(), before.begin(), before.end());
  return parse_and_run(*command, std::move(arguments));
}

}  // namespace
}  // namespace fovea::cli

int main(int argc, char** argv) {
  using namespace fovea;
  using namespace fovea::cli;
  std::signal(SIGINT, on_interrupt);
  std::signal(SIGTERM, on_interrupt);
  int code = kFailed;
  try {
    code = find_and_run({argv + 1, argv + argc});
  } catch (const WriteError& e) { complain(printable(e.message())); } catch (const Error& e) {
    code = exit_code(e.kind());
    if (!interrupted) complain(printable(e.message()));
  } catch (const std::bad_alloc&) { complain("out of memory"); } catch (const std::exception& e) {
    complain(e.what());
  }
  if (interrupted) {
    if (launch().rank == 0) std::fputs("fovea: interrupted\n", stderr);
    code = kInterrupted;
  }
  return code;
}
