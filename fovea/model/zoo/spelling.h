// One tensor, many names: how people's checkpoints spell what the zoo calls by one name.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fovea/tensor/weights.h"

namespace fovea {

// The name in its plainest form, equal for all spellings of it: "features.module.0.weight" and "features.0.weight";
// "denselayer1.norm.1.weight" and "denselayer1.norm1.weight"; "shortcut" and "downsample"; "linear", "fc" and timm's
// "head.fc"; "gamma", "beta", "moving_mean" for "weight", "bias", "running_mean".
std::string plain_spelling(std::string_view name);

// The tensors of a file by every name they may be asked for.
class SpellingTable {
 public:
  // `aliases` are other names of layers: a tensor "conv1_1.weight" also answers to "features.0.weight".
  SpellingTable(const Weights& weights, const std::vector<std::pair<std::string, std::string>>& aliases);
  // The name in the file of the tensor for a parameter, or null.
  const std::string* find(const std::string& parameter) const;

 private:
  std::map<std::string, std::string> exact_, plain_;
};

}  // namespace fovea
