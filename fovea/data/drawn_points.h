// Points of the plane drawn by a formula: the two-dimensional classification problems that small networks are shown on.
#pragma once

#include <memory>

#include "fovea/base/rng.h"
#include "fovea/data/table.h"

namespace fovea {

struct PointOptions {
  int64_t count = 500;
  double noise = 0;
  double turns = 1.75;  // spirals only
  int64_t arms = 2;     // spirals only
  // Spirals only: where between one place and the next a point lies, 0..1. Parts of a set drawn with different phases
  // share no points even without noise.
  double phase = 0;
};

// Points (x, y) in about -6 .. 6 with their classes:
//   spirals  `arms` arms; the first two as the playground's
//   xor      whether x and y have the same sign
//   rings    a disc inside a ring
//   blobs    two Gaussian clouds
//   moons    two half circles that clasp each other, in about -1 .. 2
// noise is what the source calls so: 0 to 0.5 in the playground (added or, for blobs, a wider cloud), the standard
// deviation of an added normal number for moons. Sources: D. Smilkov and S. Carter, "A neural network playground"
// (2016), its file dataset.ts; for moons scikit-learn's make_moons. Throws Error{usage} with the known names for
// another one, and for options out of range: count 1..10^7, noise 0..100, turns 0..100, arms 2..16.
std::unique_ptr<TableSet> draw_points(std::string_view name, const PointOptions& options, const Rng& rng);
const std::vector<std::string>& point_set_names();

}  // namespace fovea
