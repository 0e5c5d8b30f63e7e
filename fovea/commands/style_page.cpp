#include "fovea/commands/style_page.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <filesystem>

#include "fovea/base/counted.h"
#include "fovea/commands/picture_report.h"
#include "fovea/image/resize.h"
#include "fovea/insight/picture_levels.h"
#include "fovea/report/table.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

std::string name_of(const std::string& file) { return printable(fs::path(file).filename().string()); }

// "relu1_1 256, relu2_1 64": names with their weights where they are not all the same.
std::string layers_text(const std::vector<std::string>& layers, const std::vector<double>& weights) {
  std::string text;
  for (size_t k = 0; k < layers.size(); ++k)
    text += fmt::format("{}{}{}", k ? ", " : "", layers[k],
                        k < weights.size() ? fmt::format(" × {}", setting(weights[k])) : "");
  return text;
}

std::string rule_text(const PictureRule& rule) {
  std::string text = fmt::format("{}, rate {}", rule.update, setting(rule.rate));
  if (rule.update == "lbfgs")
    text += fmt::format(", {} remembered{}", counted(rule.history, "step"), rule.line_search ? ", lines searched" : "");
  if (rule.average > 0) text += fmt::format(", mean of the pictures that forgets by {}", setting(rule.average));
  return text;
}

std::vector<std::pair<std::string, std::string>> settings_rows(const StyleOptions& o, const StyleSettings& s) {
  std::vector<std::pair<std::string, std::string>> rows = {
      {"preset", s.preset},
      {"content", fmt::format("weight {}, {}, compared by {}", setting(s.content_weight),
                              layers_text(s.content_layers, {}), s.content_form)},
      {"style", fmt::format("weight {}, {}, compared by {}", setting(s.style_weight),
                            layers_text(s.style_layers, s.style_layer_weights), s.style_form)},
      {"total variation", fmt::format("weight {}, {}", setting(s.variation_weight), s.variation_form)}};
  if (o.styles.size() > 1)
    rows.emplace_back("shares of the styles", o.style_weights.empty() ? "equal" : o.style_weights);
  rows.emplace_back("scale of the style", setting(s.style_scale));
  rows.emplace_back("colours", o.colours);
  rows.emplace_back("start", o.start.empty() ? s.start : o.start);
  rows.emplace_back("optimiser", rule_text(s.rule));
  rows.emplace_back("pooling", s.pooling);
  std::vector<std::string> changes;
  if (s.normalised_weights) changes.emplace_back("weights scaled to a mean answer of 1");
  if (s.replicated_edges) changes.emplace_back("edges replicated");
  if (s.normalised_gradients) changes.emplace_back("each term's gradient divided by its size");
  if (!changes.empty()) rows.emplace_back("the network's changes", fmt::format("{}", fmt::join(changes, ", ")));
  return rows;
}

}  // namespace

std::vector<std::pair<Image, std::string>> style_sources(const StyleOptions& options,
                                                         const std::vector<StyleInput>& styles) {
  std::vector<std::pair<Image, std::string>> sources;
  if (options.report.empty()) return sources;
  constexpr int64_t kSide = 480;
  const auto add = [&](const Image& picture, const std::string& name) {
    sources.emplace_back(fitted(picture, fitted_size(picture, kSide)), name);
  };
  const bool recoloured = options.colours != "style" && options.colours != "luminance";
  for (size_t k = 0; k < styles.size(); ++k) {
    add(styles[k].picture, fmt::format("{}{}", name_of(styles[k].name), recoloured ? ", recoloured" : ""));
    if (!styles[k].mask.empty()) add(styles[k].mask, fmt::format("where it counts: {}", name_of(options.masks[k])));
  }
  return sources;
}

std::string style_page(const StyleView& view, const Image& made, const PictureRunResult* result,
                       const PictureSynthesis* synthesis) {
  const StyleOptions& o = view.options;
  PicturePage page;
  page.title = name_of(o.content) + ", painted";
  std::vector<std::string> styles;
  for (const std::string& style : o.styles) styles.push_back(name_of(style));
  page.subtitle = view.settings ? fmt::format("In the style of {}: {}, preset {}", fmt::join(styles, " and "),
                                              view.record.model, o.preset)
                                : fmt::format("By {}, which was trained for one style", name_of(o.network));
  page.before = resize(view.content.to_8bit().to_rgb(), made.width(), made.height(), Filter::lanczos);
  page.before_name = name_of(o.content);
  page.after = made;
  page.after_name = "painted";
  page.sources = view.sources;
  if (view.settings) page.settings = settings_rows(o, *view.settings);
  else page.settings = {{"colours", o.colours}};
  if (result) add_run(page, *result, *synthesis);
  else page.facts = {{fmt::format("{} × {}", made.width(), made.height()), "pixels"}, {"1", "pass"}};
  add_record(page, view.record, o.output);
  return picture_page(page);
}

}  // namespace fovea
