// What `dream` says of its work: text, JSON, and a page.
#pragma once

#include <string>

#include "fovea/commands/dream.h"
#include "fovea/commands/picture_record.h"
#include "fovea/image/image.h"

namespace fovea {

struct DreamSummary {
  const Model& model;
  const DreamOptions& options;
  const DreamSettings& settings;
  std::string objective;
  const DreamResult& result;
  double seconds = 0;
  const PictureRecord& record;
  Image before, after;
  MemoryInfo memory = {};   // of the last program
  std::string resume = {};  // the line that goes on with it where it was stopped
};

Report dream_report(const DreamSummary& summary);
std::string dream_page(const DreamSummary& summary);

}  // namespace fovea
