// What the conformance loops go through: every listed operator with each of its cases.
#pragma once

#include <ostream>
#include <vector>

#include "fovea/ops/list.h"

namespace fovea::testing {

struct Subject {
  const Op* op;
  Case test;
};
inline std::ostream& operator<<(std::ostream& out, const Subject& s) { return out << s.op->name << "/" << s.test.name; }

inline std::vector<Subject> subjects() {
  std::vector<Subject> result;
  for (const Op* op : all_ops())
    for (const Case& test : op->cases()) result.push_back({op, test});
  return result;
}

}  // namespace fovea::testing
