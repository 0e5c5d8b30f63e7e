// What `fovea inspect` found, and its page.
#pragma once

#include <filesystem>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fovea/compile/program.h"
#include "fovea/image/image.h"
#include "fovea/insight/attribution.h"
#include "fovea/insight/dead_units.h"
#include "fovea/insight/features.h"
#include "fovea/insight/filters.h"
#include "fovea/insight/guesses.h"
#include "fovea/insight/saliency.h"
#include "fovea/model/labels.h"
#include "fovea/model/statistics.h"

namespace fovea {

struct StageView {
  Stage stage;
  std::vector<FeatureMap> maps;
  std::vector<std::string> names;  // of the maps, where each stands for a class
};

struct Inspection {
  Image picture;  // as the network sees it
  std::vector<Guess> guesses;
  std::vector<StageView> stages;
  std::optional<FirstLayer> first;
  std::vector<Image> filters;
  std::vector<float> saliency, smooth_saliency;  // [H][W]; empty where there is no gradient
  std::string no_saliency;
  AttributionMap class_map;  // Grad-CAM of the best guess; without values where the network has no maps for it
  std::vector<UnitActivity> activity;
  std::vector<WeightStatistics> weights;
  std::vector<StepInfo> steps;
  MemoryInfo memory;
  ModelStatistics statistics;
  std::string plan;
};

// Everything but pixels, for other programs.
nlohmann::ordered_json inspection_json(const Model& model, const Inspection& result, const std::string& picture_name);

// index.html, picture.png, saliency.png, filters.png, stage-*.png and inspection.json in a folder that exists. Returns
// the paths.
std::vector<std::filesystem::path> write_inspection(const Model& model, const Inspection& result,
                                                    const std::string& picture_name,
                                                    const std::filesystem::path& folder, const std::string& json);

}  // namespace fovea
