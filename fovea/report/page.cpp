#include "fovea/report/page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/resource.h"
#include "fovea/image/codec.h"
#include "fovea/report/table.h"

namespace fovea {

std::string html_text(std::string_view text) {
  std::string result;
  for (const char c : printable(text)) {
    switch (c) {
      case '&': result += "&amp;"; break;
      case '<': result += "&lt;"; break;
      case '>': result += "&gt;"; break;
      case '"': result += "&quot;"; break;
      case '\'': result += "&#39;"; break;
      default: result += c;
    }
  }
  return result;
}

namespace {
std::string base64(const std::vector<std::byte>& bytes) {
  static constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string text;
  text.reserve((bytes.size() + 2) / 3 * 4);
  for (size_t i = 0; i < bytes.size(); i += 3) {
    uint32_t word = 0;
    for (size_t k = 0; k < 3; ++k) word = word << 8 | (i + k < bytes.size() ? static_cast<uint32_t>(bytes[i + k]) : 0u);
    for (size_t k = 0; k < 4; ++k) text += i + k <= bytes.size() ? kAlphabet[word >> (18 - 6 * k) & 63] : '=';
  }
  return text;
}
}  // namespace

std::string data_uri(std::string_view type, const std::vector<std::byte>& bytes) {
  return fmt::format("data:{};base64,{}", type, base64(bytes));
}

std::string data_uri(const Image& image) { return data_uri("image/png", encode_png(image)); }

std::string image_tag(const Image& image, std::string_view alt, std::string_view classes) {
  return fmt::format("<img class=\"{}\" src=\"{}\" width=\"{}\" height=\"{}\" alt=\"{}\">", classes, data_uri(image),
                     image.width(), image.height(), html_text(alt));
}

std::string html_table(const std::vector<std::string>& titles, const std::vector<std::vector<std::string>>& rows) {
  std::string html = "<div class=\"scroll\"><table><thead><tr>";
  for (const std::string& t : titles) {
    const bool number = t.starts_with(">");
    html += fmt::format("<th{}>{}</th>", number ? " class=\"number\"" : "", html_text(number ? t.substr(1) : t));
  }
  html += "</tr></thead><tbody>";
  for (const auto& row : rows) {
    html += "<tr>";
    for (size_t c = 0; c < row.size(); ++c)
      html += fmt::format("<td{}>{}</td>", c < titles.size() && titles[c].starts_with(">") ? " class=\"number\"" : "",
                          row[c]);
    html += "</tr>";
  }
  return html + "</tbody></table></div>";
}

std::string html_bar(double share, std::string_view label, std::string_view number, bool strong) {
  const double clipped = std::isfinite(share) ? std::clamp(share, 0.0, 1.0) : 0;
  return fmt::format(
      "<div class=\"bar{}\"><div class=\"bar-name\">{}</div><div class=\"bar-track\"><div class=\"bar-fill\" "
      "style=\"width:{:.2f}%\"></div></div>"
      "<div class=\"bar-number\">{}</div></div>",
      strong ? " strong" : "", html_text(label), clipped * 100, html_text(number));
}

std::string html_histogram(const std::vector<int64_t>& bins, double low, double high) {
  const int64_t most = bins.empty() ? 0 : *std::max_element(bins.begin(), bins.end());
  if (most == 0) return "";
  constexpr double kWidth = 128, kHeight = 26;
  std::string path = fmt::format("M0,{}", kHeight);
  const double step = kWidth / static_cast<double>(bins.size());
  for (size_t i = 0; i < bins.size(); ++i) {
    const double y = kHeight - std::sqrt(static_cast<double>(bins[i]) / static_cast<double>(most)) * (kHeight - 2);
    path += fmt::format("L{:.1f},{:.1f}L{:.1f},{:.1f}", static_cast<double>(i) * step, y,
                        static_cast<double>(i + 1) * step, y);
  }
  path += fmt::format("L{},{}Z", kWidth, kHeight);
  std::string zero;
  if (low < 0 && high > 0) {
    const double x = -low / (high - low) * kWidth;
    zero = fmt::format("<line class=\"zero\" x1=\"{0:.1f}\" x2=\"{0:.1f}\" y1=\"0\" y2=\"{1}\"/>", x, kHeight);
  }
  return fmt::format(
      "<svg class=\"histogram\" viewBox=\"0 0 {0} {1}\" width=\"{0}\" height=\"{1}\" role=\"img\" "
      "aria-label=\"histogram\"><path d=\"{2}\"/>{3}</svg>",
      kWidth, kHeight, path, zero);
}

void Page::add_section(std::string id, std::string heading, std::string intro, std::string body) {
  sections_.push_back({std::move(id), std::move(heading), std::move(intro), std::move(body)});
}

std::string Page::html() const {
  std::string html = fmt::format(
      "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"viewport\" "
      "content=\"width=device-width,initial-scale=1\">"
      "<meta name=\"color-scheme\" content=\"light dark\"><link rel=\"icon\" "
      "href=\"data:,\"><title>{}</title>\n<style>\n{}</style></head>\n<body>\n",
      html_text(title_), resource("report/page.css"));
  html += fmt::format("<header><div class=\"wrap\"><p class=\"brand\">fovea</p><h1>{}</h1><p class=\"subtitle\">{}</p>",
                      html_text(title_), html_text(subtitle_));
  if (!facts_.empty()) {
    html += "<dl class=\"facts\">";
    for (const auto& [value, what] : facts_)
      html += fmt::format("<div><dd>{}</dd><dt>{}</dt></div>", html_text(value), html_text(what));
    html += "</dl>";
  }
  html += "</div></header>\n<nav><div class=\"wrap\">";
  for (const Section& s : sections_) html += fmt::format("<a href=\"#{}\">{}</a>", s.id, html_text(s.heading));
  html += "</div></nav>\n<main class=\"wrap\">\n";
  for (const Section& s : sections_) {
    html += fmt::format("<section id=\"{}\"><h2>{}</h2>", s.id, html_text(s.heading));
    if (!s.intro.empty()) html += fmt::format("<p class=\"intro\">{}</p>", html_text(s.intro));
    html += s.body + "</section>\n";
  }
  html += fmt::format("</main>\n<footer><div class=\"wrap\">{}</div></footer>\n<script>\n{}</script>\n</body></html>\n",
                      html_text(footer_), resource("report/page.js"));
  return html;
}

}  // namespace fovea
