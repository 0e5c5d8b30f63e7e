// Views of a picture that is being made: shifted, scaled and turned a little at random in each step, so that only what
// survives that is drawn.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "fovea/base/rng.h"
#include "fovea/graph/graph.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

struct RobustSettings {
  // In pixels: each step shifts by a uniform number in [−jitter, jitter], whole where nothing scales or turns.
  double jitter = 0;
  double scale = 0;    // each step scales by 1 + a uniform number in [−scale, scale]
  double degrees = 0;  // and turns about the middle by a uniform angle in [−degrees, degrees]
  bool empty() const { return jitter == 0 && scale == 0 && degrees == 0; }
  bool whole() const { return scale == 0 && degrees == 0; }
};

// One view: where pixel (y, x) of the view, counted from its middle, lies in the picture, counted from the picture's.
struct View {
  double scale = 1, degrees = 0, shift_y = 0, shift_x = 0;
};

// Throws Error{usage} for settings that are negative or not finite, a scale of 1 or more.
void check(const RobustSettings& settings);

// The view of a step: the same for the same generator and step.
View view_of_step(const RobustSettings& settings, const Rng& rng, int64_t step);

// Appends the view [N,C,height,width] of a picture [N,C,H,W], which may be of another size: the middles lie on each
// other. What the view shows beyond the picture's edges is 0. Exactly linear in the picture, and differentiable as
// such: each pixel of the view is the bilinear mean of four pixels (one, where `whole`), by gather; the places and
// weights are inputs. All pictures of a batch are seen alike. Returns the picture itself when the settings are empty
// and the sizes equal.
Value robust_view(Graph& graph, Value picture, int64_t height, int64_t width, const RobustSettings& settings);

// What robust_view() reads at a step, for the same sizes; nothing when it appended nothing.
std::map<std::string, Tensor> view_feeds(const Shape& picture, int64_t height, int64_t width,
                                         const RobustSettings& settings, const View& view);

}  // namespace fovea
