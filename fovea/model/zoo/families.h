// The families of the zoo: each function stands in the file of its name.
#pragma once

#include <vector>

#include "fovea/model/zoo/zoo.h"

namespace fovea {

std::vector<Architecture> alexnets();

}  // namespace fovea
