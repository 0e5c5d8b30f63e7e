// Every operator there is. An explicit list: static self-registration is silently dropped by static linking.
#pragma once

#include <span>
#include <string_view>

#include "fovea/graph/op.h"

namespace fovea {

std::span<const Op* const> all_ops();
// Null when there is none of that name.
const Op* find_op(std::string_view name);

}  // namespace fovea
