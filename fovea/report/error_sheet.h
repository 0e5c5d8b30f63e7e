// The sheet of errors: every picture that was taken for another class, with "true→guessed" below it.
#pragma once

#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "fovea/data/dataset.h"
#include "fovea/image/image.h"
#include "fovea/insight/evaluation.h"

namespace fovea {

enum class ErrorOrder {
  confident,  // the surest of them first
  set,        // as they stand in the set
};

struct ErrorSheetOptions {
  ErrorOrder order = ErrorOrder::confident;
  int64_t most = 400;       // pictures on the sheet; when there are more errors, the surest ones of them
  int columns = 0;          // 0: as many as make the sheet somewhat wider than high
  bool confidence = false;  // a third line with the probability of the guess
};

struct ErrorSheet {
  Image image;
  std::string caption;  // "82 errors in 10000 pictures (0.82 %); …": also written at the top of the picture
  int64_t errors = 0, shown = 0;
};

// `samples` as evaluate() gives them for `data`; `classes` names the network's classes, those without a name are shown
// by their number. Small pictures are enlarged by whole pixels, large ones reduced; long names are shortened. Without
// errors the sheet says so. Throws Error{usage} for a sample that the set does not have or `most` below 1, and what
// reading a picture throws. After figure 8 of LeCun, Bottou, Bengio & Haffner, "Gradient-based learning applied to
// document recognition", 1998: the 82 test patterns that LeNet-5 misclassifies.
ErrorSheet error_sheet(const Dataset& data, std::span<const SampleResult> samples,
                       const std::vector<std::string>& classes, const ErrorSheetOptions& options = {});

// The sheet as a PNG with its caption as text. Throws Error{io}.
void write_error_sheet(const std::filesystem::path& path, const ErrorSheet& sheet);
// The picture and the caption of such a file; `errors` and `shown` are not kept. Throws as reading a picture does.
ErrorSheet read_error_sheet(const std::filesystem::path& path);

}  // namespace fovea
