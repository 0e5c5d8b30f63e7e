// What a training run writes to be looked at, in its folder: the log, TensorBoard's events, filters, the last
// evaluation, the sheet of errors, the page.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fovea/data/dataset.h"
#include "fovea/insight/evaluation.h"
#include "fovea/model/model.h"
#include "fovea/train/event_file.h"
#include "fovea/train/metrics.h"

namespace fovea {

class RunRecords {
 public:
  // Opens or makes metrics.jsonl and events/. What a run before it left there after `resumed_after` is taken away, and
  // all of it for -1, a new run. Throws Error{io}, WriteError, and Error{format} for a log that is none.
  RunRecords(std::filesystem::path folder, int64_t resumed_after);

  // Into the log and the events. Throws WriteError: the disk is full.
  void append(const LogRecord& record);
  // A sheet of the first layer's filters, for filters/ and the events; nothing for a network without a convolution.
  void add_filters(const Model& model, int64_t step, double epoch);
  // evaluation.json and errors.png. `result` must hold its samples, of `data`, for the sheet and the calibration; its
  // confusions are written where they were counted. views: of each picture (model/test_views.h).
  void add_evaluation(const Evaluation& result, const Dataset& data, const std::string& model,
                      const std::vector<std::string>& classes, double seconds, const std::string& views);
  // Writes report.html from what lies in the folder; returns its path.
  std::filesystem::path write_page() const;

 private:
  std::filesystem::path folder_;
  RunLog log_;
  EventWriter events_;
};

}  // namespace fovea
