// Networks that make a picture of a picture.
#pragma once

#include "fovea/backend/backend.h"
#include "fovea/compile/program.h"
#include "fovea/image/image.h"
#include "fovea/model/model.h"

namespace fovea {

// The network for a picture of this size: its picture input respecialised. Throws Error{usage} where its shapes are
// fixed to another one, and when its output is no picture [1,3,H,W] (or [1,1,H,W]).
Model painting_network(const Model& model, int64_t height, int64_t width);

// What the network makes of a picture of the size that it was specialised to: the output's colours are turned back as
// `preprocess` turned the input's, rounded to 8 or 16 bits, and cut off at black and white. The output may differ in
// size by the rounding of strides.
Image paint(const Model& model, const Image& picture, Backend& backend, const CompileOptions& options, int depth = 8);

}  // namespace fovea
