#include "fovea/commands/texture_page.h"

#include <fmt/format.h>

#include <filesystem>

#include "fovea/base/counted.h"
#include "fovea/commands/picture_report.h"
#include "fovea/image/draw.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

std::string name_of(const std::string& file) { return printable(fs::path(file).filename().string()); }

Image two_by_two(const Image& image) {
  const Image tile = image.to_8bit().to_rgb();
  Image whole = blank(2 * tile.width(), 2 * tile.height());
  for (const int y : {0, 1})
    for (const int x : {0, 1}) draw_image(whole, tile, x * tile.width(), y * tile.height());
  return whole;
}

std::vector<std::pair<std::string, std::string>> settings_rows(const TextureOptions& o, const TextureSettings& s) {
  std::string layers;
  for (size_t k = 0; k < s.layers.size(); ++k)
    layers += fmt::format("{}{}{}", k ? ", " : "", s.layers[k],
                          k < s.layer_weights.size() ? fmt::format(" × {}", setting(s.layer_weights[k])) : "");
  std::string rule = fmt::format("{}, rate {}", s.rule.update, setting(s.rule.rate));
  if (s.rule.update == "lbfgs") rule += fmt::format(", {} remembered", counted(s.rule.history, "step"));
  return {{"source", fmt::format("{}, looked at with a longer side of {} pixels", name_of(o.image), s.source_size)},
          {"layers", layers},
          {"compared by", s.form},
          {"pooling", s.pooling},
          {"the network's weights", s.normalised_weights ? "scaled to a mean answer of 1" : "as they are"},
          {"tileable", s.tileable ? "yes" : "no"},
          {"histogram", o.match_histogram ? "the source's, matched at the end" : "as it came"},
          {"optimiser", rule}};
}

}  // namespace

std::string texture_page(const TextureOptions& o, const TextureSettings& settings, const PictureRecord& record,
                         const Image& source, const Image& made, const PictureRunResult& result,
                         const PictureSynthesis& synthesis) {
  PicturePage page;
  page.title = "More of " + name_of(o.image);
  page.subtitle = fmt::format("From noise to the same statistics of {} of {}", counted(settings.layers.size(), "layer"),
                              record.model);
  page.layout = PictureLayout::beside;
  page.before = source;
  page.before_name = name_of(o.image) + ", as the network saw it";
  page.after = made;
  page.after_name = "made from noise";
  if (settings.tileable) page.sources.emplace_back(two_by_two(made), "four of it: it continues at its opposite edges");
  page.settings = settings_rows(o, settings);
  add_run(page, result, synthesis);
  add_record(page, record, o.output);
  return picture_page(page);
}

std::string ladder_page(const TextureOptions& o, const TextureSettings& settings, const PictureRecord& record,
                        const Image& plate, const std::vector<TextureRung>& rungs, double seconds) {
  PicturePage page;
  page.title = "The ladder of " + name_of(o.image);
  page.subtitle = fmt::format("From noise to the same statistics of more and more layers of {}", record.model);
  page.after = plate;
  page.after_name = "one layer keeps colours and grain, each further one larger shapes";
  Chart losses{.title = "The loss", .x_name = "step", .logarithmic = true, .labelled = true};
  PageTable table{"The rungs", {"layers", ">steps", ">first loss", ">last loss"}, {}};
  size_t steps = 0;
  bool finished = true;
  for (const TextureRung& rung : rungs) {
    Curve curve{rung.name, {}};
    for (size_t i = 0; i < rung.losses.size(); ++i)
      curve.points.push_back({static_cast<double>(i + 1), rung.losses[i]});
    steps += rung.losses.size();
    finished = finished && rung.finished;
    const auto number = [](double v) { return fmt::format("{:.4g}", v); };
    table.rows.push_back({rung.name, fmt::format("{}", rung.losses.size()),
                          rung.losses.empty() ? "" : number(rung.losses.front()),
                          rung.losses.empty() ? "" : number(rung.losses.back())});
    losses.curves.push_back(std::move(curve));
  }
  if (!finished || rungs.size() < settings.layers.size())
    page.notice = fmt::format("Stopped after {} of {}. The command below makes it whole, from the beginning.",
                              counted(steps, "step"), settings.layers.size() * static_cast<size_t>(settings.steps));
  page.facts = {{fmt::format("{} × {}", settings.width, settings.height), "pixels a rung"},
                {fmt::format("{}", steps), "steps"},
                {duration_text(seconds), "of work"}};
  page.charts = {std::move(losses)};
  page.charts_intro = "Each rung begins with the same noise; its loss counts its own layers.";
  page.tables = {std::move(table)};
  page.settings = settings_rows(o, settings);
  add_record(page, record, o.output);
  return picture_page(page);
}

}  // namespace fovea
