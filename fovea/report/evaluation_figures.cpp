#include "fovea/report/evaluation_figures.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/counted.h"
#include "fovea/base/error.h"
#include "fovea/image/draw.h"
#include "fovea/report/page.h"

namespace fovea {

namespace {

constexpr size_t kShownConfusions = 20, kShownClasses = 1000;

// ImageNet's names are lists of synonyms; the first says enough.
std::string name_of(const std::vector<std::string>& names, int64_t index) {
  const bool known = index < static_cast<int64_t>(names.size()) && !names[static_cast<size_t>(index)].empty();
  if (!known) return fmt::format("class {}", index);
  const std::string& name = names[static_cast<size_t>(index)];
  return name.substr(0, name.find(','));
}

int64_t row_sum(const Evaluation& result, size_t truth) {
  const size_t side = result.classes.size();
  int64_t sum = 0;
  for (size_t g = 0; g < side; ++g) sum += result.confusion[truth * side + g];
  return sum;
}

std::string cell_html(int64_t count, int64_t sum, bool right, const std::string& hint) {
  const double share = sum > 0 ? static_cast<double>(count) / static_cast<double>(sum) : 0;
  // To the root, so that one per cent is seen beside ninety-nine.
  const double part = 100 * std::sqrt(share) * (right ? 0.75 : 1);
  return fmt::format("<td class=\"{}{}{}\" style=\"--part:{:.0f}%\" title=\"{}\">{}</td>", right ? "hit" : "miss",
                     count == 0 ? " none" : "", part > 50 ? " strong" : "", part, hint, count);
}

std::string confusion_table(const Evaluation& result, const std::vector<std::string>& names) {
  const size_t side = result.classes.size();
  std::string html = "<div class=\"scroll\"><table class=\"matrix\"><thead><tr><th>true \\ guessed</th>";
  for (size_t g = 0; g < side; ++g)
    html +=
        fmt::format("<th class=\"column\" title=\"{0}\">{0}</th>", html_text(name_of(names, static_cast<int64_t>(g))));
  html += "</tr></thead><tbody>";
  for (size_t t = 0; t < side; ++t) {
    const int64_t sum = row_sum(result, t);
    const std::string truth = html_text(name_of(names, static_cast<int64_t>(t)));
    html += "<tr><th>" + truth + "</th>";
    for (size_t g = 0; g < side; ++g) {
      const int64_t count = result.confusion[t * side + g];
      html += cell_html(count, sum, t == g,
                        fmt::format("{} guessed as {}: {} of {} ({:.2f} %)", truth,
                                    html_text(name_of(names, static_cast<int64_t>(g))), count, sum,
                                    sum > 0 ? 100.0 * static_cast<double>(count) / static_cast<double>(sum) : 0.0));
    }
    html += "</tr>";
  }
  return html + "</tbody></table></div>";
}

std::string frequent_html(const Evaluation& result, const std::vector<std::string>& names) {
  std::vector<std::vector<std::string>> rows;
  for (const Confusion& c : frequent_confusions(result, kShownConfusions)) {
    const int64_t of = result.classes[static_cast<size_t>(c.truth)].count;
    rows.push_back(
        {html_text(name_of(names, c.truth)), html_text(name_of(names, c.guess)), fmt::format("{}", c.count),
         of > 0 ? fmt::format("{:.1f} %", 100.0 * static_cast<double>(c.count) / static_cast<double>(of)) : ""});
  }
  return rows.empty() ? "<p class=\"note\">Nothing was taken for anything else.</p>"
                      : html_table({"truly", "taken for", ">pictures", ">share of the class"}, rows);
}

}  // namespace

std::vector<Confusion> frequent_confusions(const Evaluation& result, size_t most) {
  const size_t side = result.classes.size();
  std::vector<Confusion> all;
  if (result.confusion.size() != side * side) return all;
  for (size_t t = 0; t < side; ++t)
    for (size_t g = 0; g < side; ++g)
      if (const int64_t n = result.confusion[t * side + g]; t != g && n > 0)
        all.push_back({static_cast<int64_t>(t), static_cast<int64_t>(g), n});
  std::stable_sort(all.begin(), all.end(), [](const Confusion& a, const Confusion& b) { return a.count > b.count; });
  if (all.size() > most) all.resize(most);
  return all;
}

Image confusion_image(const Evaluation& result, int scale) {
  const size_t side = result.classes.size();
  require(side > 0 && result.confusion.size() == side * side, ErrorKind::usage, "the confusions were not counted");
  const auto width = static_cast<int>(side);
  Image image = blank(width * scale, width * scale, Rgb{0xf4, 0xf5, 0xf7});
  for (size_t t = 0; t < side; ++t) {
    const int64_t sum = row_sum(result, t);
    for (size_t g = 0; g < side; ++g) {
      const int64_t count = result.confusion[t * side + g];
      if (count == 0 || sum == 0) continue;
      const double part = std::sqrt(static_cast<double>(count) / static_cast<double>(sum));
      const Rgb full = t == g ? Rgb{0x1f, 0x7d, 0x48} : Rgb{0xb8, 0x1f, 0x1b};
      const auto mix = [&](int from, int to) { return static_cast<uint8_t>(std::lround(from + (to - from) * part)); };
      fill_rectangle(image, static_cast<int>(g) * scale, static_cast<int>(t) * scale, scale, scale,
                     Rgb{mix(0xf4, full.r), mix(0xf5, full.g), mix(0xf7, full.b)});
    }
  }
  return image;
}

std::string confusion_html(const Evaluation& result, const std::vector<std::string>& names) {
  const size_t side = result.classes.size();
  if (side == 0 || result.confusion.size() != side * side) return {};
  if (side <= kTableClasses)
    return "<div class=\"card\">" + confusion_table(result, names) +
           "</div><details><summary>the most frequent confusions</summary><div class=\"card\">" +
           frequent_html(result, names) + "</div></details>";
  const int scale = std::clamp(static_cast<int>(600 / side), 1, 12);
  return "<div class=\"card two\"><figure>" +
         image_tag(confusion_image(result, scale), "table of confusions", "pixels") +
         fmt::format(
             "<figcaption>{} classes: true ones from top to bottom, guesses from left to right; red is "
             "wrong</figcaption></figure><div>{}</div></div>",
             side, frequent_html(result, names));
}

std::string reliability_html(const Calibration& calibration) {
  if (calibration.bins.empty()) return {};
  constexpr double kSide = 260, kLeft = 46, kTop = 10, kGap = 26, kLow = 60, kWidth = kLeft + kSide + 14,
                   kHeight = kTop + kSide + kGap + kLow + 30;
  int64_t most = 1;
  for (const CalibrationBin& bin : calibration.bins) most = std::max(most, bin.count);
  const auto y = [](double share) { return kTop + kSide * (1 - share); };
  std::string bars, axes;
  for (int i = 0; i <= 5; ++i) {
    const double share = i / 5.0;
    axes += fmt::format(
        "<line x1=\"{0}\" x2=\"{1}\" y1=\"{2:.1f}\" y2=\"{2:.1f}\"/><text x=\"{3}\" y=\"{4:.1f}\" "
        "class=\"left\">{5:.0f} %</text><text x=\"{6:.1f}\" y=\"{7}\" class=\"below\">{5:.0f} %</text>",
        kLeft, kLeft + kSide, y(share), kLeft - 6, y(share) + 3.6, share * 100, kLeft + kSide * share,
        kTop + kSide + 14);
  }
  for (const CalibrationBin& bin : calibration.bins) {
    const double x = kLeft + kSide * bin.low + 1, width = std::max(0.5, kSide * (bin.high - bin.low) - 2);
    if (bin.count == 0 || !std::isfinite(bin.accuracy) || !std::isfinite(bin.confidence)) continue;
    const double low = std::clamp(std::min(bin.accuracy, bin.confidence), 0.0, 1.0),
                 high = std::clamp(std::max(bin.accuracy, bin.confidence), 0.0, 1.0),
                 tall = kLow * static_cast<double>(bin.count) / static_cast<double>(most);
    bars += fmt::format(
        "<g class=\"s0\"><title>confidence {:.1f} to {:.1f} %: {}, {:.2f} % right, mean confidence {:.2f} "
        "%</title><rect class=\"share-bar\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/><rect "
        "class=\"gap\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/>",
        100 * bin.low, 100 * bin.high, counted(bin.count, "picture"), 100 * bin.accuracy, 100 * bin.confidence, x,
        y(std::clamp(bin.accuracy, 0.0, 1.0)), width, kSide * std::clamp(bin.accuracy, 0.0, 1.0), x, y(high), width,
        kSide * (high - low));
    bars += fmt::format("<rect class=\"share-bar\" x=\"{:.1f}\" y=\"{:.1f}\" width=\"{:.1f}\" height=\"{:.1f}\"/></g>",
                        x, kTop + kSide + kGap + kLow - tall, width, std::max(0.6, tall));
  }
  return fmt::format(
      "<figure class=\"chart\"><svg viewBox=\"0 0 {} {}\" style=\"max-width:440px\" role=\"img\" "
      "aria-label=\"reliability "
      "diagram\"><g class=\"axes\">{}</g>{}<path class=\"even\" d=\"M{},{}L{},{}\"/><g class=\"axes\"><line "
      "class=\"base\" x1=\"{}\" x2=\"{}\" y1=\"{}\" y2=\"{}\"/><text x=\"{}\" y=\"{}\" class=\"left\">{}</text><text "
      "x=\"{}\" y=\"{}\" class=\"below\">confidence of the guess; below: how many pictures</text></g></svg><div "
      "class=\"legend\"><span><i style=\"background:var(--accent)\"></i>share that is right</span><span><i "
      "style=\"box-shadow:inset 0 0 0 2px var(--warm);background:none\"></i>gap to the "
      "confidence</span></div></figure>",
      kWidth, kHeight, axes, bars, kLeft, y(0), kLeft + kSide, y(1), kLeft, kLeft + kSide, kTop + kSide + kGap + kLow,
      kTop + kSide + kGap + kLow, kLeft - 6, kTop + kSide + kGap + 9, most, kLeft + kSide / 2, kHeight - 6);
}

std::string class_table_html(const Evaluation& result, const std::vector<std::string>& names) {
  std::vector<ClassResult> classes;
  for (const ClassResult& c : result.classes)
    if (c.count > 0) classes.push_back(c);
  std::stable_sort(classes.begin(), classes.end(),
                   [](const ClassResult& a, const ClassResult& b) { return a.top1 < b.top1; });
  const size_t side = result.classes.size();
  const bool counted = side > 0 && result.confusion.size() == side * side;
  std::vector<std::vector<std::string>> rows;
  for (size_t i = 0; i < std::min(classes.size(), kShownClasses); ++i) {
    const ClassResult& c = classes[i];
    std::string taken;
    if (counted && c.errors > 0) {
      const auto row = result.confusion.begin() + static_cast<std::ptrdiff_t>(static_cast<size_t>(c.index) * side);
      size_t most = side;
      for (size_t g = 0; g < side; ++g)
        if (static_cast<int64_t>(g) != c.index && row[static_cast<std::ptrdiff_t>(g)] > 0 &&
            (most == side || row[static_cast<std::ptrdiff_t>(g)] > row[static_cast<std::ptrdiff_t>(most)]))
          most = g;
      if (most < side)
        taken = fmt::format("{} ({})", html_text(name_of(names, static_cast<int64_t>(most))),
                            row[static_cast<std::ptrdiff_t>(most)]);
    }
    rows.push_back({html_text(name_of(names, c.index)), fmt::format("{}", c.count), fmt::format("{}", c.errors),
                    fmt::format("<span class=\"share\"><i style=\"width:{:.1f}%\"></i></span>{:.2f} %", 100 * c.top1,
                                100 * c.top1),
                    taken});
  }
  if (rows.empty()) return {};
  std::string html = html_table({"class", ">pictures", ">errors", ">right", "most often taken for"}, rows);
  if (classes.size() > rows.size())
    html += fmt::format("<p class=\"note\">{} better classes are not shown.</p>", classes.size() - rows.size());
  return "<div class=\"card\">" + html + "</div>";
}

}  // namespace fovea
