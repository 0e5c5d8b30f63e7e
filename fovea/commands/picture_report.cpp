#include "fovea/commands/picture_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <cctype>
#include <cmath>
#include <filesystem>

#include "fovea/commands/doctor.h"
#include "fovea/commands/open_page.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList page_options(std::string& report, bool& open) {
  return {{"--report", "FILE.html", "also write a page: before and after, curves, settings", &report},
          {"--open", "", "and show that page in the browser", &open}};
}

void require_page(const std::string& report, bool open) {
  require(!open || !report.empty(), ErrorKind::usage, "--open shows the page that --report FILE.html names");
  if (report.empty()) return;
  std::string ending = fs::path(report).extension().string();
  std::transform(ending.begin(), ending.end(), ending.begin(), [](unsigned char c) { return std::tolower(c); });
  require(ending == ".html" || ending == ".htm", ErrorKind::usage, "--report {}: expected the name of an .html file",
          report);
  const fs::path folder = fs::path(report).has_parent_path() ? fs::path(report).parent_path() : fs::path(".");
  std::error_code error;
  writing([&] {
    require(fs::is_directory(folder, error), ErrorKind::io, "{}: cannot be written: there is no folder {}", report,
            folder.string());
  });
}

void write_page(const std::string& report, const std::string& html) {
  if (!report.empty()) writing([&] { write_file(report, std::string_view(html)); });
}

void add_page(const Context& context, Report& text, const std::string& report, bool open) {
  if (report.empty()) return;
  text.files.emplace_back(report);
  text.text += fmt::format("the page: {}\n", coloured(printable(report), Ink::cyan));
  if (open) open_page(context, report);
}

std::string setting(double value) { return fmt::format("{:.6g}", value); }

namespace {

std::string size_text(const SynthesisStage& stage) { return fmt::format("{} × {}", stage.width, stage.height); }

std::string loss_text(double value) { return std::isfinite(value) ? fmt::format("{:.4g}", value) : "not finite"; }

// Steps done before a stage, and how many of its own come before the first that is known.
struct StagePlace {
  int64_t before = 0, unknown = 0;
};

StagePlace place_of(const PictureRunResult& result, const PictureSynthesis& synthesis, size_t stage) {
  StagePlace place;
  const auto& stages = synthesis.stages();
  for (size_t k = 0; k < stage; ++k) place.before += stages[k].steps;
  const int64_t done = std::clamp<int64_t>(synthesis.done() - place.before, 0, stages[stage].steps);
  place.unknown = std::max<int64_t>(0, done - std::ssize(result.totals[stage]));
  return place;
}

// One curve over all sizes; between two it is broken, since the loss of another size is another number.
template <class Values>
Curve curve_of(const PictureRunResult& result, const PictureSynthesis& synthesis, std::string name, Values values) {
  Curve curve{std::move(name), {}};
  for (size_t k = 0; k < result.totals.size(); ++k) {
    const StagePlace place = place_of(result, synthesis, k);
    const std::vector<double>& some = values(k);
    for (size_t i = 0; i < some.size(); ++i)
      curve.points.push_back(
          {static_cast<double>(place.before + place.unknown + static_cast<int64_t>(i) + 1), some[i]});
    if (k + 1 < result.totals.size() && !some.empty())
      curve.points.push_back({curve.points.back().x + 0.5, std::nan("")});
  }
  return curve;
}

std::vector<ChartMark> stage_marks(const PictureRunResult& result, const PictureSynthesis& synthesis) {
  std::vector<ChartMark> marks;
  if (synthesis.stages().size() < 2) return marks;
  double at = 1;
  for (size_t k = 0; k < result.totals.size(); ++k) {
    const SynthesisStage& stage = synthesis.stages()[k];
    if (!result.totals[k].empty()) marks.push_back({at, fmt::format("{} px", std::max(stage.width, stage.height))});
    at += static_cast<double>(stage.steps);
  }
  return marks;
}

std::vector<Chart> charts_of(const PictureRunResult& result, const PictureSynthesis& synthesis) {
  static const std::vector<double> kNone;
  Chart total{.title = "The loss", .x_name = "step", .logarithmic = true};
  total.curves = {curve_of(result, synthesis, "the loss",
                           [&](size_t k) -> const std::vector<double>& { return result.totals[k]; })};
  Chart terms{.title = "Its terms", .x_name = "step", .logarithmic = true, .labelled = true};
  for (size_t t = 0; t < result.names.size(); ++t)
    terms.curves.push_back(curve_of(result, synthesis, result.names[t], [&](size_t k) -> const std::vector<double>& {
      return t < result.terms[k].size() ? result.terms[k][t] : kNone;
    }));
  total.marks = terms.marks = stage_marks(result, synthesis);
  terms.note = "Each is multiplied with its weight: they add up to the loss.";
  if (terms.curves.size() < 2) return {std::move(total)};
  return {std::move(total), std::move(terms)};
}

PageTable terms_table(const PictureRunResult& result, const PictureSynthesis& synthesis) {
  PageTable table{"The terms at the end of each size", {"term"}, {}};
  std::vector<size_t> seen;
  for (size_t k = 0; k < result.totals.size(); ++k)
    if (!result.totals[k].empty()) seen.push_back(k);
  if (seen.empty()) return table;
  const std::string many = synthesis.stages().size() > 1 ? " at " : "";
  const auto at = [&](size_t k) { return many.empty() ? "" : many + size_text(synthesis.stages()[k]); };
  if (seen.size() == 1) table.heading = "The terms";
  table.titles.push_back(">first" + at(seen.front()));
  for (const size_t k : seen) table.titles.push_back(">last" + at(k));
  table.titles.emplace_back(">of the last loss");
  const double last = result.totals[seen.back()].back();
  const auto row = [&](const std::string& name, auto values) {
    std::vector<std::string> cells = {name, loss_text(values(seen.front()).front())};
    for (const size_t k : seen) cells.push_back(loss_text(values(k).back()));
    const double share = values(seen.back()).back() / last;
    cells.push_back(std::isfinite(share) ? fmt::format("{:.1f} %", 100 * share) : "");
    table.rows.push_back(std::move(cells));
  };
  for (size_t t = 0; t < result.names.size(); ++t)
    row(result.names[t], [&](size_t k) -> const std::vector<double>& { return result.terms[k][t]; });
  row("all", [&](size_t k) -> const std::vector<double>& { return result.totals[k]; });
  return table;
}

PageTable sizes_table(const PictureRunResult& result, const PictureSynthesis& synthesis) {
  PageTable table{"The sizes", {"pixels", ">steps", ">a step", ">memory", "tiles"}, {}};
  int64_t before = 0;
  for (size_t k = 0; k < synthesis.stages().size(); ++k) {
    const SynthesisStage& stage = synthesis.stages()[k];
    const int64_t done = std::clamp<int64_t>(synthesis.done() - before, 0, stage.steps);
    before += stage.steps;
    const bool timed = k < result.step_seconds.size() && result.step_seconds[k] > 0;
    const LossEstimate e = k < result.estimates.size() ? result.estimates[k] : LossEstimate{};
    table.rows.push_back(
        {size_text(stage), done == stage.steps ? fmt::format("{}", done) : fmt::format("{} of {}", done, stage.steps),
         timed ? short_time(result.step_seconds[k]) : "", e.bytes > 0 ? short_bytes(static_cast<double>(e.bytes)) : "",
         e.bytes == 0 ? ""
         : e.tiling.tiled
             ? fmt::format("{} of {} × {}", e.tiling.count(), e.tiling.columns.length, e.tiling.rows.length)
             : "none"});
  }
  return table;
}

void add_notice(PicturePage& page, const PictureRunResult& result, const PictureSynthesis& synthesis) {
  const std::string where = fmt::format("step {} of {}", synthesis.done(), synthesis.total());
  if (!result.trouble.empty())
    page.notice = fmt::format(
        "Stopped: {}. This is the last good picture, of {}. A smaller --rate, other weights or --exact may help.",
        result.trouble, where);
  else if (result.under_way)
    page.notice =
        fmt::format("Under way: this is the picture after {}. Should the work be stopped, it goes on with:", where);
  else if (!result.finished)
    page.notice = fmt::format("Stopped after {}: this is the picture so far. To go on, to the same bits:", where);
  if (!page.notice.empty() && result.trouble.empty()) page.notice_command = result.resume;
}

}  // namespace

void add_run(PicturePage& page, const PictureRunResult& result, const PictureSynthesis& synthesis) {
  add_notice(page, result, synthesis);
  size_t bytes = 0;
  for (const LossEstimate& e : result.estimates) bytes = std::max(bytes, e.bytes);
  page.facts = {{fmt::format("{} × {}", page.after.width(), page.after.height()), "pixels"},
                {synthesis.done() == synthesis.total() ? fmt::format("{}", synthesis.done())
                                                       : fmt::format("{} of {}", synthesis.done(), synthesis.total()),
                 "steps"},
                {duration_text(result.seconds), "of work"}};
  if (bytes > 0) page.facts.emplace_back(short_bytes(static_cast<double>(bytes)), "of memory");
  if (result.names.empty()) return;
  page.charts = charts_of(result, synthesis);
  page.charts_intro = synthesis.stages().size() > 1
                          ? "Before each step. The picture grows; at each size the losses begin anew, so only steps of "
                            "one size compare."
                          : "Before each step.";
  page.tables = {terms_table(result, synthesis), sizes_table(result, synthesis)};
}

void add_record(PicturePage& page, const PictureRecord& record, const std::string& output) {
  page.settings.insert(page.settings.begin(),
                       {{"network", record.model}, {"SHA-256 of its weights", record.model_hash}});
  for (const auto& [file, sum] : record.inputs)
    page.settings.emplace_back("SHA-256 of " + fs::path(file).filename().string(), sum);
  page.settings.insert(page.settings.end(), {{"seed", fmt::format("{}", record.seed)},
                                             {"threads", fmt::format("{}", record.threads)},
                                             {"fovea", record.version}});
  std::vector<std::string> words = {"fovea"};
  words.insert(words.end(), record.command.begin(), record.command.end());
  words.insert(words.end(), {"-o", output});
  page.command = shell_line(words);
  page.footer = fmt::format("made by fovea {}", version());
}

}  // namespace fovea
