#include "fovea/commands/dream_report.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/commands/picture_report.h"
#include "fovea/image/codec.h"
#include "fovea/report/page.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

std::string size_text(const DreamOctave& octave) { return fmt::format("{} x {}", octave.width, octave.height); }

// The objective's unit differs from one objective to another; what it is of.
std::string value_name(const DreamSummary& s) {
  if (!s.options.objective.empty()) return "the objective";
  if (!s.options.guide.empty()) return "mean greatest dot product with the guide";
  return "half the mean square of the layer's answers";
}

}  // namespace

Report dream_report(const DreamSummary& s) {
  Table table({{"octave"}, {"steps", true}, {"objective", true}, {"to", true}, {"a step", true}});
  Json octaves = Json::array();
  for (const DreamOctave& octave : s.result.octaves) {
    const bool any = !octave.values.empty();
    std::string size = size_text(octave);
    if (octave.tiles > 1) size += fmt::format(" in {} tiles", octave.tiles);
    table.add({size, fmt::format("{}", octave.values.size()), any ? fmt::format("{:.4g}", octave.values.front()) : "",
               any ? fmt::format("{:.4g}", octave.values.back()) : "", any ? short_time(octave.step_seconds) : ""});
    octaves.push_back({{"width", octave.width},
                       {"height", octave.height},
                       {"values", octave.values},
                       {"mean_gradients", octave.gradients},
                       {"tiles", octave.tiles},
                       {"step_seconds", octave.step_seconds}});
  }
  Report report;
  report.text = fmt::format("dreams of {} by {}, preset {}\n", coloured(printable(s.objective), Ink::bold),
                            printable(s.model.meaning.name), s.options.preset) +
                table.text() +
                fmt::format("wrote {} ({} x {} pixels) after {}\n", coloured(printable(s.options.output), Ink::cyan),
                            s.after.width(), s.after.height(), short_time(s.seconds));
  if (!s.options.save.empty() && s.options.zoom_frames > 0)
    report.text += fmt::format("the frames: {}\n", coloured(printable(s.options.save), Ink::cyan));
  if (!s.result.trouble.empty()) report.text += coloured(printable(s.result.trouble), Ink::red) + "\n";
  Json json = {{"model", printable(s.model.meaning.name)},
               {"image", s.options.image},
               {"objective", printable(s.objective)},
               {"preset", s.options.preset},
               {"step", s.settings.rule.step},
               {"jitter", s.settings.jitter},
               {"gradient", s.settings.rule.gradient},
               {"resize", s.settings.resize},
               {"octave_scale", s.settings.octave_scale},
               {"tile", s.settings.tile},
               {"seed", s.options.seed},
               {"octaves", octaves},
               {"seconds", s.seconds},
               {"memory", s.memory.arena + s.memory.weights + s.memory.states},
               {"finished", s.result.finished},
               {"output", s.options.output}};
  if (!s.result.trouble.empty()) json["trouble"] = s.result.trouble;
  if (s.options.zoom_frames > 0) json["frames"] = s.options.save;
  report.set_json(json);
  return report;
}

std::string dream_page(const DreamSummary& s) {
  PicturePage page;
  page.title = "A dream";
  page.subtitle =
      fmt::format("What {} sees in {}: {}", printable(s.model.meaning.name),
                  s.options.image == "noise" ? "noise" : printable(s.options.image), printable(s.objective));
  page.before = s.before;
  page.after = s.after;
  Chart values{.title = "How strongly it answers", .x_name = "step of the octave", .labelled = true};
  Chart sizes{.title = "Mean size of its gradient", .x_name = "step of the octave", .labelled = true};
  values.note = value_name(s);
  size_t steps = 0;
  for (const DreamOctave& octave : s.result.octaves) {
    Curve value{size_text(octave), {}}, gradient{size_text(octave), {}};
    for (size_t i = 0; i < octave.values.size(); ++i) {
      value.points.push_back({static_cast<double>(i + 1), octave.values[i]});
      gradient.points.push_back({static_cast<double>(i + 1), octave.gradients[i]});
    }
    steps += octave.values.size();
    values.curves.push_back(std::move(value));
    sizes.curves.push_back(std::move(gradient));
  }
  page.charts = {std::move(values), std::move(sizes)};
  page.charts_intro = "Before each step, a curve for each size that the picture was drawn at, coarse first.";
  page.facts = {{fmt::format("{} × {}", s.after.width(), s.after.height()), "pixels"},
                {fmt::format("{}", steps), "steps"},
                {short_time(s.seconds), "of work"},
                {short_bytes(static_cast<double>(s.memory.arena + s.memory.weights + s.memory.states)), "of memory"}};
  page.settings = {
      {"objective", printable(s.objective)},
      {"preset", s.options.preset},
      {"octaves", fmt::format("{}, each {:g} times the one before", s.result.octaves.size(), s.settings.octave_scale)},
      {"step", fmt::format("{:g} grey levels on average", s.settings.rule.step)},
      {"jitter", fmt::format("up to {} pixels", s.settings.jitter)},
      {"gradient", s.settings.rule.gradient},
      {"resize", s.settings.resize},
      {"tiles", s.settings.tile > 0 ? fmt::format("of {} pixels", s.settings.tile) : "none"}};
  if (!s.options.guide.empty() && s.options.guide != "noise")
    page.sources.emplace_back(read_image(s.options.guide), "the guide: " + printable(s.options.guide));
  add_record(page, s.record, s.options.output);
  if (!s.result.trouble.empty()) {
    page.notice = fmt::format("Stopped: {}. This is the last good picture.", s.result.trouble);
  } else if (!s.result.finished) {
    page.notice = "Interrupted: this is the picture as it stood. It goes on with";
    page.notice_command = s.resume;
  }
  return picture_page(page);
}

}  // namespace fovea
