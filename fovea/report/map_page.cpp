#include "fovea/report/map_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "fovea/base/error.h"
#include "fovea/base/parallel.h"
#include "fovea/base/resource.h"
#include "fovea/image/codec.h"
#include "fovea/image/draw.h"
#include "fovea/image/resize.h"
#include "fovea/report/figure.h"
#include "fovea/report/page.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

using Json = nlohmann::ordered_json;

constexpr int kAtlas = 4096;  // pixels of the atlas's side, at most: what every browser can draw
constexpr int kLargestTile = 96;

// Into a square, centred, without distortion.
void place(Image& canvas, const Image& picture, int x, int y, int side) {
  const int longest = std::max(picture.width(), picture.height());
  const int width = std::max(1, picture.width() * side / longest),
            height = std::max(1, picture.height() * side / longest);
  const Image fitted = width == picture.width() && height == picture.height()
                           ? picture
                           : resize(picture.to_8bit(), width, height, Filter::lanczos);
  draw_image(canvas, fitted, x + (side - width) / 2, y + (side - height) / 2);
}

struct Atlas {
  Image image;
  int side = 0, columns = 0;
};

// Tiles are multiples of 8 pixels where they can be, so that JPEG's blocks do not cross their edges.
Atlas atlas_of(const MapView& view) {
  const auto count = static_cast<int>(view.picture.size());
  Atlas atlas;
  atlas.columns = static_cast<int>(std::ceil(std::sqrt(static_cast<double>(count))));
  int largest = 1;
  for (const Image& picture : view.picture) largest = std::max({largest, picture.width(), picture.height()});
  const int wanted = std::min((largest + 7) / 8 * 8, kLargestTile), room = kAtlas / atlas.columns;
  atlas.side = wanted <= room ? wanted : room >= 8 ? room / 8 * 8 : room;
  require(atlas.side >= 2, ErrorKind::usage, "a page of {} pictures is too large; make a plate (--png) of a sample",
          count);
  const int rows = (count + atlas.columns - 1) / atlas.columns;
  atlas.image = blank(atlas.columns * atlas.side, rows * atlas.side, {0x80, 0x80, 0x80});
  parallel_for(rows, 1, [&](int64_t row) {
    for (int64_t i = row * atlas.columns; i < std::min<int64_t>(count, (row + 1) * atlas.columns); ++i)
      place(atlas.image, view.picture[static_cast<size_t>(i)], static_cast<int>(i % atlas.columns) * atlas.side,
            static_cast<int>(row) * atlas.side, atlas.side);
  });
  return atlas;
}

Rgb hue_colour(double turn) {  // lightness and chroma that stay readable on white and on black
  const double h = (turn - std::floor(turn)) * 6;
  const auto channel = [&](double shift) {
    const double k = std::fmod(h + shift, 6.0);
    const double v = std::clamp(std::min(k, 4 - k), 0.0, 1.0);
    return static_cast<uint8_t>(std::lround(70 + 150 * v));
  };
  return {channel(2), channel(0), channel(4)};
}

std::string hex(Rgb c) { return fmt::format("#{:02x}{:02x}{:02x}", c.r, c.g, c.b); }

std::string class_text(const MapView& view, int64_t label) {
  if (label < static_cast<int64_t>(view.classes.size())) {
    const std::string& name = view.classes[static_cast<size_t>(label)];
    return printable(name.substr(0, name.find(',')));
  }
  return fmt::format("class {}", label);
}

int64_t class_count(const MapView& view) {
  return view.label.empty() ? 0 : std::max<int64_t>(0, *std::max_element(view.label.begin(), view.label.end()) + 1);
}

Json data_json(const MapView& view, const Atlas* atlas) {
  Json json;
  // Coordinates as whole numbers of a square of 2^16: small, and finer than any screen.
  const auto [left, right] = std::minmax_element(view.x.begin(), view.x.end());
  const auto [top, bottom] = std::minmax_element(view.y.begin(), view.y.end());
  const float span = std::max({*right - *left, *bottom - *top, 1e-6f});
  Json xs = Json::array(), ys = Json::array();
  for (size_t i = 0; i < view.x.size(); ++i) {
    xs.push_back(std::lround((view.x[i] - *left) / span * 65536));
    ys.push_back(std::lround((*bottom - view.y[i]) / span * 65536));  // up is up
  }
  json["x"] = xs;
  json["y"] = ys;
  json["label"] = view.label;
  Json names = Json::array();
  for (const std::string& name : view.name) names.push_back(printable(name));
  json["name"] = names;
  const std::vector<Rgb> colours = map_colours(view);
  Json classes = Json::array();
  for (int64_t label = 0; label < class_count(view); ++label)
    classes.push_back({{"name", class_text(view, label)}, {"colour", hex(colours[static_cast<size_t>(label)])}});
  json["classes"] = classes;
  if (!view.placed.empty()) {
    Json placed = Json::array();
    for (const bool p : view.placed) placed.push_back(p ? 1 : 0);
    json["placed"] = placed;
  }
  if (atlas) json["atlas"] = {{"side", atlas->side}, {"columns", atlas->columns}};
  return json;
}

// How KL fell, as a small drawing: from the least to the greatest value, over all iterations.
std::string fall_of_divergence(const std::vector<std::pair<int64_t, double>>& history) {
  if (history.size() < 2) return "";
  constexpr double kWidth = 220, kHeight = 40, kRim = 3;
  double least = history[0].second, most = least;
  for (const auto& [iteration, kl] : history) least = std::min(least, kl), most = std::max(most, kl);
  const auto last = static_cast<double>(std::max<int64_t>(1, history.back().first));
  const auto x = [&](int64_t iteration) { return kRim + static_cast<double>(iteration) / last * (kWidth - 2 * kRim); };
  const auto y = [&](double kl) { return kRim + (most - kl) / std::max(most - least, 1e-12) * (kHeight - 2 * kRim); };
  std::string points;
  for (const auto& [iteration, kl] : history) points += fmt::format("{:.1f},{:.1f} ", x(iteration), y(kl));
  return fmt::format(
      "<figure class=\"fall\"><svg viewBox=\"0 0 {} {}\" role=\"img\" aria-label=\"KL divergence by "
      "iteration\"><polyline "
      "points=\"{}\"/><circle cx=\"{:.1f}\" cy=\"{:.1f}\" r=\"2.5\"/></svg><figcaption>KL {:.2f} after {} iterations, "
      "{:.2f} after {}</figcaption></figure>",
      kWidth, kHeight, points, x(history.back().first), y(history.back().second), history.front().second,
      history.front().first, history.back().second, history.back().first);
}

}  // namespace

std::vector<Rgb> map_colours(const MapView& view) {
  const int64_t count = class_count(view);
  std::vector<Rgb> colours;
  for (int64_t label = 0; label < count; ++label)
    colours.push_back(label < static_cast<int64_t>(kClassColours)
                          ? class_colour(label)
                          : hue_colour(static_cast<double>(label) * 0.6180339887498949));
  return colours;
}

std::string map_page(const MapView& view) {
  std::string image;
  Json data;
  if (!view.picture.empty()) {
    const Atlas atlas = atlas_of(view);
    data = data_json(view, &atlas);
    image = data_uri("image/jpeg", encode_jpeg(atlas.image, 90));
  } else {
    data = data_json(view, nullptr);
  }
  std::string facts;
  for (const auto& [what, value] : view.facts)
    facts += fmt::format("<div><dt>{}</dt><dd>{}</dd></div>", html_text(what), html_text(value));
  // "</" cannot stand in a script.
  std::string json = data.dump(-1, ' ', false, Json::error_handler_t::replace);
  for (size_t at = 0; (at = json.find("</", at)) != std::string::npos; at += 3) json.replace(at, 2, "<\\/");
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\"><meta name=\"color-scheme\" content=\"light dark\"><link "
      "rel=\"icon\" href=\"data:,\"><title>{0}</title>\n<style>\n{1}</style></head>\n<body>\n"
      "<canvas id=\"map\" tabindex=\"0\" aria-label=\"the map\"></canvas>\n"
      "<header><p class=\"brand\">fovea</p><h1>{0}</h1><p class=\"subtitle\">{2}</p><dl>{3}</dl>{7}</header>\n"
      "<aside id=\"side\"><input id=\"find\" type=\"search\" placeholder=\"find a name\" aria-label=\"find a name\">"
      "<label class=\"slider\">size <input id=\"size\" type=\"range\" min=\"-30\" max=\"30\" value=\"0\"></label>"
      "<div id=\"legend\"></div></aside>\n"
      "<div id=\"tools\"><button data-act=\"in\" title=\"closer\">+</button><button data-act=\"out\" "
      "title=\"farther\">−</button><button data-act=\"all\" title=\"all of it\">⤢</button></div>\n"
      "<div id=\"card\" hidden><canvas></canvas><p class=\"class\"></p><p class=\"name\"></p></div>\n"
      "<img id=\"atlas\" alt=\"\" hidden src=\"{4}\">\n"
      "<script id=\"data\" type=\"application/json\">{5}</script>\n<script>\n{6}</script>\n</body></html>\n",
      html_text(view.title), resource("report/map.css"), html_text(view.subtitle), facts,
      image.empty() ? "data:," : image, json, resource("report/map.js"), fall_of_divergence(view.history));
}

}  // namespace fovea
