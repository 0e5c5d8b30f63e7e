// A trained network made ready for pictures to be made with it.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/compile/program.h"
#include "fovea/image/image.h"
#include "fovea/model/model.h"

namespace fovea {

// Average pooling with the same windows in the place of every max pooling: "improves the gradient flow" (Gatys et al.,
// 2015, section 2). Padding does not count in the averages. Each average is multiplied by `factor`, which may make up
// for averages being smaller than maxima (crowsonkb's style-transfer-pytorch: 2). Throws Error{unsupported} where a
// node needs to know where the maxima were.
Model with_average_pooling(const Model& model, double factor = 1);

// The picture's edge pixels repeated where convolutions that see the picture itself pad it with zeros: no frame in the
// result. crowsonkb's style-transfer-pytorch.
Model with_replicated_edges(const Model& model);

// Batch norms of inference made part of the convolutions before them, weights and all (transform/rewrite.h's
// fold_batch_norm does so while compiling): for each whose numbers are all weights and whose convolution nothing else
// needs. The result answers as before; a batch norm's name stands for its convolution. Convolutions of `kept`, any
// names of layers, stay as they are.
Model with_folded_batch_norms(const Model& model, std::span<const std::string> kept);

// Weights scaled so that the mean answer of every unit of every rectified convolution over all positions of the
// pictures is 1, without any effect on what units see of each other: w'_ji = w_ji · a_i/a_j, b'_j = b_j / a_j for the
// mean answers a. Gatys et al., 2015, section 2 ("rescaled the weights such that the mean activation of each filter
// over images and positions is equal to one"). A unit whose mean is below a
// twentieth of its layer's counts as having that: see varied_pictures.
// For chains of convolutions, ReLU and pooling from the picture to the `layers`, which may branch but not join again.
// Pictures are levels [1,C,H,W]. Throws Error{unsupported} naming the first other operator, Error{usage} when there are
// no pictures.
Model with_normalised_weights(const Context& context, const Model& model, std::span<const std::string> layers,
                              std::span<const Tensor> pictures, Backend& backend, const CompileOptions& options = {});

// Drawn pictures of all colours and scales, to be normalised by together with those at hand. Gatys et al. took
// ImageNet's. By one picture alone a unit that is nearly silent for it (a colour's in a grey wall) would become
// millions of times as strong.
std::vector<Image> varied_pictures();

}  // namespace fovea
