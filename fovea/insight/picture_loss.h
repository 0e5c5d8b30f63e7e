// The loss of a picture and its gradient, for pictures of any size: whole, or in exact tiles within a memory limit.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/compile/program.h"
#include "fovea/insight/loss_term.h"
#include "fovea/insight/tiling.h"
#include "fovea/model/model.h"

namespace fovea {

struct LossEstimate {
  Tiling tiling;
  size_t bytes = 0;    // of memory, at its highest
  double flops = 0;    // of one evaluation, halos included
  double seconds = 0;  // of one evaluation; 0 before PictureLoss::measure()
};

struct LossValue {
  double total = 0;           // Σ weight · term
  std::vector<double> terms;  // weight · term, in the order given
  Tensor gradient;            // of the total, [1,C,H,W] f32, with respect to the levels
};

// Levels [1,C,H,W] (see insight/parametrisation.h) → network's input → layers → terms.
//
// Whole: one program. Tiled: one program of a tile's size, which is run twice for every tile. The first pass adds up
// the terms' sums over the positions that each tile owns, in double; then the terms are finished, which gives the loss
// and its gradient s with respect to the sums; the second pass computes ∂/∂levels ⟨s, sums of this tile⟩, whose sum
// over tiles is the gradient, by linearity. A tile begins at multiples of the network's stride and owns only positions
// all of whose field lies inside it, so that zero padding counts at the picture's own border and nowhere else: no seam,
// and nothing is left out. Terms with normalise_gradient need a pass more.
class PictureLoss {
 public:
  // Builds and plans; nothing is compiled. The network is cut after the last layer that a term needs. The model
  // outlives this object. Throws Error{usage} for an unknown layer, a picture that is too small for a layer, a tensor
  // of another size than its layer's, and a memory limit that the smallest tile does not keep (naming how much would
  // do); Error{unsupported} when tiles are needed and the way to a layer has an operator that looks further than a
  // window (global pooling, resizing, …), by its name.
  PictureLoss(const Model& model, std::vector<LossTerm> terms, int64_t height, int64_t width,
              const TilingSettings& tiling = {});
  PictureLoss(const PictureLoss&) = delete;
  PictureLoss& operator=(const PictureLoss&) = delete;
  ~PictureLoss();

  // Before anything is compiled.
  const LossEstimate& estimate() const;
  const std::vector<LossTerm>& terms() const;

  // Compiles for this backend, unless that has been done.
  void prepare(Backend& backend, const CompileOptions& options = {});
  // Runs one tile (or the whole picture) with and without its gradient and tells the time of one evaluation from it;
  // estimate() has it too from then on.
  double measure();

  // The loss at these levels, [1,C,H,W] f32. A loss that is not finite is returned as such: see not_finite(). Throws
  // Error{shape} for levels of another size, Error{usage} when the context is cancelled between two tiles.
  LossValue evaluate(const Context& context, const Tensor& levels);
  // "term style relu4_1 is NaN", naming the first term that is not finite; empty: none.
  std::string not_finite(const LossValue& value) const;

  // The compiled step, for profiles; its memory. After prepare().
  Program& program();
  size_t memory() const;  // of all programs and what is kept between evaluations

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// What layers answer to pictures: the targets of style and content terms. Tiled in the same way where the memory limit
// asks for it.
struct CapturedLayer {
  std::string layer;   // any of its names
  bool maps = false;   // the maps themselves, [1,C,h,w] f32
  bool sums = true;    // their sums over positions
  Tensor region = {};  // T, [1,1,h,w] of the layer's positions; empty: 1 everywhere
};
struct Captured {
  Tensor maps;
  MapSums sums;
};
// One entry for each layer asked for. Throws as PictureLoss.
std::vector<Captured> capture(const Context& context, const Model& model, const Tensor& levels,
                              const std::vector<CapturedLayer>& layers, Backend& backend,
                              const CompileOptions& options = {}, const TilingSettings& tiling = {});

// The size of a layer's maps for a picture of height x width. Throws as PictureLoss.
LayerSize layer_size(const Model& model, std::string_view layer, int64_t height, int64_t width);

}  // namespace fovea
