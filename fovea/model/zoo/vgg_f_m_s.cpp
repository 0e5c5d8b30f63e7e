// VGG-F, VGG-M and VGG-S: the fast, medium and slow networks of "Return of the Devil", with Caffe's names.
//
//           VGG-F                     VGG-M                     VGG-S
//   conv1   64 × 11×11/4, norm        96 × 7×7/2, norm          96 × 7×7/2, norm
//   pool1   3/2                       3/2                       3/3
//   conv2   256 × 5×5 pad 2, norm     256 × 5×5/2 pad 1, norm   256 × 5×5
//   pool2   3/2                       3/2                       2/2
//   conv3   256 × 3×3 pad 1           512 × 3×3 pad 1           512 × 3×3 pad 1
//   conv4   256 × 3×3 pad 1           512 × 3×3 pad 1           512 × 3×3 pad 1
//   conv5   256 × 3×3 pad 1           512 × 3×3 pad 1           512 × 3×3 pad 1
//   pool5   3/2                       3/2                       3/3
//   fc6 4096 · fc7 4096 · fc8 1000 · softmax
//
// Normalisation as in the published Caffe files: 5 channels, alpha 5e-4, beta 0.75, k 2. conv2 of VGG-S is not padded
// there (the paper says 1; after the pooling that follows, the maps have 17 instead of 18 rows, and fc6 is the same).
// Source: Chatfield, Simonyan, Vedaldi & Zisserman, "Return of the devil in the details: delving deep into
// convolutional nets", BMVC 2014, Table 1.
#include "fovea/model/zoo/eight_layers.h"
#include "fovea/model/zoo/families.h"

namespace fovea {

namespace {

EightLayers fast() {
  return {.convs = {{{64, 11, 4, 0, 1, true, 3, 2},
                     {256, 5, 1, 2, 1, true, 3, 2},
                     {256, 3, 1, 1},
                     {256, 3, 1, 1},
                     {256, 3, 1, 1, 1, false, 3, 2}}}};
}

EightLayers medium() {
  return {.convs = {{{96, 7, 2, 0, 1, true, 3, 2},
                     {256, 5, 2, 1, 1, true, 3, 2},
                     {512, 3, 1, 1},
                     {512, 3, 1, 1},
                     {512, 3, 1, 1, 1, false, 3, 2}}}};
}

EightLayers slow() {
  return {.convs = {{{96, 7, 2, 0, 1, true, 3, 3},
                     {256, 5, 1, 0, 1, false, 2, 2},
                     {512, 3, 1, 1},
                     {512, 3, 1, 1},
                     {512, 3, 1, 1, 1, false, 3, 3}}}};
}

}  // namespace

std::vector<Architecture> vggs_f_m_s() {
  const auto entry = [](std::string name, EightLayers (*layers)()) {
    return Architecture{std::move(name),
                        "VGG-F/M/S",
                        "Chatfield, Simonyan, Vedaldi & Zisserman, Return of the devil in the details",
                        2014,
                        8,
                        {3, 224, 224},
                        1000,
                        "vgg",
                        [layers](NetworkBuilder& b) {
                          EightLayers table = layers();
                          table.norm = {.size = 5, .alpha = 5e-4, .beta = 0.75, .bias = 2};
                          eight_layers(b, table);
                        }};
  };
  return {entry("vgg_f", fast), entry("vgg_m", medium), entry("vgg_s", slow)};
}

}  // namespace fovea
