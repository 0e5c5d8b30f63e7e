#include "fovea/commands/inspect_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/bytes.h"
#include "fovea/base/counted.h"
#include "fovea/base/parallel.h"
#include "fovea/commands/doctor.h"
#include "fovea/image/codec.h"
#include "fovea/image/colour.h"
#include "fovea/insight/layer_activity.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/stated_test.h"
#include "fovea/report/caption.h"
#include "fovea/report/figure.h"
#include "fovea/report/network_drawing.h"
#include "fovea/report/page.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kColoured = 6;  // boxes drawn on the picture without pointing at them

Image map_image(const FeatureMap& map, const Stage& stage) {
  return apply_colour_map(map.values, static_cast<int>(stage.width), static_cast<int>(stage.height), ColourMap::magma);
}

// 0..1: the brightest hundredth is 1, and the root lifts what is faint.
std::vector<float> normal_heat(const std::vector<float>& map) {
  std::vector<float> sorted = map;
  const auto at = sorted.begin() + static_cast<std::ptrdiff_t>(sorted.size() * 99 / 100);
  std::nth_element(sorted.begin(), at, sorted.end());
  std::vector<float> heat = map;
  for (float& v : heat) v = *at > 0 ? std::sqrt(std::min(1.0f, v / *at)) : 0.0f;
  return heat;
}

struct SaliencyImages {
  Image plain, smooth, overlay;
};

SaliencyImages saliency_images(const Inspection& r) {
  const int width = r.picture.width(), height = r.picture.height();
  const std::vector<float> plain = normal_heat(r.saliency), smooth = normal_heat(r.smooth_saliency);
  return {apply_colour_map(plain, width, height, ColourMap::magma, 0, 1),
          apply_colour_map(smooth, width, height, ColourMap::magma, 0, 1),
          overlay_heat(r.picture.to_rgb(), smooth, width, height, ColourMap::inferno, 0.85f, true)};
}

// Where the maps of the last layers speak for the guess; nothing where they are silent.
std::optional<Image> class_map_image(const Inspection& r) {
  if (r.class_map.values.empty() || !r.class_map.empty.empty()) return {};
  std::vector<float> heat = r.class_map.values;
  const float most = *std::max_element(heat.begin(), heat.end());
  for (float& v : heat) v = most > 0 ? std::max(0.0f, v / most) : 0.0f;
  return overlay_heat(r.picture.to_rgb(), heat, static_cast<int>(r.class_map.width),
                      static_cast<int>(r.class_map.height), ColourMap::inferno, 0.85f, true);
}

std::string field_sentence(const Stage& stage) {
  if (stage.field.size() != 2) return "";
  const ReceptiveField& f = stage.field[0];
  if (f.whole) return "each unit sees the whole picture";
  return fmt::format("each unit sees {0:g} × {1:g} pixels, neighbours look {2:g} apart", f.size, stage.field[1].size,
                     f.stride);
}

std::string guesses_html(const Inspection& r) {
  std::string bars;
  for (size_t i = 0; i < r.guesses.size(); ++i)
    bars += html_bar(r.guesses[i].probability, r.guesses[i].name,
                     fmt::format("{:.1f} %", r.guesses[i].probability * 100), i == 0);
  return "<div class=\"card split\"><figure>" + image_tag(r.picture, "the picture") +
         fmt::format("<figcaption>what the network receives: {} × {} pixels</figcaption></figure><div>{}</div></div>",
                     r.picture.width(), r.picture.height(), bars);
}

std::string saliency_html(const Inspection& r) {
  if (r.saliency.empty())
    return fmt::format("<p class=\"note\">There is no saliency map: {}</p>", html_text(r.no_saliency));
  const SaliencyImages images = saliency_images(r);
  const std::optional<Image> class_map = class_map_image(r);
  const auto figure = [](const Image& image, std::string_view caption) {
    return "<figure>" + image_tag(image, caption) +
           fmt::format("<figcaption>{}</figcaption></figure>", html_text(caption));
  };
  return "<div class=\"card four\">" + figure(r.picture, "the picture") +
         figure(images.plain, "gradient of the score: greatest magnitude over the channels") +
         figure(images.smooth, "the same, averaged over 16 noisy copies") +
         figure(images.overlay, "laid over the picture") +
         (class_map ? figure(*class_map, fmt::format("Grad-CAM: the places of {} that speak for {}", r.class_map.layer,
                                                     r.guesses[0].name))
                    : "") +
         "</div>";
}

std::string network_html(const Model& model) {
  static constexpr std::pair<const char*, const char*> kKinds[] = {
      {"convolution", "convolution"},  {"pooling", "pooling"}, {"dense", "fully connected"},
      {"join", "where branches meet"}, {"scores", "scores"},   {"other", "other"}};
  std::string legend;
  for (const auto& [kind, name] : kKinds)
    legend += fmt::format("<span><i style=\"background:var(--{})\"></i>{}</span>", kind, name);
  return "<div class=\"card viewer\">" + draw_network(drawn_nodes(model.graph, last_output(model))) +
         "</div><div class=\"legend\">" + legend + "</div>";
}

Image filter_grid(const Inspection& r) {
  const int count = static_cast<int>(r.filters.size()), side = r.filters[0].width();
  const int columns = count <= 16 ? 8 : count <= 64 ? 16 : 24;
  return image_grid(r.filters, columns, std::max(1, 36 / std::max(1, side)), 5);
}

std::string filters_html(const Inspection& r) {
  if (!r.first || r.filters.empty())
    return "<p class=\"note\">The network has no convolution with weights of its own.</p>";
  const Tensor& w = r.first->weight;
  return "<div class=\"card\"><div class=\"filters\"><figure>" +
         image_tag(filter_grid(r), "the first layer's filters", "pixels") +
         fmt::format(
             "<figcaption>{} of {} × {} on {}, numbered along the rows from "
             "0</figcaption></figure></div></div>",
             counted(w.size(0), "filter"), w.size(3), w.size(2), counted(w.size(1), "channel"));
}

std::string stage_html(const Inspection& r, const StageView& view) {
  const Stage& stage = view.stage;
  std::string boxes, maps;
  for (size_t k = view.maps.size(); k-- > 0;) {
    const FeatureMap& m = view.maps[k];
    const std::string place = fmt::format("x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", m.seen_x.begin,
                                          m.seen_y.begin, m.seen_x.end - m.seen_x.begin, m.seen_y.end - m.seen_y.begin);
    boxes += fmt::format("<g class=\"k{}\" data-unit=\"{}\"><rect class=\"halo\" {}/><rect {}/></g>",
                         k < kColoured ? static_cast<int>(k) : 9, m.unit, place, place);
  }
  for (size_t k = 0; k < view.maps.size(); ++k) {
    const FeatureMap& m = view.maps[k];
    const std::string name = k < view.names.size() ? view.names[k] : "";
    maps += fmt::format("<figure class=\"map{}\" data-unit=\"{}\" tabindex=\"0\">",
                        k < kColoured ? fmt::format(" c{}", k) : "", m.unit) +
            image_tag(map_image(m, stage), fmt::format("map of unit {}", m.unit), "pixels") +
            fmt::format("<figcaption><b>{}</b>{} · peak {}</figcaption></figure>", m.unit,
                        name.empty() ? "" : " " + html_text(name), short_value(m.peak));
  }
  return fmt::format(
             "<div class=\"card stage\"><div class=\"stage-head\"><h3>{}</h3><p>{}{} of {} × {}; {}</p></div><div "
             "class=\"looks\">",
             html_text(stage.name), counted(stage.channels, stage.classes ? "map" : "unit"),
             !stage.classes       ? ""
             : view.names.empty() ? ", one a score,"
                                  : ", one a class,",
             stage.height, stage.width, field_sentence(stage)) +
         image_tag(r.picture, "the picture with the fields of the strongest units") +
         fmt::format(
             "<svg viewBox=\"0 0 {} {}\" preserveAspectRatio=\"none\">{}</svg></div><div class=\"maps\">{}</div></div>",
             r.picture.width(), r.picture.height(), boxes, maps);
}

std::string listed(const std::vector<int64_t>& units) {
  if (units.empty()) return "none";
  std::string text;
  for (size_t i = 0; i < std::min<size_t>(12, units.size()); ++i) text += fmt::format("{}{}", i ? ", " : "", units[i]);
  return units.size() > 12 ? text + fmt::format(", … ({})", units.size()) : text;
}

std::string activity_html(const Inspection& r) {
  std::vector<std::vector<std::string>> rows;
  int64_t units = 0, dead = 0;
  for (const UnitActivity& a : r.activity) {
    units += a.units;
    dead += static_cast<int64_t>(a.dead.size());
    rows.push_back({"<code>" + html_text(a.name) + "</code>", fmt::format("{}", a.units),
                    fmt::format("{:.0f} %", a.active * 100), fmt::format("{}", a.silent.size()),
                    fmt::format("{}", a.dead.size()), listed(a.dead)});
  }
  if (rows.empty()) return "<p class=\"note\">The network has no rectified units.</p>";
  return fmt::format(
             "<p class=\"intro\">{} of {} rectified units answer to none of four inputs: the picture, its mirror "
             "image, its negative, and noise.</p>",
             dead, units) +
         "<div class=\"card\">" +
         html_table(
             {"layer", ">units", ">values above 0", ">silent on this picture", ">silent on all four", "those units"},
             rows) +
         "</div>";
}

std::string weights_html(const Inspection& r) {
  std::vector<std::vector<std::string>> rows;
  for (const WeightStatistics& w : r.weights)
    rows.push_back({"<code>" + html_text(w.name) + "</code>", html_text(to_string(w.shape)),
                    fmt::format("{:.3g}", w.min), fmt::format("{:.3g}", w.max), fmt::format("{:.2g}", w.mean),
                    fmt::format("{:.3g}", w.std), fmt::format("{:.1f} %", w.zeros * 100),
                    html_histogram(w.histogram, w.min, w.max)});
  if (rows.empty()) return "<p class=\"note\">The file holds its weights as constants.</p>";
  return "<div class=\"card\">" +
         html_table({"weight", "shape", ">min", ">max", ">mean", ">std", ">zeros", "distribution"}, rows) + "</div>";
}

std::string time_html(const Inspection& r) {
  double total = 0, most = 0;
  for (const StepInfo& s : r.steps) total += s.seconds, most = std::max(most, s.seconds);
  std::vector<std::vector<std::string>> rows;
  for (const StepInfo& s : r.steps) {
    const double share = most > 0 ? s.seconds / most : 0;
    rows.push_back({"<code>" + html_text(s.name) + "</code>", html_text(s.implementation),
                    html_text(to_string(s.output.shape)),
                    fmt::format("<span class=\"share\"><i style=\"width:{:.1f}%\"></i></span>{}", share * 100,
                                short_time(s.seconds)),
                    fmt::format("{:.1f} %", total > 0 ? s.seconds / total * 100 : 0),
                    s.flops > 0 && s.seconds > 0 ? fmt::format("{:.0f}", s.flops / s.seconds * 1e-9) : "",
                    short_bytes(static_cast<double>(s.output.bytes()))});
  }
  return "<div class=\"card\">" +
         html_table({"step", "computed by", "output", ">time", ">share", ">GFLOP/s", ">output memory"}, rows) +
         "</div>" +
         fmt::format(
             "<p class=\"note\">{} in all on {}; {} for activations together (they share memory), {} of "
             "prepared weights.</p>",
             short_time(total), counted(thread_count(), "thread"), short_bytes(static_cast<double>(r.memory.arena)),
             short_bytes(static_cast<double>(r.memory.weights)));
}

std::string page_html(const Model& model, const Inspection& r, const std::string& picture_name) {
  double seconds = 0;
  for (const StepInfo& s : r.steps) seconds += s.seconds;
  Page page(model.meaning.name, fmt::format("What this network sees in {}, and what is inside it.", picture_name));
  if (!r.guesses.empty()) page.add_fact(r.guesses[0].name, "its best guess");
  if (const auto test = stated_test(model.meaning))
    page.add_fact(fmt::format("{:.2f} %", 100 * test->accuracy()), "right on its test set");
  page.add_fact(short_number(static_cast<double>(r.statistics.parameters)), "parameters");
  page.add_fact(short_number(r.statistics.macs), "multiply-adds a picture");
  page.add_fact(fmt::format("{}", r.statistics.layers.size()), "layers");
  page.add_fact(short_time(seconds), "a run, here");
  page.add_section("guesses", r.guesses.empty() ? "The picture" : "Guesses",
                   r.guesses.empty() ? "The network scores no classes, so it guesses nothing." : "", guesses_html(r));
  if (!r.guesses.empty())
    page.add_section(
        "saliency", "Where it looks",
        fmt::format("How much each pixel would change the score of “{}” if it changed a little.", r.guesses[0].name),
        saliency_html(r));
  page.add_section("network", "The network",
                   "From left to right, then on in the next row. Activations are drawn with their layer. Drag to move, "
                   "Ctrl and the wheel to zoom.",
                   network_html(model));
  page.add_section("filters", "First-layer filters",
                   "The only weights that speak of pixels. Each filter is scaled to its own range.", filters_html(r));
  std::string stages;
  for (const StageView& view : r.stages) stages += stage_html(r, view);
  page.add_section("stages", "What the units answer to",
                   "For every stage, the units with the highest peaks on this picture. The boxes show what the unit at "
                   "the peak sees; point at a map to see its own.",
                   stages);
  page.add_section("dead", "Dead units", "", activity_html(r));
  page.add_section(
      "weights", "Weights",
      "How the numbers of each layer are distributed. The orange line marks zero; heights are square roots of counts.",
      weights_html(r));
  page.add_section("time", "Time and memory", "The compiled plan: convolutions run together with what follows them.",
                   time_html(r));
  page.set_footer(fmt::format("made by fovea {} · {} · {}", html_text(version()), html_text(r.plan),
                              model.meaning.preprocess ? html_text(describe(*model.meaning.preprocess)) : ""));
  return page.html();
}

Image stage_sheet(const StageView& view) {
  std::vector<Tile> tiles;
  for (const FeatureMap& map : view.maps) tiles.push_back({map_image(map, view.stage), fmt::format("{}", map.unit)});
  return contact_sheet(tiles, 6, 112, 8);
}

}  // namespace

Json inspection_json(const Model& model, const Inspection& r, const std::string& picture_name) {
  Json guesses = Json::array(), stages = Json::array(), activity = Json::array(), weights = Json::array(),
       steps = Json::array();
  for (const Guess& g : r.guesses)
    guesses.push_back({{"class", g.index}, {"name", g.name}, {"probability", g.probability}, {"score", g.score}});
  for (const StageView& view : r.stages) {
    Json units = Json::array();
    for (const FeatureMap& m : view.maps)
      units.push_back(
          {{"unit", m.unit},
           {"peak", m.peak},
           {"mean", m.mean},
           {"at", {m.peak_y, m.peak_x}},
           {"sees",
            {{"top", m.seen_y.begin}, {"bottom", m.seen_y.end}, {"left", m.seen_x.begin}, {"right", m.seen_x.end}}}});
    stages.push_back({{"name", view.stage.name},
                      {"channels", view.stage.channels},
                      {"height", view.stage.height},
                      {"width", view.stage.width},
                      {"units", units}});
  }
  for (const UnitActivity& a : r.activity)
    activity.push_back(
        {{"layer", a.name}, {"units", a.units}, {"active", a.active}, {"silent", a.silent}, {"dead", a.dead}});
  for (const WeightStatistics& w : r.weights)
    weights.push_back({{"name", w.name},
                       {"shape", std::vector<int64_t>(w.shape)},
                       {"min", w.min},
                       {"max", w.max},
                       {"mean", w.mean},
                       {"std", w.std},
                       {"zeros", w.zeros}});
  for (const StepInfo& s : r.steps)
    steps.push_back({{"name", s.name},
                     {"op", s.op},
                     {"implementation", s.implementation},
                     {"ms", s.seconds * 1e3},
                     {"flops", s.flops},
                     {"bytes", s.bytes},
                     {"output_bytes", s.output.bytes()}});
  return {{"name", model.meaning.name},
          {"picture", picture_name},
          {"parameters", r.statistics.parameters},
          {"macs", r.statistics.macs},
          {"guesses", guesses},
          {"stages", stages},
          {"dead_units", activity},
          {"weights", weights},
          {"steps", steps},
          {"arena_bytes", r.memory.arena},
          {"weight_bytes", r.memory.weights}};
}

std::vector<std::filesystem::path> write_inspection(const Model& model, const Inspection& r,
                                                    const std::string& picture_name,
                                                    const std::filesystem::path& folder, const std::string& json) {
  std::vector<std::filesystem::path> files;
  const auto image = [&](const std::string& name, const Image& picture) {
    write_image(folder / name, picture);
    files.push_back(folder / name);
  };
  image("picture.png", r.picture);
  if (!r.filters.empty()) image("filters.png", filter_grid(r));
  if (!r.saliency.empty()) {
    const SaliencyImages images = saliency_images(r);
    image("saliency.png", images.plain);
    image("saliency-smooth.png", images.smooth);
    image("saliency-overlay.png", images.overlay);
  }
  if (const auto class_map = class_map_image(r)) image("grad-cam.png", *class_map);
  for (size_t k = 0; k < r.stages.size(); ++k) image(fmt::format("stage-{}.png", k + 1), stage_sheet(r.stages[k]));
  write_file(folder / "inspection.json", std::string_view(json));
  files.push_back(folder / "inspection.json");
  write_file(folder / "index.html", std::string_view(page_html(model, r, picture_name)));
  files.push_back(folder / "index.html");
  return files;
}

}  // namespace fovea
