// Where a Caffe network's pictures come from: input and data layers, and what they say about preparing pictures.
#pragma once

#include <string>
#include <vector>

#include "caffe.pb.h"
#include "fovea/model/model.h"

namespace fovea {

// Whether a layer feeds the network: Input, Data, ImageData, MemoryData, WindowData, DummyData.
bool is_caffe_input(const caffe::LayerParameter& layer);
// Whether its second and later tops are labels.
bool has_caffe_labels(const caffe::LayerParameter& layer);

// The shape of each top that is fed. `picture` (C,H,W or empty) stands in where the layer does not know. Throws
// Error{format} for a layer without sizes.
std::vector<Shape> caffe_input_shapes(const caffe::LayerParameter& layer, const Shape& picture);

// How pictures of the shape [N,C,H,W] (C 1 or 3) are prepared: what the layer's transform_param says, else Caffe's
// conventions. `notes` gets a sentence for what the text says and no preprocessing can do, such as a mean file.
Preprocess caffe_preprocess(const caffe::LayerParameter& layer, const Shape& shape, std::vector<std::string>& notes);

}  // namespace fovea
