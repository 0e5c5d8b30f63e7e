// The page of `style`.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fovea/commands/picture_record.h"
#include "fovea/commands/picture_run.h"
#include "fovea/commands/style.h"

namespace fovea {

struct StyleView {
  const StyleOptions& options;
  const StyleSettings* settings;  // null: a network painted it in one pass
  const PictureRecord& record;
  const Image& content;
  std::vector<std::pair<Image, std::string>> sources;  // the styles and masks, see style_sources
};

// The styles as they are looked at, and their masks, small, with names. Empty without --report.
std::vector<std::pair<Image, std::string>> style_sources(const StyleOptions& options,
                                                         const std::vector<StyleInput>& styles);

// `result`, `synthesis`: null where a network painted it in one pass.
std::string style_page(const StyleView& view, const Image& made, const PictureRunResult* result,
                       const PictureSynthesis* synthesis);

}  // namespace fovea
