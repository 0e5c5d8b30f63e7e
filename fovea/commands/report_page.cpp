#include "fovea/commands/report_page.h"

#include <fmt/format.h>
#include <toml++/toml.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "fovea/base/counted.h"
#include "fovea/base/error.h"
#include "fovea/commands/command.h"
#include "fovea/commands/doctor.h"
#include "fovea/model/test_views.h"
#include "fovea/report/curves.h"
#include "fovea/report/evaluation_figures.h"
#include "fovea/report/page.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Settings = std::vector<std::pair<std::string, std::string>>;

void flatten(const toml::node& node, const std::string& name, Settings& settings) {
  if (const toml::table* table = node.as_table()) {
    for (const auto& entry : *table)
      flatten(entry.second, name.empty() ? std::string(entry.first.str()) : name + "." + std::string(entry.first.str()),
              settings);
    return;
  }
  std::ostringstream text;
  if (const auto* value = node.as_string()) text << value->get();
  else node.visit([&](const auto& plain) { text << plain; });
  settings.emplace_back(name, text.str());
}

Settings read_settings(const std::filesystem::path& path) {
  const Bytes file = Bytes::map(path);
  try {
    Settings settings;
    flatten(toml::parse(file.view(), path.string()), "", settings);
    return settings;
  } catch (const toml::parse_error& error) {
    fail(ErrorKind::format, "{}: line {}: {}", path.string(), error.source().begin.line, error.description());
  }
}

std::string percent(double share, int digits = 2) { return fmt::format("{:.{}f} %", 100 * share, digits); }

// "3 min 20 s", "1 h 4 min".
std::string duration(double seconds) {
  if (!std::isfinite(seconds)) return "unknown";
  if (seconds < 60) return short_time(seconds);
  const auto whole = static_cast<int64_t>(std::min(seconds, 1e15));
  if (whole < 3600) return fmt::format("{} min {} s", whole / 60, whole % 60);
  return fmt::format("{} h {} min", whole / 3600, whole % 3600 / 60);
}

// ---- curves --------------------------------------------------------------------------------------------------------

template <class Record, class Of>
Curve curve(std::string name, const std::vector<Record>& records, Of of, bool faint = false) {
  Curve result{std::move(name), {}, faint};
  for (const Record& r : records)
    if (const std::optional<double> y = of(r)) result.points.push_back({r.epoch, *y});
  return result;
}

std::vector<Curve> with_points(std::vector<Curve> curves) {
  std::erase_if(curves, [](const Curve& c) {
    return std::none_of(c.points.begin(), c.points.end(), [](const CurvePoint& p) { return std::isfinite(p.y); });
  });
  return curves;
}

using Number = std::optional<double>;

std::string loss_chart(const RunHistory& h) {
  Chart chart{"loss", "epoch", {}, Notation::plain, false, {}, {}, ""};
  chart.curves =
      with_points({curve(
                       "training, step by step", h.steps, [](const StepRecord& r) -> Number { return r.loss; }, true),
                   curve("training", h.epochs, [](const EpochRecord& r) -> Number { return r.train_loss; }),
                   curve("test", h.epochs,
                         [](const EpochRecord& r) -> Number { return r.test ? Number(r.test->loss) : Number(); })});
  double low = INFINITY, high = 0;
  for (const Curve& c : chart.curves)
    for (const CurvePoint& p : c.points)
      if (p.y > 0 && std::isfinite(p.y)) low = std::min(low, p.y), high = std::max(high, p.y);
  chart.logarithmic = high > 20 * low;
  return draw_chart(chart);
}

std::string accuracy_chart(const RunHistory& h) {
  Chart chart{"accuracy", "epoch", {}, Notation::percent, false, {}, {}, ""};
  // Where there are few classes, being among the best five says nothing.
  const bool few = std::any_of(h.epochs.begin(), h.epochs.end(),
                               [](const EpochRecord& r) { return r.test && r.test->top5 >= 0.995; });
  chart.curves = with_points(
      {curve(
           "training, step by step", h.steps, [](const StepRecord& r) -> Number { return r.accuracy; }, true),
       curve("training", h.epochs, [](const EpochRecord& r) -> Number { return r.train_accuracy; }),
       curve("test", h.epochs, [](const EpochRecord& r) -> Number { return r.test ? Number(r.test->top1) : Number(); }),
       curve("test, among the best five", h.epochs,
             [few](const EpochRecord& r) -> Number { return r.test && !few ? Number(r.test->top5) : Number(); })});
  // What is compared are the epochs; the steps before the first one would press them against the upper edge.
  double low = INFINITY, high = -INFINITY;
  for (const EpochRecord& e : h.epochs)
    for (const double v : {e.train_accuracy, e.test ? e.test->top1 : NAN})
      if (std::isfinite(v)) low = std::min(low, v), high = std::max(high, v);
  if (h.epochs.size() >= 2 && low < high) {
    chart.low = std::max(0.0, low - 0.25 * (high - low));
    double top = high;
    for (const Curve& c : chart.curves)
      for (const CurvePoint& p : c.points)
        if (std::isfinite(p.y)) top = std::max(top, p.y);
    chart.high = std::min(1.0, top + 0.04 * (top - *chart.low));
  }
  return draw_chart(chart);
}

// The steps' values, or the epochs' where no steps were logged.
template <class OfStep, class OfEpoch>
std::string simple_chart(const RunHistory& h, std::string title, OfStep of_step, OfEpoch of_epoch) {
  Chart chart{title, "epoch", {}, Notation::plain, false, {}, {}, ""};
  chart.curves = with_points({curve(title, h.steps, of_step)});
  if (chart.curves.empty()) chart.curves = with_points({curve(title, h.epochs, of_epoch)});
  if (!chart.curves.empty()) chart.low = 0;
  return draw_chart(chart);
}

std::string curves_html(const RunHistory& h) {
  const std::string charts =
      loss_chart(h) + accuracy_chart(h) +
      simple_chart(
          h, "learning rate", [](const StepRecord& r) -> Number { return r.rate; },
          [](const EpochRecord& r) -> Number { return r.rate; }) +
      simple_chart(
          h, "samples a second", [](const StepRecord& r) -> Number { return r.samples_per_second; },
          [](const EpochRecord&) -> Number { return {}; });
  return charts.empty() ? "<p class=\"note\">Nothing has been logged yet.</p>"
                        : "<div class=\"charts\">" + charts + "</div>";
}

// One curve a layer, in the order of the last record's layers.
template <class Of>
std::string norm_chart(const RunHistory& h, std::string title, Of of) {
  Chart chart{std::move(title), "epoch", {}, Notation::plain, true, {}, {}, ""};
  if (h.epochs.empty()) return {};
  std::vector<LayerNorms> layers;
  for (const EpochRecord& e : h.epochs)
    if (!e.layers.empty()) layers = e.layers;
  for (size_t i = 0; i < layers.size(); ++i) {
    Curve c{layers[i].name, {}, false};
    for (const EpochRecord& e : h.epochs)
      if (i < e.layers.size() && e.layers[i].name == layers[i].name) c.points.push_back({e.epoch, of(e.layers[i])});
    chart.curves.push_back(std::move(c));
  }
  chart.curves = with_points(std::move(chart.curves));
  return draw_chart(chart);
}

std::string norms_html(const RunHistory& h) {
  const std::string charts = norm_chart(h, "weights", [](const LayerNorms& l) { return l.weight; }) +
                             norm_chart(h, "gradients", [](const LayerNorms& l) { return l.gradient; }) +
                             norm_chart(h, "gradients relative to weights",
                                        [](const LayerNorms& l) { return l.weight > 0 ? l.gradient / l.weight : NAN; });
  return charts.empty() ? "" : "<div class=\"charts\">" + charts + "</div>";
}

// ---- tables and pictures
// ---------------------------------------------------------------------------------------------

std::string filters_html(const RunContents& run) {
  if (run.filters.empty()) return {};
  std::string html = "<div class=\"card\">";
  if (run.filters.size() > 1) {
    html += fmt::format(
        "<div class=\"series\"><input type=\"range\" min=\"0\" max=\"{0}\" value=\"{0}\" "
        "aria-label=\"epoch\"><output></output>",
        run.filters.size() - 1);
    for (const FilterSheet& sheet : run.filters)
      html += image_tag(sheet.image, fmt::format("epoch {:.4g}", sheet.epoch), "pixels");
    html += "</div></div><details><summary>all of them below one another</summary><div class=\"card sheet\">" +
            image_tag(filter_history(run.filters), "the filters over time", "pixels") + "</div></details>";
  } else {
    html += image_tag(run.filters[0].image, fmt::format("epoch {:.4g}", run.filters[0].epoch), "pixels") + "</div>";
  }
  if (run.filter_count > run.filters.size())
    html += fmt::format("<p class=\"note\">{} of {} sheets, evenly over the run.</p>", run.filters.size(),
                        run.filter_count);
  return html;
}

std::string errors_html(const RunContents& run) {
  if (!run.errors) return {};
  return "<figure class=\"card sheet\">" + image_tag(run.errors->image, run.errors->caption) +
         (run.errors->caption.empty() ? "" : "<figcaption>" + html_text(run.errors->caption) + "</figcaption>") +
         "</figure>";
}

std::string calibration_html(const EvaluationRecord& record) {
  if (!record.calibration) return {};
  const Calibration& c = *record.calibration;
  const double right = record.result.top1;
  return "<div class=\"card two\">" + reliability_html(c) + "<div>" +
         html_table({"", ">"}, {{"expected calibration error", percent(c.expected_error)},
                                {"greatest gap of a bin", percent(c.greatest_error)},
                                {"mean confidence of the guesses", percent(c.confidence)},
                                {"share of them that is right", percent(right)}}) +
         fmt::format("<p class=\"note\">{} bins of equal width. The network {} on average.</p></div></div>",
                     c.bins.size(),
                     c.confidence > right   ? "is surer than it should be"
                     : c.confidence < right ? "is less sure than it could be"
                                            : "is as sure as it should be");
}

std::string epochs_html(const RunHistory& h) {
  std::vector<std::vector<std::string>> rows;
  const auto number = [](double v, const char* form) {
    return std::isfinite(v) ? fmt::format(fmt::runtime(form), v) : std::string();
  };
  for (const EpochRecord& e : h.epochs) {
    const bool best = &e == h.best();
    rows.push_back({fmt::format("{:.4g}", e.epoch), fmt::format("{}", e.step), number(e.train_loss, "{:.4f}"),
                    number(100 * e.train_accuracy, "{:.2f} %"), e.test ? number(e.test->loss, "{:.4f}") : "",
                    e.test ? number(100 * e.test->top1, best ? "<b>{:.2f} %</b>" : "{:.2f} %") : "",
                    e.test ? fmt::format(fmt::runtime(best ? "<b>{}</b>" : "{}"), e.test->errors) : "",
                    number(e.rate, "{:.4g}"), html_text(duration(e.seconds))});
  }
  if (rows.empty()) return {};
  return "<div class=\"card\">" +
         html_table({">epoch", ">step", ">training loss", ">training accuracy", ">test loss", ">test accuracy",
                     ">errors", ">rate", ">time"},
                    rows) +
         "</div>";
}

std::string recipe_html(const RunContents& run) {
  std::vector<std::vector<std::string>> facts, settings;
  if (run.history.start) {
    const RunStart& s = *run.history.start;
    facts = {{"model", html_text(s.model)},
             {"data", html_text(s.data)},
             {"parameters", fmt::format("{}", s.parameters)},
             {"training pictures", fmt::format("{}", s.train_count)},
             {"test pictures", fmt::format("{}", s.test_count)},
             {"classes", fmt::format("{}", s.classes.size())},
             {"batch", fmt::format("{}", s.batch)},
             {"steps an epoch", fmt::format("{}", s.steps_per_epoch)},
             {"seed", fmt::format("{}", s.seed)}};
  }
  for (const auto& [name, value] : run.recipe)
    settings.push_back({"<code>" + html_text(name) + "</code>", html_text(value)});
  std::string html;
  if (!facts.empty()) html += "<div>" + html_table({"run", ""}, facts) + "</div>";
  if (!settings.empty()) html += "<div>" + html_table({"setting", "value"}, settings) + "</div>";
  return html.empty() ? html : "<div class=\"card two\">" + html + "</div>";
}

// What has come of the run, in a sentence.
std::string state_of(const RunHistory& h) {
  std::string text;
  if (h.end && h.end->reason == "finished") text = "The run is finished.";
  else if (h.end)
    text = fmt::format("The run has ended at step {}: {}.{}", h.end->step, h.end->reason,
                       h.end->message.empty() ? "" : " " + h.end->message);
  else text = "The run is under way or was interrupted.";
  if (!h.resumed.empty())
    text +=
        fmt::format(" It was resumed {}.", h.resumed.size() == 1 ? "once" : fmt::format("{} times", h.resumed.size()));
  return text;
}

void add_facts(Page& page, const RunContents& run) {
  const RunHistory& h = run.history;
  const EpochRecord* best = h.best();
  const TestResult* last = nullptr;
  for (const EpochRecord& e : h.epochs)
    if (e.test) last = &*e.test;
  if (run.evaluation) {
    page.add_fact(fmt::format("{}", run.evaluation->result.errors),
                  fmt::format("errors in {}{}", counted(run.evaluation->result.count, "picture"),
                              views_note(run.evaluation->views)));
    page.add_fact(percent(run.evaluation->result.top1), "right");
  } else if (last != nullptr) {
    page.add_fact(fmt::format("{}", last->errors), fmt::format("errors in {}", counted(last->count, "picture")));
    page.add_fact(percent(last->top1), "right");
  }
  const int64_t now = run.evaluation ? run.evaluation->result.errors : last != nullptr ? last->errors : -1;
  if (best != nullptr && best->test->errors != now)
    page.add_fact(fmt::format("{}", best->test->errors),
                  fmt::format("errors at best, after epoch {:.4g}", best->epoch));
  const double seconds = h.end ? h.end->seconds : h.epochs.empty() ? NAN : h.epochs.back().seconds;
  if (std::isfinite(seconds)) page.add_fact(duration(seconds), "of training");
  const double epoch =
      std::max(h.epochs.empty() ? 0 : h.epochs.back().epoch, h.steps.empty() ? 0 : h.steps.back().epoch);
  if (h.start && std::isfinite(h.start->epochs) && epoch < h.start->epochs)
    page.add_fact(fmt::format("{:.4g} of {:.4g}", epoch, h.start->epochs), "epochs");
  else page.add_fact(fmt::format("{:.4g}", epoch), "epochs");
  if (h.start) page.add_fact(short_number(static_cast<double>(h.start->parameters)), "parameters");
}

void add_section(Page& page, const char* id, const char* heading, const std::string& intro, const std::string& body) {
  if (!body.empty()) page.add_section(id, heading, intro, body);
}

}  // namespace

RunContents read_run(const std::filesystem::path& folder) {
  require(std::filesystem::is_directory(folder), ErrorKind::usage,
          "{}: is not a folder; expected that of a training run", folder.string());
  require(std::filesystem::exists(folder / "metrics.jsonl"), ErrorKind::usage,
          "{}: is not a training run: it holds no metrics.jsonl", folder.string());
  RunContents run;
  run.folder = folder;
  run.history = read_run_log(folder / "metrics.jsonl");
  const auto present = [&](const char* name) { return std::filesystem::is_regular_file(folder / name); };
  if (present("run.toml")) run.recipe = read_settings(folder / "run.toml");
  if (present("evaluation.json")) run.evaluation = read_evaluation(Bytes::map(folder / "evaluation.json"));
  if (present("errors.png")) run.errors = read_error_sheet(folder / "errors.png");
  run.filters = read_filter_sheets(folder / "filters", kShownSheets, run.filter_count);
  return run;
}

std::string run_page(const RunContents& run) {
  const RunHistory& h = run.history;
  const std::string model = h.start ? h.start->model : run.evaluation ? run.evaluation->model : "a network";
  const std::string data = h.start ? h.start->data : run.evaluation ? run.evaluation->data : "";
  Page page(model, fmt::format("{}{}", data.empty() ? "" : "Trained on " + data + ". ", state_of(h)));
  add_facts(page, run);
  add_section(page, "curves", "Curves", "", curves_html(h));
  add_section(page, "filters", "Filters over time",
              "The first layer's weights, each filter scaled to its own range. Move the slider to see how they came to "
              "be.",
              filters_html(run));
  add_section(page, "errors", "The errors", "Each picture that was taken for something else: what it is → the guess.",
              errors_html(run));
  if (run.evaluation) {
    add_section(page, "confusions", "What is taken for what",
                "A row for each true class; the tint is the share of its pictures, to the root.",
                confusion_html(run.evaluation->result, run.evaluation->names));
    add_section(
        page, "calibration", "Is it as sure as it should be?",
        "Of the guesses made with a confidence of 80 %, 80 % should be right: then the bars end on the diagonal.",
        calibration_html(*run.evaluation));
    add_section(page, "classes", "Classes", "The worst first.",
                class_table_html(run.evaluation->result, run.evaluation->names));
  }
  add_section(page, "norms", "Norms of the layers",
              "Euclidean norms of each layer's weights and of the gradient of one batch. A layer whose gradient is far "
              "smaller than the others' hardly learns.",
              norms_html(h));
  add_section(page, "epochs", "Epochs", "", epochs_html(h));
  add_section(page, "recipe", "Recipe", "", recipe_html(run));
  page.set_footer(fmt::format("made by fovea {}", version()));
  return page.html();
}

std::filesystem::path write_run_page(const std::filesystem::path& folder) {
  const std::string html = run_page(read_run(folder));
  const std::filesystem::path path = folder / "report.html";
  writing([&] { write_file(path, std::string_view(html)); });
  return path;
}

}  // namespace fovea
