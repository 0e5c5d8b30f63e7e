// The page of a training run, from what its folder holds.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "fovea/report/error_sheet.h"
#include "fovea/report/evaluation_record.h"
#include "fovea/report/filter_history.h"
#include "fovea/train/metrics.h"

namespace fovea {

struct RunContents {
  std::filesystem::path folder;
  RunHistory history;
  std::vector<std::pair<std::string, std::string>> recipe;  // "optimiser.kind" and its value, in the file's order
  std::optional<EvaluationRecord> evaluation;
  std::optional<ErrorSheet> errors;
  std::vector<FilterSheet> filters;  // at most kShownSheets of them
  size_t filter_count = 0;           // in the folder
};
inline constexpr size_t kShownSheets = 12;

// Reads a run: metrics.jsonl, and where they are there run.toml, evaluation.json, errors.png and filters/. Throws
// Error{usage} when the folder is no run, and what reading its files throws.
RunContents read_run(const std::filesystem::path& folder);

// The page as self-contained HTML.
std::string run_page(const RunContents& run);

// Reads a run and writes its report.html; returns the file's path. Throws as read_run does, and WriteError.
std::filesystem::path write_run_page(const std::filesystem::path& folder);

}  // namespace fovea
