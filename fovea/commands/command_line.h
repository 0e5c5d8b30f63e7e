// A command's options as arguments, and arguments as options: what the description of the options says, nothing else.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fovea/commands/command.h"

namespace fovea {

// The arguments that ask for these options: positional ones first, then the options that differ from their defaults, in
// the order of the list and under their long names. Values stand as they were given; no path is changed. Options
// that only say where results go and how they are shown (is_placement) are left out.
std::vector<std::string> arguments_of(const OptionList& options, const OptionList& defaults);

// The arguments that arguments_of leaves out, of those that differ from their defaults: where results go and what is
// shown on the way. Neither --resume nor --plan: the line that goes on with a stopped run says its own state.
std::vector<std::string> placements_of(const OptionList& options, const OptionList& defaults);

// The first of an option's names that is not a letter: "--output" of "-o,--output".
std::string long_name(const Option& option);

// Whether an option only says where results go or what is shown of the work (--output, --save, --report, --profile, …).
bool is_placement(const Option& option);
// The long name of the first such option that is set to something else than its default; "" where there is none.
std::string placement_in(const OptionList& options, const OptionList& defaults);

// Sets options from arguments_of's; throws Error{usage} for a name that there is not, a value that is none (a number,
// within its range, one of the choices), or a positional argument too many.
void set_options(const OptionList& options, std::span<const std::string> arguments);
// Sets one option by one of its names ("-o"). Throws Error{usage} when there is none of that name.
void set_option(const OptionList& options, const std::string& name, const std::string& value);
const Option* find_option(const OptionList& options, const std::string& name);

// Arguments as a person types them into a shell: quoted where that is needed. A value that begins with "-" is joined
// to its option by "=".
std::string shell_line(std::span<const std::string> arguments);

}  // namespace fovea
