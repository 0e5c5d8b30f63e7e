// Caffe's files → Model: a .prototxt describes the network, a .caffemodel holds its weights. Layers of the forms V0, V1
// and V2 (`layers { layer { type: "conv" } }`, `layers { type: CONVOLUTION }`, `layer { type: "Convolution" }`).
#pragma once

#include <optional>
#include <string>

#include "fovea/base/bytes.h"
#include "fovea/model/model.h"

namespace fovea {

struct CaffeOptions {
  std::string phase = "test";  // test or train: which layers' include and exclude rules hold
  // C,H,W of the pictures of data layers that do not say so (those that read a data base without crop_size); empty:
  // such networks are refused.
  Shape picture;
  // Whether parameters that no caffemodel gives are drawn at random; without them the caller brings weights of its own.
  bool initialise = true;
};

// The network of a prototxt. Nodes are named after the layers ("conv1", "relu1"); a blob that is named unlike every
// layer becomes an alias of the node that wrote it last. Inputs are named after their blobs; their batch size is 1
// unless a layer works along the batch (the metadata keep the declared one). Parameters are named as read_caffemodel
// names them, all f32.
// With a caffemodel its weights are joined by layer name; without one meaning.trained is false and the weights are
// initial_weights(graph, 0). The meaning takes what transform_param says, else Caffe's conventions: BGR 0..255 minus
// (104,117,123), short side 256, centre crop; for one channel grey / 256. Messages begin with the files' labels.
// Throws Error{format} with the line for text that is no prototxt, for layers that contradict each other and for blobs
// that do not fit or are missing (layer, expected, got); Error{unsupported} naming layer and type for layers that fovea
// does not know; Error{shape} for windows that do not fit; Error{usage} for another phase.
Model read_caffe(const Bytes& prototxt, const std::optional<Bytes>& caffemodel, const CaffeOptions& options = {});

// The weights of a .caffemodel, f32: "<layer>.weight" and "<layer>.bias" (Convolution [O,I/G,kH,kW], Deconvolution
// [I,O/G,kH,kW], InnerProduct [O,I], Scale, Bias, PReLU); of BatchNorm "<layer>.running_mean" and
// "<layer>.running_var", divided by the stored factor. Large f32 blobs stay in the mapping where they are aligned.
// Throws Error{format} naming layer and blob.
Weights read_caffemodel(const Bytes& caffemodel);

// A mean image (.binaryproto) → [1,C,H,W] f32. Throws Error{format}.
Tensor read_binaryproto(const Bytes& file);

// Puts a mean image's mean of each channel (in the order of the network's channels, BGR 0..255) into a preprocessing;
// returns a sentence that says so. Throws Error{usage} when the channels differ.
std::string use_mean_image(Preprocess& how, const Tensor& mean);

// By content.
bool is_caffemodel(const Bytes& file);
bool is_prototxt(const Bytes& file);

}  // namespace fovea
