// Old forms of Caffe's networks → the newest one.
#pragma once

#include "caffe.pb.h"

namespace fovea {

// Brings a network into the form V2: `layers` of the forms V0 and V1 become `layer`; `input` fields become layers of
// type Input; settings of data layers move to transform_param; padding layers of V0 go into the layers they pad. Throws
// Error{format} for a network that mixes `layer` and `layers`, for inputs without sizes and for layers of V0 whose type
// is unknown; Error{unsupported} for padding before a layer that cannot pad.
void upgrade_caffe(caffe::NetParameter& network);

}  // namespace fovea
