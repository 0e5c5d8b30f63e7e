#include "fovea/commands/demo_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "fovea/commands/doctor.h"
#include "fovea/insight/filters.h"
#include "fovea/report/figure.h"
#include "fovea/report/page.h"
#include "fovea/report/picture_page.h"

namespace fovea {

namespace {

// The filters in rows, each pixel as many pixels as make the grid about as wide as the picture beside it.
std::string filters_html(const Model& model) {
  const auto first = first_layer(model);
  if (!first) return "";
  const std::vector<Image> filters = filter_images(*first, model.meaning.preprocess->colour);
  const int columns = static_cast<int>(std::min<size_t>(filters.size(), filters.size() <= 16 ? 8 : 16));
  return fmt::format(
      "<figure>{}<figcaption>what its first layer looks for: {} filters of {} × {}</figcaption></figure>",
      image_tag(image_grid(filters, columns, std::max(1, 30 / filters[0].width()), 4), "filters", "pixels"),
      filters.size(), filters[0].width(), filters[0].height());
}

std::string entry_html(const DemoEntry& entry) {
  std::string bars;
  for (size_t i = 0; i < entry.guesses.size(); ++i)
    bars += html_bar(entry.guesses[i].probability, entry.guesses[i].name,
                     fmt::format("{:.1f} %", entry.guesses[i].probability * 100), i == 0);
  const std::string link = html_text(entry.folder) + "/index.html";
  return fmt::format(
      "<div class=\"card split\"><figure>{}<figcaption>{}</figcaption></figure><div>{}{}<p><a href=\"{}\">look inside: "
      "its layers, what each unit answers to, where it looks</a></p></div></div>",
      image_tag(entry.picture, entry.picture_name), html_text(entry.picture_name), bars, filters_html(entry.model),
      link);
}

}  // namespace

std::string demo_page(const std::vector<DemoEntry>& entries, const std::vector<DemoPicture>& pictures) {
  Page page(
      "Networks from inside",
      "Each was trained on thousands of pictures and now sees one that it has never seen. Nothing was downloaded.");
  for (const DemoEntry& entry : entries)
    page.add_section(entry.folder, entry.heading, entry.description, entry_html(entry));
  for (const DemoPicture& picture : pictures)
    page.add_section(picture.file.substr(0, picture.file.rfind('.')), picture.heading, picture.description,
                     "<div class=\"card\">" +
                         slider_html(picture.before, picture.before_name, picture.after, picture.after_name) +
                         "</div>");
  page.add_section(
      "next", "Your own", "",
      "<div class=\"card\"><p>A network that fovea carries, or yours, on your picture:</p><pre>fovea inspect "
      "builtin:cifar10 cat.jpg -o cat\nfovea inspect model.onnx cat.jpg -o cat\nfovea dream cat.jpg -o "
      "dream.png</pre><p>How often it is "
      "right, and training it further on a folder of your pictures:</p><pre>fovea evaluate "
      "builtin:digits mnist\nfovea train builtin:cifar10 photos/ -o run</pre></div>");
  page.set_footer(fmt::format("made by fovea {}", html_text(version())));
  return page.html();
}

}  // namespace fovea
