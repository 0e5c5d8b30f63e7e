// PyTorch checkpoints in all three containers: zip (since 1.6), the legacy stream of pickles, and the tar before 0.3.
#pragma once

#include "fovea/base/bytes.h"
#include "fovea/formats/weights_file.h"
#include "fovea/formats/zip_file.h"

namespace fovea {

// Whether the first bytes are those of a legacy stream, of a torch tar, or of any other pickle of protocol 2 and later.
bool is_torch_stream(const Bytes& file);
bool is_torch_tar(const Bytes& file);
bool is_pickle(const Bytes& file);
// Whether the archive has the "…/data.pkl" of a checkpoint or of TorchScript.
bool is_torch_zip(const ZipFile& zip);

// The state dict found in the checkpoint, see torch_state.h. Throws Error{unsupported} naming what the pickle would
// run, Error{format} naming the tensor, entry or byte at fault.
WeightsFile read_torch(const Bytes& file);

}  // namespace fovea
