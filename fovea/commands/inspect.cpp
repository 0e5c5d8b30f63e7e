#include "fovea/commands/inspect.h"
namespace fovea {
OptionList describe(InspectOptions& o) { return describe(o.model); }
Report run(const Context&, const InspectOptions&) { return {}; }
Command inspect_command() { return make_command<InspectOptions>("inspect", "", "", {}, run); }
}
