// The families of the zoo: each function stands in the file of its name.
#pragma once

#include <vector>

#include "fovea/model/zoo/zoo.h"

namespace fovea {

std::vector<Architecture> alexnets();
std::vector<Architecture> allcnns();
std::vector<Architecture> highways();
std::vector<Architecture> resnets();
std::vector<Architecture> cifar_resnets();
std::vector<Architecture> densenets();
std::vector<Architecture> fractalnets();

}  // namespace fovea
