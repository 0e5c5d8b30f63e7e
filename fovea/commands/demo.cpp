#include "fovea/commands/demo.h"
namespace fovea {
OptionList describe(DemoOptions& o) { return {{"--train", "", "", &o.train}}; }
Report run(const Context&, const DemoOptions&) { return {}; }
Command demo_command() { return make_command<DemoOptions>("demo", "", "", {}, run); }
}
