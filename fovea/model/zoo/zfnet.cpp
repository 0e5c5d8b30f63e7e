// ZF-Net: AlexNet with a smaller first window and stride, found by looking at what its filters had learned.
//
//   conv 7×7/2 pad 1, 96 (110×110) · pool 3/2 (55×55) · norm · conv 5×5/2, 256 (26×26) · pool 3/2 (13×13) · norm ·
//   conv 3×3 pad 1, 384 · 384 · 256 · pool 3/2 (6×6) · 4096 · 4096 · 1000 · softmax
//
// The normalisation is that of Krizhevsky et al. 2012: k = 2, n = 5, alpha = 1e-4 (not divided by n), beta = 0.75.
// Source: Zeiler & Fergus, "Visualizing and understanding convolutional networks", ECCV 2014 (arXiv 1311.2901), Fig. 3.
#include "fovea/model/zoo/eight_layers.h"
#include "fovea/model/zoo/families.h"

namespace fovea {

namespace {

EightLayers zf() {
  return {.convs = {{{96, 7, 2, 1, 1, true, 3, 2},
                     {256, 5, 2, 0, 1, true, 3, 2},
                     {384, 3, 1, 1},
                     {384, 3, 1, 1},
                     {256, 3, 1, 1, 1, false, 3, 2}}},
          .norm = {.size = 5, .alpha = 5e-4, .beta = 0.75, .bias = 2},
          .pool_before_norm = true};
}

}  // namespace

std::vector<Architecture> zfnets() {
  return {{"zfnet",
           "ZF-Net",
           "Zeiler & Fergus, Visualizing and understanding convolutional networks",
           2013,
           8,
           {3, 224, 224},
           1000,
           "caffe",
           [](NetworkBuilder& b) { eight_layers(b, zf()); }}};
}

}  // namespace fovea
