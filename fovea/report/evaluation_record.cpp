#include "fovea/report/evaluation_record.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/error.h"
#include "fovea/model/labels.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kDeepest = 8;
constexpr int64_t kMostClasses = 1 << 20, kMostBins = 10000;

Json calibration_json(const Calibration& calibration) {
  Json bins = Json::array();
  for (const CalibrationBin& bin : calibration.bins)
    bins.push_back({{"low", bin.low},
                    {"high", bin.high},
                    {"count", bin.count},
                    {"confidence", bin.confidence},
                    {"accuracy", bin.accuracy}});
  return {{"expected_error", calibration.expected_error},
          {"greatest_error", calibration.greatest_error},
          {"confidence", calibration.confidence},
          {"bins", bins}};
}

Json result_json(const Evaluation& result, const std::vector<std::string>& names,
                 const std::optional<Calibration>& calibration) {
  Json classes = Json::array();
  for (const ClassResult& c : result.classes)
    if (c.count > 0)
      classes.push_back({{"index", c.index},
                         {"name", printable(class_name(names, c.index))},
                         {"count", c.count},
                         {"errors", c.errors},
                         {"top1", c.top1}});
  Json json = {{"count", result.count}, {"errors", result.errors}, {"top1", result.top1},
               {"top5", result.top5},   {"loss", result.loss},     {"classes", classes}};
  if (calibration) json["calibration"] = calibration_json(*calibration);
  if (!result.confusion.empty()) {
    const size_t side = result.classes.size();
    Json rows = Json::array();
    for (size_t t = 0; t < side; ++t)
      rows.push_back(std::vector<int64_t>(result.confusion.begin() + static_cast<std::ptrdiff_t>(t * side),
                                          result.confusion.begin() + static_cast<std::ptrdiff_t>((t + 1) * side)));
    json["confusion"] = rows;
  }
  Json skipped = Json::array();
  for (const std::string& message : result.skipped) skipped.push_back(printable(message));
  json["skipped"] = skipped;
  return json;
}

// ---- reading -------------------------------------------------------------------------------------------------------

struct Reader {
  const std::string& file;

  [[noreturn]] void wrong(std::string_view key, std::string_view expected, const Json& got) const {
    fail(ErrorKind::format, "{}: \"{}\": expected {}, got {}", file, key, expected, got.type_name());
  }
  const Json& member(const Json& object, const char* key) const {
    static const Json kNothing;
    const auto found = object.find(key);
    return found == object.end() ? kNothing : *found;
  }
  double number(const Json& object, const char* key) const {
    const Json& value = member(object, key);
    if (value.is_null()) return NAN;
    if (!value.is_number()) wrong(key, "a number", value);
    return value.get<double>();
  }
  int64_t count(const Json& value, const char* key) const {
    if (!value.is_number_unsigned() || value.get<uint64_t>() > uint64_t{1} << 62) wrong(key, "a count", value);
    return static_cast<int64_t>(value.get<uint64_t>());
  }
  int64_t count_of(const Json& object, const char* key) const { return count(member(object, key), key); }
  std::string text(const Json& object, const char* key) const {
    const Json& value = member(object, key);
    if (value.is_null()) return {};
    if (!value.is_string()) wrong(key, "a text", value);
    return value.get<std::string>();
  }
  const Json& list(const Json& object, const char* key) const {
    static const Json kNone = Json::array();
    const Json& value = member(object, key);
    if (value.is_null()) return kNone;
    if (!value.is_array()) wrong(key, "a list", value);
    return value;
  }
  const Json& object(const Json& value, const char* key) const {
    if (!value.is_object()) wrong(key, "an object", value);
    return value;
  }
};

void read_classes(const Reader& reader, const Json& json, EvaluationRecord& record) {
  int64_t most = static_cast<int64_t>(reader.list(json, "confusion").size());
  for (const Json& entry : reader.list(json, "classes")) {
    const int64_t index = reader.count_of(reader.object(entry, "classes"), "index");
    require(index < kMostClasses, ErrorKind::format, "{}: class {}; at most {}", reader.file, index, kMostClasses - 1);
    most = std::max(most, index + 1);
  }
  require(most <= kMostClasses, ErrorKind::format, "{}: {} classes; at most {}", reader.file, most, kMostClasses);
  for (int64_t i = 0; i < most; ++i) record.result.classes.push_back({i, 0, 0, 0});
  record.names.resize(static_cast<size_t>(most));
  for (const Json& entry : reader.list(json, "classes")) {
    const auto index = static_cast<size_t>(reader.count_of(entry, "index"));
    ClassResult& c = record.result.classes[index];
    c.count = reader.count_of(entry, "count");
    c.errors = reader.count_of(entry, "errors");
    require(c.errors <= c.count, ErrorKind::format, "{}: class {} has {} errors in {} pictures", reader.file, index,
            c.errors, c.count);
    c.top1 = reader.number(entry, "top1");
    record.names[index] = reader.text(entry, "name");
  }
}

void read_confusion(const Reader& reader, const Json& json, EvaluationRecord& record) {
  const Json& rows = reader.list(json, "confusion");
  for (const Json& row : rows) {
    if (!row.is_array()) reader.wrong("confusion", "a list of lists", row);
    require(row.size() == rows.size() && record.result.classes.size() == rows.size(), ErrorKind::format,
            "{}: \"confusion\": a row of {} in a table of {} rows for {} classes", reader.file, row.size(), rows.size(),
            record.result.classes.size());
    for (const Json& cell : row) record.result.confusion.push_back(reader.count(cell, "confusion"));
  }
}

void read_calibration(const Reader& reader, const Json& json, EvaluationRecord& record) {
  const Json& value = reader.member(json, "calibration");
  if (value.is_null()) return;
  reader.object(value, "calibration");
  Calibration calibration;
  calibration.expected_error = reader.number(value, "expected_error");
  calibration.greatest_error = reader.number(value, "greatest_error");
  calibration.confidence = reader.number(value, "confidence");
  const Json& bins = reader.list(value, "bins");
  require(bins.size() <= static_cast<size_t>(kMostBins), ErrorKind::format, "{}: \"bins\": {} of them; at most {}",
          reader.file, bins.size(), kMostBins);
  for (const Json& bin : bins) {
    reader.object(bin, "bins");
    calibration.bins.push_back({reader.number(bin, "low"), reader.number(bin, "high"), reader.count_of(bin, "count"),
                                reader.number(bin, "confidence"), reader.number(bin, "accuracy")});
  }
  record.calibration = std::move(calibration);
}

}  // namespace

Json evaluation_json(const Evaluation& result, const std::vector<std::string>& names) {
  return result_json(result, names,
                     result.samples.empty() ? std::optional<Calibration>() : calibration(result.samples));
}

Json evaluation_json(const EvaluationRecord& record) {
  Json json = {{"model", printable(record.model)},
               {"data", printable(record.data)},
               {"description", printable(record.description)},
               {"views", printable(record.views)},
               {"seconds", record.seconds}};
  json.update(result_json(record.result, record.names,
                          record.calibration || record.result.samples.empty()
                              ? record.calibration
                              : std::optional<Calibration>(calibration(record.result.samples))));
  return json;
}

EvaluationRecord read_evaluation(const Bytes& file) {
  Json json;
  try {
    json = Json::parse(file.view(), [&](int depth, Json::parse_event_t, Json&) {
      require(depth <= kDeepest, ErrorKind::format, "{}: lists and objects are nested more than {} deep", file.label(),
              kDeepest);
      return true;
    });
  } catch (const Json::exception& error) { fail(ErrorKind::format, "{}: is not JSON: {}", file.label(), error.what()); }
  const Reader reader{file.label()};
  reader.object(json, "the file");
  EvaluationRecord record;
  record.model = reader.text(json, "model");
  record.data = reader.text(json, "data");
  record.description = reader.text(json, "description");
  if (json.contains("views")) record.views = reader.text(json, "views");
  record.seconds = reader.number(json, "seconds");
  record.result.count = reader.count_of(json, "count");
  record.result.errors = reader.count_of(json, "errors");
  record.result.top1 = reader.number(json, "top1");
  record.result.top5 = reader.number(json, "top5");
  record.result.loss = reader.number(json, "loss");
  for (const Json& message : reader.list(json, "skipped"))
    if (message.is_string()) record.result.skipped.push_back(message.get<std::string>());
  read_classes(reader, json, record);
  read_confusion(reader, json, record);
  read_calibration(reader, json, record);
  return record;
}

}  // namespace fovea
