// A command: typed options and `run → Report`. Its record is the one description from which the program's flags, --help
// and docs/cli come, and later the studio's forms and the Python functions.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "fovea/base/context.h"
#include "fovea/base/error.h"
#include "fovea/base/nearest.h"

namespace fovea {

// What a command found. Nothing has been printed.
struct Report {
  std::string text;                                    // for a person; holds terminal colours, see without_colours()
  std::shared_ptr<const nlohmann::ordered_json> json;  // the same for a program; never null after run
  std::vector<std::filesystem::path> files;            // what was written
  bool silent = false;                                 // nothing is to be said: another process of the group says it
  bool failed = false;                                 // the work was done and the answer is "no" (verify): exit code 1

  void set_json(const nlohmann::ordered_json& value);
};

// A result could not be written: unlike other errors about files, no input is to blame. Programs exit with 1 for it,
// not 3.
struct WriteError : Error {
  explicit WriteError(const Error& error) : Error(error) {}
};
// Calls f and turns its Error{io} into a WriteError.
template <class F>
void writing(F&& f) {
  try {
    f();
  } catch (const Error& e) {
    if (e.kind() == ErrorKind::io) throw WriteError(e);
    throw;
  }
}

using Target = std::variant<bool*, int64_t*, double*, std::string*, std::vector<std::string>*>;

// One option. Its default is what the target holds when it is described.
struct Option {
  std::string name;   // "--top", or "MODEL" for an argument given by position
  std::string value;  // what stands for the value in the help text: "N"; empty for a switch or an argument
  std::string help;
  Target target;
  bool required = false;
  std::vector<std::string> choices = {};
  double least = -1e300, most = 1e300;
  bool positional() const { return !name.starts_with("-"); }
};
using OptionList = std::vector<Option>;

struct Example {
  std::string line;  // what is typed
  std::string does;
};

struct OwnArguments {
  std::vector<std::string> arguments;
  std::vector<std::string> notes;  // what had no meaning here
};

struct Command {
  std::string name;
  std::string summary;      // one line
  std::string description;  // a few sentences
  std::vector<Example> examples;
  std::function<std::shared_ptr<void>()> make_options;
  std::function<OptionList(void*)> describe;
  std::function<Report(const Context&, const void*)> run;
  bool hidden = false;
  // Arguments in another tool's words as this command's own; without value where they are its own already.
  std::function<std::optional<OwnArguments>(const std::vector<std::string>&)> own_arguments = {};
};

// The record of a command whose options are described by an overload `OptionList describe(Options&)`.
template <class Options>
Command make_command(std::string name, std::string summary, std::string description, std::vector<Example> examples,
                     Report (*run)(const Context&, const Options&)) {
  return {std::move(name),
          std::move(summary),
          std::move(description),
          std::move(examples),
          [] { return std::shared_ptr<void>(std::make_shared<Options>()); },
          [](void* options) { return describe(*static_cast<Options*>(options)); },
          [run](const Context& context, const void* options) {
            return run(context, *static_cast<const Options*>(options));
          },
          false,
          {}};
}

// Several lists as one.
OptionList operator+(OptionList a, OptionList b);

// All commands, in the order of the help text.
const std::vector<Command>& all_commands();
const Command* find_command(std::string_view name);

// Help of one command, with its examples, and its page for docs/cli in Markdown.
std::string help_text(const Command& command);
std::string markdown_page(const Command& command);
// "top = 5": the default of an option as text; empty for switches that are off and empty values.
std::string default_text(const Option& option);

}  // namespace fovea
