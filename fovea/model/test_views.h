// Views of a picture whose scores are averaged when a network is tested.
//
//   plain             f(x)
//   mirror            m(x) = f(x)/2 + f(mirrored x)/2
//   mirror,translate  m(x)/2 + m(x one pixel up and left)/4 + m(x one pixel down and right)/4
// What comes in at an edge is the picture mirrored about its outermost row and column. Source: K. Jordan, "94 % on
// CIFAR-10 in 3.29 seconds on a single GPU" (2024), section 3.5 (multi-crop evaluation) and its program.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/tensor/shape.h"

namespace fovea {

struct TestView {
  bool mirrored = false;        // left to right, after the shift
  int64_t down = 0, right = 0;  // y[r,c] = x[r + down, c + right]
  double weight = 1;            // of its scores; those of all views sum to 1
};

// "plain", "mirror" and "mirror,translate".
const std::vector<std::string>& test_view_names();
// ", the mean over mirror,translate views"; nothing where each picture is scored once.
std::string views_note(std::string_view name);
// Throws Error{usage} naming what is known.
std::vector<TestView> test_views(std::string_view name);

// One view of preprocessed pictures [N,C,H,W], both in row-major order and apart. Throws Error{usage} where a picture
// is too small to be shifted (a side of one pixel) or `shape` has no four axes.
void make_view(const TestView& view, const Shape& shape, const float* from, float* to);

}  // namespace fovea
