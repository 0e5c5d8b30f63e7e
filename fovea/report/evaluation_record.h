// The result of an evaluation as JSON (evaluation.json of a run, `fovea evaluate --json`), and back.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <vector>

#include "fovea/base/bytes.h"
#include "fovea/insight/calibration.h"
#include "fovea/insight/evaluation.h"

namespace fovea {

struct EvaluationRecord {
  std::string model, data, description;
  std::string views = "plain";  // of each picture whose scores were averaged: model/test_views.h
  double seconds = 0;
  Evaluation result;               // without its samples
  std::vector<std::string> names;  // of the classes; those unknown are empty
  std::optional<Calibration> calibration;
};

// An object with count, errors, top1, top5 (shares), loss, classes (those with pictures: index, name, count, errors,
// top1), confusion where it was counted (rows are the true classes), calibration where the samples were kept
// (expected_error, greatest_error, confidence, bins: low, high, count, confidence, accuracy) and skipped. A number that
// is not finite becomes null.
nlohmann::ordered_json evaluation_json(const Evaluation& result, const std::vector<std::string>& names);

// The record with model, data, description, views and seconds before these.
nlohmann::ordered_json evaluation_json(const EvaluationRecord& record);

// Reads what evaluation_json wrote. Unknown members are passed over. Throws Error{format}, naming the member, for
// anything else.
EvaluationRecord read_evaluation(const Bytes& file);

}  // namespace fovea
