#pragma once

#include "fovea/commands/model_options.h"

namespace fovea {

struct DoctorOptions {
  bool fast = false;  // no measurement
};
OptionList describe(DoctorOptions& options);

// The machine, the libraries, the caches, and what is fast here.
Report run(const Context& context, const DoctorOptions& options);
Command doctor_command();

// "0.1.0".
std::string_view version();

}  // namespace fovea
