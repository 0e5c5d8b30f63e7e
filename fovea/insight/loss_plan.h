// Whole or in tiles: what a memory limit allows.
#pragma once

#include <vector>

#include "fovea/insight/loss_term.h"
#include "fovea/insight/tiling.h"
#include "fovea/model/model.h"

namespace fovea {

struct LayerStride {
  int64_t rows = 1, columns = 1;
};

struct LossPlan {
  Tiling tiling;
  std::vector<LayerStride> strides;  // of each term's layer, where tiled
  size_t bytes = 0;
  double flops = 0;
};

// Throws what PictureLoss's constructor does for its tiling.
LossPlan plan_loss(const Model& model, const std::vector<LossTerm>& terms, int64_t height, int64_t width,
                   const TilingSettings& settings);

}  // namespace fovea
