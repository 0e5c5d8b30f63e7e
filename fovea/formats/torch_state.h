// Where the weights are in what a checkpoint holds: state dicts, bare or within other things.
#pragma once

#include <functional>

#include "fovea/formats/torch_pickle.h"
#include "fovea/formats/weights_file.h"

namespace fovea {

// Adds to `result` the tensors of the state dict found from `root` on, in their order; numbers and texts beside it as
// metadata ("epoch" → "90"); and notes about what is left out (the optimiser's state, a second set of weights). A
// prefix "module." or "_orig_mod." that all names have is removed. `make` turns a tensor of the heap into one. Throws
// Error{format} when there is no tensor, a name is there twice, or the nesting is deeper than any checkpoint's.
void read_torch_state(const PickleHeap& heap, PickleRef root, const std::function<Tensor(PickleRef)>& make,
                      WeightsFile& result);

}  // namespace fovea
