// How a picture becomes a network's input, and the well-known ways of doing so. Here and nowhere else.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/model/model.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

// The part of a picture that the network sees: resized and cropped as `how` says, 8-bit RGB (grey for colour = grey),
// of crop_height x crop_width pixels. Throws Error{usage} for an unknown colour, resize or filter, an empty picture,
// or one of another size where resize = none.
Image fit_picture(const Image& picture, const Preprocess& how);

// The network's input [1,C,H,W] f32: (pixel 0..255 * scale - mean) / std of the fitted picture; C is 3, or 1 for grey.
// The torchvision convention equals Resize, CenterCrop, ToTensor and Normalize on a PIL picture. Throws as fit_picture,
// and Error{usage} when mean or std have another number of channels or a std is zero.
Tensor preprocess(const Image& picture, const Preprocess& how);
// The same for a picture that is fitted already.
Tensor normalise(const Image& fitted, const Preprocess& how);

// A named convention for an input of height x width; see preset_names().
//   torchvision  RGB 0..1, ImageNet mean and std, short side * 256/224, bilinear, centre crop
//   caffe        BGR 0..255 minus (104,117,123), short side 256 for inputs of 200 to 256 pixels, its long side rounded
//   vgg          BGR 0..255 minus (103.939,116.779,123.68), otherwise the same
//   whole        as torchvision, but the whole picture stretched to the input: CIFAR networks trained with ImageNet's
//                mean and std
//   cifar        RGB 0..1, CIFAR-10's own mean (0.4914,0.4822,0.4465) and std (0.2470,0.2435,0.2616), stretched
//   unit         RGB 0..1, nothing subtracted
//   signed       RGB -1..1, as TensorFlow's Inception and MobileNet
//   raw          RGB 0..255
//   grey         one channel, 0..1, stretched to the input
//   mnist        one channel, 0..255, stretched to the input
// Throws Error{usage} with the known names for another one.
Preprocess preset(std::string_view name, int64_t height = 224, int64_t width = 224);
const std::vector<std::string>& preset_names();

// The convention assumed for an input of this shape [N,C,H,W] when nothing is stated: torchvision for three channels,
// grey for one. Throws Error{usage} when no picture fits such an input.
Preprocess assumed_preprocess(const Shape& input);

// The same convention for another input size: the picture's share that is cropped stays.
Preprocess resized(Preprocess how, int64_t height, int64_t width);

// "torchvision: RGB, short side 256 bilinear, centre crop 224x224, x/255, mean …, std …".
std::string describe(const Preprocess& how);

}  // namespace fovea
