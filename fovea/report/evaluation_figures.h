// What a page shows of an evaluation: which classes are taken for which, how sure the network is, each class's errors.
#pragma once

#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/insight/calibration.h"
#include "fovea/insight/evaluation.h"

namespace fovea {

// A confusion: pictures of class `truth` that were taken for `guess`.
struct Confusion {
  int64_t truth = 0, guess = 0, count = 0;
};
// The most frequent ones first, equal ones in the classes' order; at most `most`.
std::vector<Confusion> frequent_confusions(const Evaluation& result, size_t most);

// The table of confusions, a row a true class, as HTML: up to kTableClasses classes as numbers on a tint of their share
// of the row, more as a picture (confusion_image) with the most frequent confusions beside it. Empty when they were not
// counted. `names` may be shorter than the classes.
std::string confusion_html(const Evaluation& result, const std::vector<std::string>& names);
inline constexpr size_t kTableClasses = 24;

// A square a pair of classes, `scale` pixels wide: its shade is the share of the true class's pictures, to the root, so
// that rare ones are seen; green on the diagonal, red elsewhere. Throws Error{usage} when confusions were not counted.
Image confusion_image(const Evaluation& result, int scale);

// The reliability diagram: a bar a bin as high as its accuracy, the gap to its confidence in another colour, and below
// it how many pictures each bin holds. Source: Guo et al., ICML 2017, figure 1.
std::string reliability_html(const Calibration& calibration);

// One row a class, the worst first: pictures, errors, share right, and what it is most often taken for.
std::string class_table_html(const Evaluation& result, const std::vector<std::string>& names);

}  // namespace fovea
