// The blobs of Caffe's layers → named tensors.
#pragma once

#include <string>

#include "caffe.pb.h"
#include "fovea/base/bytes.h"
#include "fovea/tensor/weights.h"

namespace fovea {

// "<layer>.weight" for blob 0 of a convolution, and so on; see read_caffemodel.
std::string caffe_parameter_name(const std::string& layer, const std::string& type, int blob);

// Adds the weights of one layer, which came from `file`. Throws Error{format} naming layer and blob.
void add_caffe_weights(const caffe::LayerParameter& layer, const Bytes& file, Weights& weights);

}  // namespace fovea
