// Model → Caffe: a .prototxt and a .caffemodel of the form V2.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

struct CaffeFiles {
  std::string prototxt;
  std::vector<std::byte> caffemodel;
};

// Both files in memory. Layers are named after the nodes, blobs after the layers (outputs after their own names). f32
// weights keep every bit, others become f32; a batch norm becomes BatchNorm and Scale. How pictures are prepared goes
// into a comment that fovea reads back. A pooling that rounds down says round_mode: FLOOR where rounding up would
// differ. Throws Error{unsupported} "… cannot be written as Caffe" naming the node for operators, settings and
// geometries that Caffe's layers lack (uneven padding, dilated pooling, averages that leave padding out) and for more
// than 2 GiB; Error{usage} when a weight is missing or of another type.
CaffeFiles to_caffe(const Model& model);
// The same into two files, each whole or not at all (see write_file).
void write_caffe(const Model& model, const std::filesystem::path& caffemodel, const std::filesystem::path& prototxt);

}  // namespace fovea
