// `fovea style --network`: a network that was trained to paint one style, in one pass.
#pragma once

#include "fovea/commands/style.h"

namespace fovea {

// Johnson, Alahi & Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", ECCV 2016, and its
// kin, from ONNX: picture in, picture out. Colours are 0..255 as in PyTorch's examples and the ONNX model zoo, unless
// --preprocess says otherwise. Throws Error{usage} when the network does not make pictures of pictures.
Report run_feed_forward(const Context& context, const StyleOptions& options);

}  // namespace fovea
