// What a training run has made so far, as a network: from its folder alone, while it goes on, after it was interrupted,
// and when it is finished. Neither the data nor the file that it began with are needed.
#pragma once

#include <filesystem>
#include <string>

#include "fovea/model/model.h"

namespace fovea {

// Whether a folder is that of a run: its log lies there.
bool is_run_folder(const std::filesystem::path& folder);

struct RunModel {
  Model model;
  std::string state;  // what it is, for a person: "the network after step 1200"; empty for that of a finished run
};

// final.onnx, or network.onnx with the weights of the best checkpoint, else of the last one: their moving averages
// where the recipe keeps such. Throws Error{usage} for a run without a checkpoint, saying what to do, Error{format} for
// a checkpoint that is damaged or of another network, and what reading throws.
RunModel model_of_run(const std::filesystem::path& folder);

}  // namespace fovea
