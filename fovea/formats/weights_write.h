// Weights → a file of named tensors, the kind by the extension.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "fovea/tensor/weights.h"

namespace fovea {

// Whether the extension is one that write_weights knows: .pth, .pt, .th, .safetensors, .npz.
bool is_weights_extension(const std::filesystem::path& path);

// Writes every tensor: those of `order` first and in that order, the others by name. `half` stores floating-point
// tensors as f16; else each keeps its type and bits (bf16 becomes f32 in .npz, exactly). The metadata go into .pth and
// .safetensors; a .npz has no place for them. The file is written whole or not at all. Throws Error{usage} for another
// extension or a name in `order` that is no tensor, Error{unsupported} for what the kind cannot hold and, with `half`,
// for values that f16 cannot (beyond ±65504).
void write_weights(const Weights& weights, const std::vector<std::string>& order,
                   const std::map<std::string, std::string>& metadata, const std::filesystem::path& path, bool half);

// The same values as f16, rounded to nearest even; tensors of no floating-point type as they are. Throws
// Error{unsupported}, naming the tensor, for a finite value beyond ±65504.
Tensor halved(const std::string& name, const Tensor& tensor);

}  // namespace fovea
