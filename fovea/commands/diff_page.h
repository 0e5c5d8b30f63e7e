// What `fovea diff` found, and its page.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/insight/difference.h"
#include "fovea/insight/guesses.h"

namespace fovea {

// What the two networks answer to one picture.
struct PictureDifference {
  std::string name;
  Image seen_a, seen_b;  // as each network sees it
  AnswerDifference answers;
  std::vector<Guess> guesses_a, guesses_b;
  bool agree() const { return guesses_a[0].index == guesses_b[0].index; }
};

struct Comparison {
  std::string name_a, name_b;  // as they are told apart
  ModelDifference models;
  std::vector<std::pair<const LayerPair*, const WeightDifference*>> weights;  // the furthest apart first
  std::optional<PictureDifference> picture;
  double tolerance = 0;
  bool same() const;  // up to names
};

// One sentence: what is the same and what is not.
std::string verdict(const Comparison& comparison);
// "conv1", or "conv1 → layer0" for a renamed layer.
std::string shown_name(const LayerPair& pair);
// "stride 2 → 1; 1x3x8x8 → 1x3x16x16; follows other layers".
std::string changes_text(const LayerPair& pair);
// "[3,0,1,2]": where in a tensor of that shape an element is; empty for -1.
std::string place_text(const Shape& shape, int64_t at);
// "1.2e-05", "0", "∞": two digits.
std::string distance_text(double value);

// A self-contained page.
std::string comparison_page(const Comparison& comparison);

}  // namespace fovea
