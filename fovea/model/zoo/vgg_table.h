#pragma once

#include <string>

namespace fovea {

// Tables 1 and 2 of the VGG paper as text: the layers of the configurations A, A-LRN, B, C, D and E and their numbers
// of parameters in millions, written from the same table from which the networks are built. Source: see zoo/vgg.cpp.
std::string vgg_table();

}  // namespace fovea
