// Which pixels of its receptive field a unit really listens to.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/backend/backend.h"
#include "fovea/base/context.h"
#include "fovea/compile/program.h"
#include "fovea/model/model.h"
#include "fovea/model/receptive_field.h"

namespace fovea {

// How a layer's middle unit looks at the picture.
struct EffectiveField {
  int64_t y = 0, x = 0;                     // the position in the layer's maps
  Interval rows, columns;                   // what it can see at all, in pixels (model/unit_fields.h)
  Interval touched_rows, touched_columns;   // the box of pixels where some gradient was not 0; empty: all were
  int64_t height = 0, width = 0;            // of the input
  std::vector<float> energy;                // [height][width], sums to 1; all 0 where no gradient was seen
  int64_t runs = 0;                         // gradients that were averaged: of a unit on a picture each
  int64_t silent = 0;                       // further ones that were 0 everywhere: the unit was off
  double centre_y = 0, centre_x = 0;        // the energy's centre of mass, in pixels (0.5: the middle of the first)
  double deviation_y = 0, deviation_x = 0;  // its standard deviation, in pixels
  double central_half = 0;  // share of the energy in the middle half of `rows` and of `columns`: 1/4 of the box's area
  double side_half = 0,
         side_most = 0;  // side of the smallest square around the centre of mass with 50 % and 95 % of it
  double luo_size = 0;   // √(pixels with |gradient| above 4.55 % of the greatest), after Luo et al., section 3.3
};

struct EffectiveFieldOptions {
  int64_t runs = 32;           // gradients to average
  std::vector<int64_t> units;  // those to look at, in turn; empty: drawn by the seed among all, and again for one that
                               // is off, up to 8 tries a run
  std::vector<Tensor> pictures;  // inputs [1,C,H,W], used in turn; empty: noise, N(0, 1) per value, drawn by the seed
  int64_t y = -1, x = -1;        // position in the maps; -1: the middle
};

// E(p) = mean over the runs of |g_p|² / Σ_q |g_q|², where g = ∂(unit at y, x) / ∂(picture) and |g_p|² sums over the
// channels: every run counts alike, whatever the scale of its unit. The gradient is the true one, through rectifiers
// and poolings as they were for that picture. With algorithms that round (CompileOptions::exact = false) it is not
// exactly 0 where no path leads, and `touched` may then be larger than what the unit sees. Memory: one program and one
// plane. Source: W. Luo, Y. Li, R. Urtasun, R. Zemel, "Understanding the effective receptive field in deep
// convolutional neural networks", NIPS 2016, sections 2 and
// 3. Throws Error{usage} for a layer that is no [1,C,H,W] or [1,C], a unit or a position that is not there and when the
// context is cancelled, Error{unsupported} when an operator on the way has no gradient, and Error{format} naming the
// unit when a gradient is not finite.
EffectiveField effective_field(const Context& context, const Model& model, Value layer, Backend& backend,
                               const CompileOptions& compile_options = {}, const EffectiveFieldOptions& options = {});

}  // namespace fovea
