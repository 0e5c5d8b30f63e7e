// What an error says.
#pragma once

#include <functional>
#include <string>

#include "fovea/base/error.h"

namespace fovea {

// The message of the Error that the call throws, or "nothing was thrown".
inline std::string message_of(const std::function<void()>& call) {
  try {
    call();
  } catch (const Error& error) { return error.message(); }
  return "nothing was thrown";
}

}  // namespace fovea
