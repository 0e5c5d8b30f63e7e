// A text description of a network (TOML) → Model. The format is documented in docs/networks.md.
//
//   [network]                        [[layer]]                       [[block]]
//   name = "small"                   kind = "conv"                   name = "twice"
//   input = [1, 28, 28]              out = 6                         parameters = ["width"]
//   classes = 10                     kernel = 5                      [[block.layer]]
//                                    activation = "relu"             kind = "conv" …  out = "$width"
#pragma once

#include <string>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/formats/toml_read.h"
#include "fovea/model/initialise.h"
#include "fovea/model/model.h"
#include "fovea/model/zoo/network_builder.h"

namespace fovea {

struct NetworkDescription {
  Model model;                    // without weights
  Initialisation initialisation;  // how its weights are to be drawn
};

// True for a text with a [network] or [[layer]] of TOML, and for the label *.toml.
bool is_network_description(const Bytes& file);

// Builds the network that the text describes: layers in order, shapes inferred, parameters "<layer>.weight". Sections
// of a recipe (recipe_sections()) may stand in the same file; they are not looked at. options: sizes that go before the
// file's own. Throws Error{format} naming file, line and layer, what was expected and what is there, with the nearest
// known word; and where a network would have more than 20,000 layers or 2^29 weights.
NetworkDescription read_network_description(const Bytes& file, const ZooOptions& options = {});

// Names at the top level of a file that belong to a recipe (train/recipe_text.h).
const std::vector<std::string>& recipe_sections();

// The part of a file that describes its network, as TOML again; empty when it has none.
std::string network_part(const TomlValue& file);

// The [initialisation] of a file: kind, fan, gain, residual_scale. `otherwise` where it says nothing.
Initialisation read_initialisation(const TomlValue& file, const std::string& label, Initialisation otherwise = {});

}  // namespace fovea
