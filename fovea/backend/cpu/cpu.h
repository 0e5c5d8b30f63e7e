// The CPU backend: oneDNN primitives in blocked layouts, and our own kernels (Highway, chosen at run time for the
// machine's instruction set).
#pragma once

#include "fovea/backend/backend.h"

namespace fovea {

struct CpuOptions {
  bool exact = false;  // no Winograd
  bool bf16 = false;   // bf16 operands allowed
};

std::unique_ptr<Backend> cpu_backend(CpuOptions options = {});

// Whether any fast candidate stands for an operator, by name; the others run their reference loops.
bool cpu_accelerates(std::string_view op);

}  // namespace fovea
