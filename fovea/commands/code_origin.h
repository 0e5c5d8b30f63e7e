// Where codes come from, and the network behind them opened again.
#pragma once

#include "fovea/commands/model_options.h"
#include "fovea/features/codes.h"

namespace fovea {

// What a file of codes keeps of the network: its name, fingerprint, preprocessing, and the options it was opened with.
CodesOrigin origin_of(const Model& model, const ModelOptions& options, const std::string& layer,
                      const std::string& pool);

// The network that made the codes: opened by the options kept in them, or, where `other` names one, that one. Throws
// what opening throws, and Error{usage} when the layer's codes have another length, when it is another network (other
// weights or layers), or when it is to prepare pictures in another way.
Model network_behind(const Context& context, const Codes& codes, const std::string& other);

}  // namespace fovea
