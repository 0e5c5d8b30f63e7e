// safetensors: a JSON table of contents and raw tensors.
#pragma once

#include "fovea/base/bytes.h"
#include "fovea/formats/weights_file.h"

namespace fovea {

// Whether the first bytes look like such a file: a plausible length and the beginning of a JSON object.
bool is_safetensors(const Bytes& file);

// The tensors lie over the file, without a copy. Throws Error{format} naming the tensor: a name twice, offsets that
// overlap, leave a hole or leave the file, a size that does not fit the shape; Error{unsupported} naming element types
// that fovea does not store (F8_E4M3, …).
WeightsFile read_safetensors(const Bytes& file);

}  // namespace fovea
