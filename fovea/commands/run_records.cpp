#include "fovea/commands/run_records.h"

#include <nlohmann/json.hpp>

#include "fovea/commands/command.h"
#include "fovea/commands/model_options.h"
#include "fovea/commands/report_page.h"
#include "fovea/report/error_sheet.h"
#include "fovea/report/evaluation_record.h"
#include "fovea/report/filter_history.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

// Event files of another run would be shown together with this one's.
fs::path without_old_events(const fs::path& folder, int64_t resumed_after) {
  std::error_code error;
  if (resumed_after < 0) {
    std::vector<fs::path> old;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
      if (it->path().filename().string().starts_with("events.out.tfevents.")) old.push_back(it->path());
    for (const fs::path& file : old) fs::remove(file, error);
  }
  return folder;
}

}  // namespace

RunRecords::RunRecords(fs::path folder, int64_t resumed_after)
    : folder_(std::move(folder)),
      log_(folder_ / "metrics.jsonl"),
      events_(without_old_events(folder_ / "events", resumed_after), resumed_after) {
  writing([&] {
    log_.truncate_after(resumed_after);
    remove_filter_sheets_after(folder_ / "filters", resumed_after);
    // They speak of the network at the end of the run.
    std::error_code error;
    for (const char* name : {"evaluation.json", "errors.png"}) fs::remove(folder_ / name, error);
  });
}

void RunRecords::append(const LogRecord& record) {
  writing([&] {
    log_.append(record);
    write_event(events_, record);
  });
}

void RunRecords::add_filters(const Model& model, int64_t step, double epoch) {
  const std::optional<Image> sheet = filter_sheet(model);
  if (!sheet) return;
  writing([&] {
    write_filter_sheet(folder_ / "filters", step, {epoch, *sheet});
    events_.image("filters", *sheet, step);
  });
}

void RunRecords::add_evaluation(const Evaluation& result, const Dataset& data, const std::string& model,
                                const std::vector<std::string>& classes, double seconds, const std::string& views) {
  EvaluationRecord record;
  record.views = views;
  record.model = model;
  record.data = data.description();
  record.seconds = seconds;
  record.result = result;
  record.names = classes;
  const std::string text = json_text(evaluation_json(record));
  const ErrorSheet sheet = error_sheet(data, result.samples, classes);
  writing([&] {
    write_file(folder_ / "evaluation.json", std::string_view(text));
    write_error_sheet(folder_ / "errors.png", sheet);
  });
}

fs::path RunRecords::write_page() const { return write_run_page(folder_); }

}  // namespace fovea
