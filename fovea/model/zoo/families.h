// The families of the zoo: each function stands in the file of its name.
#pragma once

#include <vector>

#include "fovea/model/zoo/zoo.h"

namespace fovea {

std::vector<Architecture> lenets();
std::vector<Architecture> mlps();
std::vector<Architecture> alexnets();
std::vector<Architecture> zfnets();
std::vector<Architecture> nins();
std::vector<Architecture> vggs_f_m_s();
std::vector<Architecture> vggs();
std::vector<Architecture> googlenets();
std::vector<Architecture> convnets_cifar();
std::vector<Architecture> squeezenets();
std::vector<Architecture> allcnns();
std::vector<Architecture> highways();
std::vector<Architecture> resnets();
std::vector<Architecture> cifar_resnets();
std::vector<Architecture> densenets();
std::vector<Architecture> fractalnets();

}  // namespace fovea
