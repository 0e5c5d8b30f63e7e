#include "fovea/base/error.h"

namespace fovea {

std::string_view to_string(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::shape: return "shape";
    case ErrorKind::type: return "type";
    case ErrorKind::format: return "format";
    case ErrorKind::unsupported: return "unsupported";
    case ErrorKind::io: return "io";
    case ErrorKind::usage: return "usage";
    case ErrorKind::internal: return "internal";
  }
  return "unknown";
}

}  // namespace fovea
