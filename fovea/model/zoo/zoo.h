// Every architecture that fovea knows by name. One family, one file; each opens with its paper and its table.
#pragma once

#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/model/model.h"
#include "fovea/model/zoo/network_builder.h"

namespace fovea {

struct Architecture {
  std::string name;    // torchvision's where it has the network: "vgg16_bn"; else as in "resnet20_cifar"
  std::string family;  // "VGG"
  std::string paper;   // "Simonyan & Zisserman, Very deep convolutional networks for large-scale image recognition"
  int year = 0;
  int64_t depth = 0;       // layers with weights on the longest way, as the paper counts them
  Shape input;             // C,H,W as published
  int64_t classes = 0;     // as published
  std::string preprocess;  // the preset of model/preprocess.h that goes with its published weights
  // Appends the network from the builder's input() to its output("scores", …); may add aliases.
  std::function<void(NetworkBuilder&)> build;
};

// All, family by family, in the order of their years.
const std::vector<Architecture>& architectures();
// Also those whose sizes are part of their name (model/zoo/fractalnet.h). Null when there is none of that name.
const Architecture* find_architecture(std::string_view name);

// The network with no weights yet: graph and meaning (preprocessing, aliases, the class names of ImageNet and
// CIFAR-10). Throws Error{usage} for a picture that the network cannot take.
Model build(const Architecture& architecture, const ZooOptions& options = {});

// The same with random weights (model/initialise.h), by name, with or without "zoo:" before it. Throws Error{usage}
// with the nearest names for an unknown one.
Model zoo_model(std::string_view name, const ZooOptions& options = {}, uint64_t seed = 0);

}  // namespace fovea
