#include "fovea/report/picture_page.h"

#include <fmt/format.h>

#include "fovea/base/resource.h"
#include "fovea/report/page.h"

namespace fovea {

namespace {

// Equal shapes up to rounding lie on each other.
bool same_shape(const Image& a, const Image& b) {
  if (a.empty() || b.empty()) return false;
  const double ratio = static_cast<double>(a.width()) * b.height() / (static_cast<double>(a.height()) * b.width());
  return ratio > 0.98 && ratio < 1.02;
}

std::string picture_html(const PicturePage& run) {
  std::string html;
  if (same_shape(run.before, run.after)) {
    html = "<div class=\"card\">" + slider_html(run.before, run.before_name, run.after, run.after_name) + "</div>";
  } else {
    html = fmt::format("<div class=\"card\"><figure>{}<figcaption>{}</figcaption></figure></div>",
                       image_tag(run.after, run.after_name), html_text(run.after_name));
    if (!run.before.empty())
      html += fmt::format("<div class=\"card\"><figure>{}<figcaption>{}</figcaption></figure></div>",
                          image_tag(run.before, run.before_name), html_text(run.before_name));
  }
  if (run.sources.empty()) return html;
  html += "<div class=\"card four\">";
  for (const auto& [image, name] : run.sources)
    html += fmt::format("<figure>{}<figcaption>{}</figcaption></figure>", image_tag(image, name), html_text(name));
  return html + "</div>";
}

std::string settings_html(const PicturePage& run) {
  std::string rows;
  for (const auto& [name, value] : run.settings)
    rows += fmt::format("<tr><td>{}</td><td>{}</td></tr>", html_text(name), html_text(value));
  return fmt::format("<div class=\"card\"><table class=\"settings\">{}</table></div>", rows);
}

}  // namespace

std::string slider_html(const Image& before, const std::string& before_name, const Image& after,
                        const std::string& after_name) {
  return fmt::format(
      "<style>\n{}</style><div class=\"compare\">{}{}<input type=\"range\" min=\"0\" max=\"100\" value=\"50\" "
      "step=\"0.1\" aria-label=\"how much of the picture is shown as before\" "
      "oninput=\"this.parentNode.style.setProperty('--at', this.value + '%')\"><div class=\"edge\"></div>"
      "<span class=\"tag left\">{}</span><span class=\"tag right\">{}</span></div>",
      resource("report/picture_page.css"), image_tag(before, before_name, "before"),
      image_tag(after, after_name, "after"), html_text(before_name), html_text(after_name));
}

std::string picture_page(const PicturePage& run) {
  Page page(run.title, run.subtitle);
  for (const auto& [value, what] : run.facts) page.add_fact(value, what);
  page.add_section("picture", "The picture", "", picture_html(run));
  std::string charts;
  for (const Chart& chart : run.charts) charts += draw_chart(chart);
  if (!charts.empty())
    page.add_section("curves", "How it went", run.charts_intro, "<div class=\"charts\">" + charts + "</div>");
  if (!run.settings.empty()) page.add_section("settings", "Settings", "", settings_html(run));
  if (!run.command.empty())
    page.add_section("again", "Once more",
                     "The same command gives the same bytes; the picture's PNG holds it, and fovea again follows it.",
                     fmt::format("<div class=\"card\"><pre class=\"command\">{}</pre></div>", html_text(run.command)));
  page.set_footer(run.footer);
  return page.html();
}

}  // namespace fovea
