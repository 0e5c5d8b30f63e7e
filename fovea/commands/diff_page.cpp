#include "fovea/commands/diff_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/counted.h"
#include "fovea/commands/doctor.h"
#include "fovea/report/page.h"
#include "fovea/report/table.h"

namespace fovea {

bool Comparison::same() const { return models.same() && (!picture || picture->answers.first < 0); }

std::string verdict(const Comparison& c) {
  const ModelDifference& m = c.models;
  size_t changed = 0, different = 0, total = 0;
  for (const LayerPair& pair : m.pairs) {
    changed += pair.changed();
    for (const WeightDifference& w : pair.weights) ++total, different += w.differs();
  }
  std::string text = c.name_a + " and " + c.name_b + ": ";
  if (m.same_structure()) text += fmt::format("the same {}", counted(m.pairs.size(), "layer"));
  else
    text += fmt::format("{} in both, {} changed, {} removed, {} added", counted(m.pairs.size(), "layer"), changed,
                        m.removed.size(), m.added.size());
  if (!m.same_names()) text += " under other names";
  if (total > 0)
    text += different ? fmt::format("; differences in {} of {}", different, counted(total, "weight"))
                      : fmt::format("; identical in {}", counted(total, "weight"));
  if (!m.meaning.empty()) text += "; inputs or outputs mean something else";
  if (c.picture && c.picture->answers.first >= 0) text += "; their answers part";
  return text;
}

std::string shown_name(const LayerPair& pair) {
  return pair.renamed() ? pair.name_a + " → " + pair.name_b : pair.name_a;
}

std::string changes_text(const LayerPair& pair) {
  std::vector<std::string> parts;
  const auto shown = [](const std::string& value) { return value.empty() ? std::string("none") : printable(value); };
  for (const AttributeDifference& d : pair.attributes)
    parts.push_back(fmt::format("{} {} → {}", d.name, shown(d.a), shown(d.b)));
  if (pair.shape_a != pair.shape_b)
    parts.push_back(fmt::format("output {} → {}", to_string(pair.shape_a), to_string(pair.shape_b)));
  if (pair.inputs_differ) parts.emplace_back("follows other layers");
  return fmt::format("{}", fmt::join(parts, "; "));
}

std::string place_text(const Shape& shape, int64_t at) {
  if (at < 0) return "";
  std::string text;
  for (const int64_t stride : shape.strides()) {
    text += fmt::format("{}{}", text.empty() ? "" : ",", at / stride);
    at %= stride;
  }
  return "[" + text + "]";
}

std::string distance_text(double value) {
  return std::isinf(value) ? "∞" : value == 0 ? "0" : fmt::format("{:.1e}", value);
}

namespace {

std::string code(std::string_view text) { return "<code>" + html_text(text) + "</code>"; }

// Seven decades, 1e-7 to 1, beside the number.
std::string distance_bar(double value) {
  const double share = value > 0 ? std::clamp((std::log10(value) + 7) / 7, 0.02, 1.0) : 0;
  return fmt::format(
      "<span class=\"share\"><i style=\"width:{:.1f}%\"></i></span><span "
      "style=\"display:inline-block;min-width:4.4em\">{}</span>",
      share * 100, distance_text(value));
}

std::string structure_html(const Comparison& c) {
  const ModelDifference& m = c.models;
  std::vector<std::vector<std::string>> rows;
  for (const LayerPair& pair : m.pairs)
    if (pair.changed())
      rows.push_back({"changed", code(shown_name(pair)), html_text(pair.op), html_text(changes_text(pair))});
  for (const LayerAlone& l : m.removed)
    rows.push_back({"only in A", code(l.name), html_text(l.op), "output " + to_string(l.shape)});
  for (const LayerAlone& l : m.added)
    rows.push_back({"only in B", code(l.name), html_text(l.op), "output " + to_string(l.shape)});
  for (const AttributeDifference& d : m.meaning)
    rows.push_back({"meaning", html_text(d.name), "", html_text(d.a + " → " + d.b)});
  if (rows.empty()) return "<p class=\"note\">No layer was removed, added or changed.</p>";
  return "<div class=\"card\">" + html_table({"", "layer", "operator", "difference"}, rows) + "</div>";
}

std::string names_html(const Comparison& c) {
  std::vector<std::vector<std::string>> rows;
  for (const LayerPair& pair : c.models.pairs)
    if (pair.renamed()) rows.push_back({code(pair.name_a), code(pair.name_b), html_text(pair.op)});
  return "<div class=\"card\"><details><summary>" + counted(rows.size(), "layer") + " under other names" +
         "</summary>" + html_table({"in A", "in B", "operator"}, rows) + "</details></div>";
}

std::string weights_html(const Comparison& c) {
  std::vector<std::vector<std::string>> rows;
  size_t equal = 0;
  for (const auto& [pair, w] : c.weights) {
    if (!w->differs()) {
      ++equal;
      continue;
    }
    const std::string name = w->a == w->b || w->b.empty() ? w->a : w->a.empty() ? w->b : w->a + " → " + w->b;
    const std::string shape = w->a.empty()             ? "none → " + to_string(w->type_b)
                              : w->b.empty()           ? to_string(w->type_a) + " → none"
                              : w->type_a == w->type_b ? to_string(w->type_a)
                                                       : to_string(w->type_a) + " → " + to_string(w->type_b);
    if (!w->comparable) {
      rows.push_back({code(name), html_text(shape), "", "", "", ""});
      continue;
    }
    const Distance& d = w->distance;
    rows.push_back({code(name), html_text(shape), distance_bar(d.relative), fmt::format("{:.6f}", d.cosine),
                    distance_text(d.largest), code(place_text(w->type_a.shape, d.at))});
  }
  std::string html;
  if (!rows.empty())
    html = "<div class=\"card\">" +
           html_table({"weight", "shape", ">relative L2", ">cosine", ">largest change", ">at"}, rows) + "</div>";
  return html + fmt::format("<p class=\"note\">Identical, bit for bit: {} of {}.</p>", equal,
                            counted(c.weights.size(), "weight"));
}

std::string activations_html(const Comparison& c) {
  const AnswerDifference& answers = c.picture->answers;
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < answers.layers.size(); ++i) {
    const ActivationDifference& l = answers.layers[i];
    const LayerPair& pair = c.models.pairs[static_cast<size_t>(l.pair)];
    const std::string name =
        code(shown_name(pair)) + (static_cast<int>(i) == answers.first ? " <b>◂ they part</b>" : "");
    if (!l.comparable)
      rows.push_back({name, html_text(pair.op), to_string(pair.shape_a) + " → " + to_string(pair.shape_b), "", "", ""});
    else
      rows.push_back({name, html_text(pair.op), to_string(pair.shape_a), distance_bar(l.distance.relative),
                      fmt::format("{:.6f}", l.distance.cosine), distance_text(l.distance.largest)});
  }
  return "<div class=\"card\">" +
         html_table({"layer", "operator", "output", ">relative L2", ">cosine", ">largest difference"}, rows) + "</div>";
}

std::string guesses_html(const PictureDifference& p, const std::string& name_a, const std::string& name_b) {
  std::string html;
  for (const bool second : {false, true}) {
    const Image& seen = second ? p.seen_b : p.seen_a;
    std::string bars;
    const std::vector<Guess>& guesses = second ? p.guesses_b : p.guesses_a;
    for (size_t i = 0; i < guesses.size(); ++i)
      bars += html_bar(guesses[i].probability, guesses[i].name, fmt::format("{:.2f} %", guesses[i].probability * 100),
                       i == 0);
    html += fmt::format(
        "<div class=\"card split\"><figure>{}<figcaption>what {} receives: {} × {} pixels</figcaption>"
        "</figure><div><h3>{}: {}</h3>{}</div></div>",
        image_tag(seen, "the picture"), html_text(second ? name_b : name_a), seen.width(), seen.height(),
        second ? "B" : "A", html_text(second ? name_b : name_a), bars);
  }
  return html;
}

// The largest relative distance of a weight, as a fact for the top of the page.
std::string largest_change(const Comparison& c) {
  double most = 0;
  for (const auto& [pair, w] : c.weights)
    if (w->comparable) most = std::max(most, w->distance.relative);
  return distance_text(most);
}

}  // namespace

std::string comparison_page(const Comparison& c) {
  const ModelDifference& m = c.models;
  size_t different = 0;
  for (const auto& [pair, w] : c.weights) different += w->differs();
  Page page(c.name_a + " ↔ " + c.name_b, verdict(c) + ".");
  page.add_fact(fmt::format("{}", m.pairs.size()), "layers match");
  page.add_fact(fmt::format("{} / {}", m.removed.size(), m.added.size()), "removed / added");
  page.add_fact(fmt::format("{} of {}", different, c.weights.size()), "weights differ");
  page.add_fact(largest_change(c), "largest relative change");
  if (c.picture)
    page.add_fact(c.picture->agree() ? "the same" : "another", fmt::format("best guess on {}", c.picture->name));
  page.add_section("structure", "Structure", "A is the first network, B the second.", structure_html(c));
  if (!m.same_names()) page.add_section("names", "Names", "", names_html(c));
  if (c.picture) {
    page.add_section("guesses", "Guesses", "", guesses_html(*c.picture, c.name_a, c.name_b));
    const int first = c.picture->answers.first;
    page.add_section(
        "activations", "Activations",
        first < 0 ? fmt::format("What every matched layer answers to the picture. None is further apart than {:g}.",
                                c.tolerance)
                  : fmt::format("What every matched layer answers to the picture. The first that is further apart "
                                "than {:g} is marked.",
                                c.tolerance),
        activations_html(c));
  }
  page.add_section("weights", "Weights",
                   "How far each weight of B is from its partner in A, the furthest first. Bars are logarithmic, from "
                   "one ten-millionth to 1.",
                   weights_html(c));
  page.set_footer(fmt::format("made by fovea {}", html_text(version())));
  return page.html();
}

}  // namespace fovea
