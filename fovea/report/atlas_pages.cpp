#include "fovea/report/atlas_pages.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/resource.h"
#include "fovea/report/page.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

// A page of the atlas; `up` leads from it to the atlas's folder.
std::string shell(const std::string& title, const std::string& up, const std::string& header, const std::string& body,
                  const std::string& script) {
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><link "
      "rel=\"icon\" href=\"data:,\"><title>{}</title>\n<link rel=\"stylesheet\" href=\"{}atlas.css\"></head>\n<body "
      "class=\"atlas\">\n{}\n<main class=\"wrap\">\n{}</main>\n{}</body></html>\n",
      html_text(title), up, header, body, script);
}

std::string picture(const std::string& up, const std::string& file, const std::string& alt, bool lazy) {
  return fmt::format("<img src=\"{}{}\" alt=\"{}\"{}>", up, html_text(file), html_text(alt),
                     lazy ? " loading=\"lazy\"" : "");
}

// One tile of a unit's plate, by its style alone: the whole plate is one file.
std::string tile(const std::string& up, const AtlasUnit& u, size_t column, size_t row) {
  const size_t columns = u.patches.size(), rows = u.projected ? 2 : 1;
  const auto place = [](size_t i, size_t count) {
    return count > 1 ? 100.0 * static_cast<double>(i) / static_cast<double>(count - 1) : 0.0;
  };
  return fmt::format(
      "<i class=\"tile\" style=\"background-image:url('{}{}');background-size:{}% {}%;background-position:{:.4f}% "
      "{:.4f}%\"></i>",
      up, html_text(u.plate), 100 * columns, 100 * rows, place(column, columns), place(row, rows));
}

// What stands for a unit: its filter, the picture made for it, or what excites it most.
std::string face(const std::string& up, const AtlasUnit& u, bool lazy) {
  if (!u.filter.empty()) return picture(up, u.filter, "", lazy);
  if (!u.maximum.empty()) return picture(up, u.maximum, "", lazy);
  return u.plate.empty() || u.patches.empty() ? "<i></i>" : tile(up, u, 0, 0);
}

std::string unit_title(const AtlasLayer& layer, const AtlasUnit& u) {
  return u.name.empty() ? fmt::format("{} : {}", layer.name, u.unit)
                        : fmt::format("{} : {} ({})", layer.name, u.unit, u.name);
}

// Never answered to any picture that it was shown.
bool silent(const AtlasLayer& layer, const AtlasUnit& u) { return layer.pictures > 0 && u.active == 0; }

std::string layer_section(const AtlasLayer& layer) {
  std::string tiles;
  for (const AtlasUnit& u : layer.units)
    tiles += fmt::format("<a class=\"unit{}\" href=\"{}\" title=\"{}\">{}<span>{}</span></a>",
                         silent(layer, u) ? " silent" : "", unit_path(layer, u.unit), html_text(unit_title(layer, u)),
                         face("", u, true), u.name.empty() ? std::to_string(u.unit) : html_text(u.name));
  const auto dead =
      std::count_if(layer.units.begin(), layer.units.end(), [&](const AtlasUnit& u) { return silent(layer, u); });
  std::string intro = layer.description;
  if (dead > 0) intro += fmt::format("; {} of its units gave nothing to any picture", dead);
  return fmt::format("<section id=\"{}\"><h2>{}</h2><p class=\"intro\">{}</p><div class=\"units\">{}</div></section>\n",
                     layer.slug, html_text(layer.name), html_text(intro), tiles);
}

// "#conv1:7" → the unit's page, at the start and whenever the address changes.
std::string index_script(const Atlas& atlas) {
  nlohmann::ordered_json names = nlohmann::ordered_json::object();
  for (const AtlasLayer& layer : atlas.layers) names[layer.slug] = layer.units.size();
  for (const AtlasLayer& layer : atlas.layers) {
    if (!names.contains(layer.name)) names[layer.name] = layer.slug;
    for (const std::string& name : layer.also)
      if (!names.contains(name)) names[name] = layer.slug;
  }
  std::string known = names.dump(-1, ' ', true, nlohmann::ordered_json::error_handler_t::replace);
  for (size_t at = 0; (at = known.find('<', at)) != known.npos; at += 6) known.replace(at, 1, "\\u003c");
  return fmt::format("<script>\nconst layers = {};\n{}</script>\n", known, resource("report/atlas.js"));
}

std::string figure(const std::string& body, const std::string& caption) {
  return "<figure>" + body + "<figcaption>" + caption + "</figcaption></figure>";
}

std::string patches_html(const AtlasUnit& u, const std::string& up) {
  if (u.patches.empty() || u.plate.empty()) return "";
  std::string tiles;
  for (size_t k = 0; k < u.patches.size(); ++k) {
    const AtlasPatch& p = u.patches[k];
    tiles += "<figure class=\"patch\" title=\"" + html_text(p.name) + "\">" + tile(up, u, k, 0) +
             (u.projected ? tile(up, u, k, 1) : "") +
             fmt::format("<figcaption>{} <b>{}</b></figcaption></figure>",
                         html_text(p.label.empty() ? p.name : p.label), short_number(p.score));
  }
  return "<section><h2>What excites it most</h2><p class=\"intro\">The pictures with its strongest answers, each cut "
         "to what the unit sees of it" +
         std::string(u.projected ? ", and below, its answer brought back to pixels by the deconvnet" : "") +
         fmt::format(".</p><div class=\"patches\" style=\"--count:{}\">", u.patches.size()) + tiles +
         "</div></section>\n";
}

std::string class_bars(const std::vector<AtlasClass>& classes, double most, const std::string& heading) {
  if (classes.empty()) return "";
  std::string bars;
  for (const AtlasClass& c : classes)
    bars += html_bar(most > 0 ? std::abs(c.share) / most : 0, c.name, fmt::format("{:+.3g}", c.share));
  return "<div><h3>" + heading + "</h3>" + bars + "</div>";
}

std::string classes_html(const AtlasUnit& u) {
  double most = 0;
  for (const auto* list : {&u.classes_for, &u.against})
    for (const AtlasClass& c : *list) most = std::max(most, std::abs(c.share));
  if (most == 0) return "";
  return "<section><h2>Classes that use it</h2><p class=\"intro\">Its share in the score of a class, to first order "
         "(answer times gradient), averaged over the pictures that the network takes for that class.</p><div "
         "class=\"card two\">" +
         class_bars(u.classes_for, most, "for") + class_bars(u.against, most, "against") + "</div></section>\n";
}

std::string statistics_html(const AtlasLayer& layer, const AtlasUnit& u) {
  if (layer.pictures == 0) return "";
  return fmt::format(
      "<dl class=\"facts\"><div><dd>{:.1f} %</dd><dt>of {} pictures excite it</dt></div><div><dd>{}</dd><dt>its "
      "greatest answer</dt></div><div><dd>{}</dd><dt>mean of its greatest answers to each</dt></div></dl>",
      100 * u.active, layer.pictures, u.patches.empty() ? "none" : short_number(u.patches[0].score),
      short_number(u.mean));
}

std::string inputs_html(const Atlas& atlas, const AtlasUnit& u, const std::string& up) {
  if (u.inputs.empty()) return "";
  std::string tiles;
  for (const AtlasLink& link : u.inputs) {
    const auto layer = std::find_if(atlas.layers.begin(), atlas.layers.end(),
                                    [&](const AtlasLayer& l) { return l.slug == link.layer; });
    if (layer == atlas.layers.end() || link.unit >= static_cast<int64_t>(layer->units.size())) continue;
    tiles += fmt::format("<a class=\"unit\" href=\"{}{}\">{}<span>{}:{} <b>{:+.2g}</b></span></a>", up,
                         unit_path(*layer, link.unit), face(up, layer->units[static_cast<size_t>(link.unit)], false),
                         html_text(layer->name), link.unit, link.weight);
  }
  if (tiles.empty()) return "";
  return "<section><h2>What it is made from</h2><p class=\"intro\">The units before it to whose answers its weights "
         "are largest; the number is the sum of those weights: above 0 they excite it, below they inhibit it.</p><div "
         "class=\"units\">" +
         tiles + "</div></section>\n";
}

std::string unit_header(const Atlas& atlas, const AtlasLayer& layer, size_t unit, const std::string& up) {
  const AtlasUnit& u = layer.units[unit];
  const auto neighbour = [&](size_t other, const char* text, const char* key) {
    return other < layer.units.size() ? fmt::format("<a data-key=\"{}\" href=\"{}{}\">{}</a>", key, up,
                                                    unit_path(layer, layer.units[other].unit), text)
                                      : fmt::format("<span>{}</span>", text);
  };
  return fmt::format(
      "<header><div class=\"wrap\"><p class=\"brand\">fovea</p><h1>{}</h1><p class=\"subtitle\"><a "
      "href=\"{}index.html\">{}</a> › <a href=\"{}index.html#{}\">{}</a>, unit {} of {}</p><p "
      "class=\"turn\">{} {}</p>{}</div></header>",
      html_text(unit_title(layer, u)), up, html_text(atlas.title), up, layer.slug, html_text(layer.name), unit + 1,
      layer.units.size(), neighbour(unit - 1, "‹ previous", "ArrowLeft"), neighbour(unit + 1, "next ›", "ArrowRight"),
      statistics_html(layer, u));
}

}  // namespace

std::string unit_path(const AtlasLayer& layer, int64_t unit) {
  return fmt::format("units/{}/{}.html", layer.slug, unit);
}

std::string atlas_index_page(const Atlas& atlas) {
  std::string facts, links, body;
  for (const auto& [value, what] : atlas.facts)
    facts += fmt::format("<div><dd>{}</dd><dt>{}</dt></div>", html_text(value), html_text(what));
  for (const AtlasLayer& layer : atlas.layers) {
    links += fmt::format("<a href=\"#{}\">{}</a>", layer.slug, html_text(layer.name));
    body += layer_section(layer);
  }
  const std::string header = fmt::format(
      "<header><div class=\"wrap\"><p class=\"brand\">fovea</p><h1>{}</h1><p class=\"subtitle\">{}</p><dl "
      "class=\"facts\">{}</dl></div></header>\n<nav><div class=\"wrap\">{}</div></nav>",
      html_text(atlas.title), html_text(atlas.subtitle), facts, links);
  return shell(atlas.title + ": atlas", "", header, body, index_script(atlas));
}

std::string atlas_unit_page(const Atlas& atlas, size_t layer_index, size_t unit) {
  const AtlasLayer& layer = atlas.layers.at(layer_index);
  const AtlasUnit& u = layer.units.at(unit);
  const std::string up = "../../";
  std::string pictures;
  if (!u.maximum.empty())
    pictures += figure(picture(up, u.maximum, "the picture that excites it most", false),
                       fmt::format("made to excite it: {}{}", short_number(u.maximum_value),
                                   layer.class_scores ? "" : " (mean over its positions)"));
  if (!u.filter.empty()) pictures += figure(picture(up, u.filter, "its weights", false), "its weights");
  std::string body;
  if (!pictures.empty()) body += "<section class=\"portrait\">" + pictures + "</section>\n";
  body += patches_html(u, up);
  if (!body.empty()) body = "<div class=\"lead\">" + body + "</div>\n";
  body += classes_html(u) + inputs_html(atlas, u, up);
  if (body.empty()) body = "<p class=\"note\">Nothing is known of this unit without pictures.</p>";
  return shell(unit_title(layer, u), up, unit_header(atlas, layer, unit, up), body,
               fmt::format("<script>\n{}</script>\n", resource("report/atlas_unit.js")));
}

std::string atlas_style() {
  return std::string(resource("report/page.css")) + std::string(resource("report/atlas.css"));
}

}  // namespace fovea
