// First layers that begin as filters which whiten the training set's patches.
#pragma once

#include "fovea/data/dataset.h"
#include "fovea/model/initialise.h"
#include "fovea/model/model.h"

namespace fovea {

// Sets the weights [O,I,k,k] of the convolutions that the patterns of `how.whiten` name, all of which read the picture.
// With C = Σ p pᵀ / n over the patches p (all places of up to 5000 pictures, every n-th of the set, prepared as the
// network's input) and C = V Λ Vᵀ, filter e is the e-th column of V, largest λ first, divided by √(λ + 5e-4); filters
// E … 2E − 1 are its negatives, E = min(I·k·k, ⌊O/2⌋), further ones stay as they are. Of an eigenvector's two signs
// that one is taken whose largest element is positive. Does nothing without patterns. Throws Error{usage} for a pattern
// that names no such convolution, and what reading a picture throws; with `skip_broken`, pictures that cannot be read
// are left out. Source: Jordan, "94 % on CIFAR-10 in 3.29 seconds on a single GPU", 2024, section 3.2; Page, "How to
// train your ResNet", 2018, part 8.
void whiten_first_layers(Model& model, const Initialisation& how, const Dataset& train, bool skip_broken = false);

}  // namespace fovea
