// What a trained network's metadata say of how good it is.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "fovea/model/model.h"

namespace fovea {

// The value of a metadata entry; "" when there is none.
std::string metadata_of(const Meaning& meaning, std::string_view key);

// How many of a test set's samples it got wrong.
struct StatedTest {
  int64_t errors = 0, count = 0;
  double accuracy() const { return 1 - static_cast<double>(errors) / static_cast<double>(count); }
};

// Reads "731 errors of 10000", as `fovea train` writes it under "test"; not given when there is nothing of that form.
std::optional<StatedTest> stated_test(const Meaning& meaning);

}  // namespace fovea
