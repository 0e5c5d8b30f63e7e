// Named tensors without a network → the network of the zoo that they belong to.
#pragma once

#include <string>
#include <vector>

#include "fovea/model/model.h"
#include "fovea/model/zoo/zoo.h"

namespace fovea {

struct RecogniseOptions {
  std::string architecture;  // the zoo's name, where the user says it; empty: the one that fits
  std::string hint;          // the file's name: tells apart weights of one shape, as VGG's of Caffe and of torchvision
};

// Finds the architecture whose parameters have the names and shapes of `weights` and returns it with them. Understood
// are torchvision's names and older spellings of them, timm's, those of the common CIFAR repositories (shortcut or
// downsample, linear or fc), Caffe's layer names, another number of classes or input channels, and files that end
// before the classifier ("features only": the network is cut there). The Meaning states the convention that goes with
// the family; its notes say what was found. Throws Error{format} when nothing fits, naming the nearest architecture and
// which tensors are missing, surplus or of another shape, and Error{usage} for an unknown architecture.
Model recognise(const Weights& weights, const RecogniseOptions& options = {});

// A graph with weights of another file: each parameter is looked for by its name, by the aliases of its layer, and by
// the spellings that recognise() knows. Throws Error{format} naming the tensors that are missing or of another shape.
Model join(Model model, const Weights& weights, const std::string& source);

}  // namespace fovea
