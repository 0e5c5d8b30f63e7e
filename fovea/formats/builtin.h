// The trained networks that the program carries inside itself: "builtin:NAME" → Model. Each is the ONNX file
// fovea/formats/resources/NAME.onnx, made by recipes/builtin-NAME.toml; nothing of it is read before it is asked for.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fovea/model/model.h"

namespace fovea {

// "builtin:cifar10", "builtin:digits".
const std::vector<std::string>& builtin_models();

// Whether a name is meant for one of them: it begins with "builtin:".
bool is_builtin(std::string_view name);

// As it was stored: with f16 weights that are converted to f32 where they are used. Its meaning says the accuracy
// ("test"), the recipe and the licence. Throws Error{usage} for a name that there is not, with the one perhaps meant.
Model builtin_model(std::string_view name);

// ", did you mean builtin:digits?" for a name of another kind that is near to one of them ("digits", "cifar-10"); ""
// for others.
std::string perhaps_builtin(std::string_view name);

}  // namespace fovea
