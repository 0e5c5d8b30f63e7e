// A layer by any of the names that people know it by.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

// The output of a layer. Looked for, in this order: a node of this name; an alias of the model's Meaning ("relu4_2");
// the dotted module path of an ONNX file that PyTorch wrote ("layer4.1.conv2" of "/layer4/layer4.1/conv2/Conv"); and
// the one node whose name or alias is spelt alike ("inception_4c/output", "inception4c", Lucid's "mixed4c"; upper or
// lower case). Throws Error{usage} with the nearest names when there is none.
Value find_layer(const Model& model, std::string_view name);

// The other names of each node, by node index: aliases and module paths.
std::vector<std::vector<std::string>> other_names(const Model& model);

}  // namespace fovea
