// The eight-layer form of AlexNet, ZF-Net and VGG-F, -M and -S: five convolutions and three fully connected layers,
// named as in Caffe's files: conv1 relu1 norm1 pool1 … conv5 relu5 pool5 fc6 relu6 drop6 fc7 relu7 drop7 fc8 prob.
#pragma once

#include <array>

#include "fovea/model/zoo/network_builder.h"

namespace fovea {

struct EightLayers {
  struct Conv {
    int64_t out, kernel, stride, pad;
    int64_t groups = 1;
    bool norm = false;                         // local response normalisation follows
    int64_t pool_kernel = 0, pool_stride = 0;  // max pooling follows; 0: none
  };
  std::array<Conv, 5> convs;
  LrnAttributes norm;  // alpha as in Caffe: divided by the window's size
  bool pool_before_norm = false;
};

// Appends the network, from the input to the output "scores", which are the probabilities of the node "prob". Pooling
// rounds up, as in Caffe.
void eight_layers(NetworkBuilder& b, const EightLayers& layers);

}  // namespace fovea
