#include "fovea/commands/report.h"

#include <fmt/format.h>

#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/commands/report_page.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

Json test_json(const EpochRecord& e) {
  Json json = {{"step", e.step}, {"epoch", e.epoch}};
  if (e.test) {
    json["errors"] = e.test->errors;
    json["count"] = e.test->count;
    json["top1"] = e.test->top1;
    json["loss"] = e.test->loss;
  }
  return json;
}

std::string summary_text(const RunContents& contents) {
  const RunHistory& h = contents.history;
  Table table({{"epoch", true},
               {"step", true},
               {"training loss", true},
               {"test loss", true},
               {"errors", true},
               {"right", true}});
  // The last ten evaluations, and the best one where it is older.
  constexpr size_t kShown = 10;
  const size_t first = h.epochs.size() > kShown ? h.epochs.size() - kShown : 0;
  const EpochRecord* best = h.best();
  for (size_t i = 0; i < h.epochs.size(); ++i) {
    const EpochRecord& e = h.epochs[i];
    if (i < first && &e != best) continue;
    table.add(
        {fmt::format("{:.4g}", e.epoch), fmt::format("{}", e.step), fmt::format("{:.4f}", e.train_loss),
         e.test ? fmt::format("{:.4f}", e.test->loss) : "", e.test ? fmt::format("{}", e.test->errors) : "",
         e.test ? coloured(fmt::format("{:.2f} %", 100 * e.test->top1), &e == best ? Ink::green : Ink::bold) : ""});
  }
  return h.epochs.empty() ? "" : table.text();
}

}  // namespace

OptionList describe(ReportOptions& o) {
  return {{"RUN", "", "the folder of a training run, as `fovea train -o` made it", &o.run, true}};
}

Report run(const Context& context, const ReportOptions& options) {
  const std::filesystem::path folder = options.run;
  const RunContents contents = read_run(folder);
  const RunHistory& h = contents.history;
  if (h.cut) context.note("the last line of metrics.jsonl is not whole and is left out");
  const std::string html = run_page(contents);
  const std::filesystem::path path = folder / "report.html";
  writing([&] { write_file(path, std::string_view(html)); });
  Report report;
  report.files = {path};
  report.text = summary_text(contents) + fmt::format("{} ({})\n", coloured(path.string(), Ink::bold),
                                                     short_bytes(static_cast<double>(html.size())));
  Json json = {{"run", printable(folder.string())},
               {"page", printable(path.string())},
               {"model", h.start ? printable(h.start->model) : ""},
               {"data", h.start ? printable(h.start->data) : ""},
               {"finished", h.end && h.end->reason == "finished"},
               {"resumed", h.resumed.size()}};
  if (!h.epochs.empty()) json["last"] = test_json(h.epochs.back());
  if (const EpochRecord* best = h.best()) json["best"] = test_json(*best);
  report.set_json(json);
  return report;
}

Command report_command() {
  return make_command<ReportOptions>(
      "report", "the page of a training run: curves, filters over time, errors, confusions, calibration",
      "Writes report.html into the folder of a run, from what lies there: metrics.jsonl, run.toml, evaluation.json, "
      "errors.png and the sheets of filters. A run that is under way or was interrupted gets a page as well. The page "
      "needs no network and no other file.",
      {{"fovea report run/", "the page of the run in that folder"},
       {"fovea report run/ --json", "its last and its best evaluation, for a program"}},
      run);
}

}  // namespace fovea
