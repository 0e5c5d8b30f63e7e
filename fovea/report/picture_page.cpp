#include "fovea/report/picture_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/resource.h"
#include "fovea/image/codec.h"
#include "fovea/image/resize.h"
#include "fovea/report/page.h"

namespace fovea {

namespace {

// Equal shapes up to rounding lie on each other.
bool same_shape(const Image& a, const Image& b) {
  if (a.empty() || b.empty()) return false;
  const double ratio = static_cast<double>(a.width()) * b.height() / (static_cast<double>(a.height()) * b.width());
  return ratio > 0.98 && ratio < 1.02;
}

Image small(const Image& image) {
  const Image plain = image.to_8bit().to_rgb();
  const int longer = std::max(plain.width(), plain.height());
  if (longer <= kPagePicture) return plain;
  const double scale = static_cast<double>(kPagePicture) / longer;
  const auto side = [&](int n) { return std::max(1, static_cast<int>(std::lround(n * scale))); };
  return resize(plain, side(plain.width()), side(plain.height()), Filter::lanczos);
}

// Small pictures are shown enlarged, none higher than a screen.
double shown_width(const Image& image) {
  constexpr double kLeast = 560, kMost = 1100, kHighest = 680;
  const double ratio = static_cast<double>(image.width()) / image.height();
  return std::min(std::clamp(static_cast<double>(image.width()), kLeast, kMost), kHighest * ratio);
}

std::string figure_html(const Image& image, const std::string& name, double width) {
  return fmt::format("<figure style=\"width:{:.0f}px\">{}<figcaption>{}</figcaption></figure>", width,
                     picture_tag(image, name), html_text(name));
}

// In one scale, so that a texture's grains can be compared; side by side where there is room.
std::string beside_html(const PicturePage& page) {
  std::vector<std::pair<const Image*, const std::string*>> all;
  if (!page.before.empty()) all.emplace_back(&page.before, &page.before_name);
  all.emplace_back(&page.after, &page.after_name);
  for (const auto& [image, name] : page.sources) all.emplace_back(&image, &name);
  constexpr double kRoom = 1120, kMost = 2.5;
  double width = 0;
  for (const auto& [image, name] : all) width += image->width();
  const double scale = std::min(kMost, (kRoom - 18 * static_cast<double>(all.size() - 1)) / width);
  std::string html;
  for (const auto& [image, name] : all) html += figure_html(*image, *name, image->width() * scale);
  return "<div class=\"card beside\">" + html + "</div>";
}

std::string picture_html(const PicturePage& page) {
  if (page.layout == PictureLayout::beside) return beside_html(page);
  std::string html;
  if (same_shape(page.before, page.after)) {
    html = "<div class=\"card\">" + slider_html(page.before, page.before_name, page.after, page.after_name) + "</div>";
  } else {
    html = "<div class=\"card\">" + figure_html(page.after, page.after_name, shown_width(page.after)) + "</div>";
    if (!page.before.empty())
      html += "<div class=\"card\">" + figure_html(page.before, page.before_name, shown_width(page.before)) + "</div>";
  }
  if (page.sources.empty()) return html;
  html += "<div class=\"card sources\">";
  // Equally high.
  for (const auto& [image, name] : page.sources)
    html += figure_html(image, name, 210.0 * image.width() / image.height());
  return html + "</div>";
}

std::string tables_html(const PicturePage& page) {
  std::string html;
  for (const PageTable& table : page.tables) {
    std::vector<std::vector<std::string>> rows;
    for (const auto& row : table.rows) {
      rows.emplace_back();
      for (const std::string& cell : row) rows.back().push_back(html_text(cell));
    }
    html += fmt::format("<div class=\"card\"><h3>{}</h3>{}</div>", html_text(table.heading),
                        html_table(table.titles, rows));
  }
  return html;
}

std::string settings_html(const PicturePage& page) {
  std::string rows;
  for (const auto& [name, value] : page.settings)
    rows += fmt::format("<tr><td>{}</td><td>{}</td></tr>", html_text(name), html_text(value));
  return fmt::format("<div class=\"card\"><table class=\"settings\">{}</table></div>", rows);
}

// A line to be typed, with a button that the page's script brings to life.
std::string command_html(const std::string& line) {
  return fmt::format("<div class=\"command\"><pre>{}</pre></div>", html_text(line));
}

}  // namespace

std::string picture_tag(const Image& image, std::string_view alt, std::string_view classes) {
  const Image shown = small(image);
  std::vector<std::byte> bytes = encode_png(shown);
  std::string_view type = "image/png";
  if (std::vector<std::byte> jpeg = encode_jpeg(shown, 90); jpeg.size() * 3 < bytes.size() * 2) {
    bytes = std::move(jpeg);
    type = "image/jpeg";
  }
  return fmt::format("<img class=\"{}\" src=\"{}\" width=\"{}\" height=\"{}\" alt=\"{}\">", classes,
                     data_uri(type, bytes), shown.width(), shown.height(), html_text(alt));
}

std::string slider_html(const Image& before, const std::string& before_name, const Image& after,
                        const std::string& after_name) {
  return fmt::format(
      "<style>\n{}</style><div class=\"compare\" style=\"max-width:{:.0f}px\">{}{}<input type=\"range\" min=\"0\" "
      "max=\"100\" value=\"50\" step=\"0.1\" aria-label=\"how much of the picture is shown as before\" "
      "oninput=\"this.parentNode.style.setProperty('--at', this.value + '%')\"><div class=\"edge\"></div>"
      "<span class=\"tag left\">{}</span><span class=\"tag right\">{}</span></div>",
      resource("report/picture_page.css"), shown_width(after), picture_tag(before, before_name, "before"),
      picture_tag(after, after_name, "after"), html_text(before_name), html_text(after_name));
}

std::string picture_page(const PicturePage& run) {
  Page page(run.title, run.subtitle);
  for (const auto& [value, what] : run.facts) page.add_fact(value, what);
  std::string notice;
  if (!run.notice.empty())
    notice = fmt::format("<div class=\"card notice\"><p>{}</p>{}</div>", html_text(run.notice),
                         run.notice_command.empty() ? "" : command_html(run.notice_command));
  page.add_section(
      "picture", "The picture", "",
      fmt::format("<style>\n{}</style>", resource("report/picture_page.css")) + notice + picture_html(run));
  std::string charts;
  for (const Chart& chart : run.charts) charts += draw_chart(chart);
  if (!charts.empty()) charts = "<div class=\"charts\">" + charts + "</div>";
  charts += tables_html(run);
  if (!charts.empty()) page.add_section("curves", "How it went", run.charts_intro, charts);
  if (!run.settings.empty()) page.add_section("settings", "Settings", "", settings_html(run));
  if (!run.command.empty())
    page.add_section("again", "Once more",
                     "The same command gives the same bytes; the picture's PNG holds it, and fovea again follows it.",
                     "<div class=\"card\">" + command_html(run.command) + "</div>");
  page.set_footer(run.footer);
  return page.html();
}

}  // namespace fovea
