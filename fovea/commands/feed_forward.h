// `fovea style --network`: a network that was trained to paint one style, in one pass.
#pragma once

#include "fovea/commands/style.h"

namespace fovea {

// Johnson, Alahi & Fei-Fei, "Perceptual losses for real-time style transfer and super-resolution", ECCV 2016, and its
// kin, from ONNX: picture in, picture out. Colours are 0..255 as in PyTorch's examples and the ONNX model zoo, unless
// --preprocess says otherwise. Throws Error{usage} when the network does not make pictures of pictures.
Report run_feed_forward(const Context& context, const StyleOptions& options);

// Bytes that painting a picture of height x width takes at most, by the plan of the program that will do it; where that
// is surely more than `most`, a lower bound instead, without planning. `model`: painting_network's of that size.
size_t painting_bytes(const Model& model, const Engine& engine, int64_t height, int64_t width, size_t most);

}  // namespace fovea
