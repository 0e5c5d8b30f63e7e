// Digits drawn with a pen: a set like MNIST that needs no files.
#pragma once

#include "fovea/base/rng.h"
#include "fovea/data/dataset.h"

namespace fovea {

struct GlyphOptions {
  int64_t count = 10000;
  int size = 28;        // side of the pictures in pixels, 8 to 256
  double vary = 1;      // how much shapes, slants, sizes and pens differ: 0 not at all, 1 as people's do, up to 3
  double noise = 0.03;  // standard deviation of the grain, of the range 0..1; 0 to 1
};

// White strokes on black, as in MNIST: the digits 0 to 9, each in the forms that people write (a 1 with and without its
// serif, an open and a closed 4, a 7 with and without its bar), with other bends, slant, proportions, place and pen.
// Labels come in no order, every digit as often as another.
class DrawnGlyphs : public Dataset {
 public:
  // Throws Error{usage} for options out of range.
  DrawnGlyphs(const GlyphOptions& options, uint64_t key);
  int64_t size() const override { return options_.count; }
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override;
  const std::vector<std::string>& classes() const override;
  std::string description() const override { return "drawn glyphs"; }

 private:
  GlyphOptions options_;
  uint64_t key_;
};

// One grey picture of a digit.
Image draw_glyph(int64_t digit, const GlyphOptions& options, const Rng& rng);

}  // namespace fovea
