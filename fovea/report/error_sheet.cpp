#include "fovea/report/error_sheet.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "fovea/base/bytes.h"
#include "fovea/base/counted.h"
#include "fovea/base/error.h"
#include "fovea/base/parallel_tasks.h"
#include "fovea/image/codec.h"
#include "fovea/image/draw.h"
#include "fovea/image/resize.h"
#include "fovea/report/figure.h"
#include "fovea/report/table.h"

namespace fovea {

namespace {

constexpr int kMargin = 14, kGap = 8, kLine = 14;
constexpr int64_t kMostPixels = int64_t{1} << 26;  // of a sheet
constexpr Rgb kGuess{0xc2, 0x3b, 0x37};            // the wrong name
// The widest box for pictures: what is larger is reduced.
constexpr int kLargestBox = 128;
constexpr int kArrow = 9;

struct Wrong {
  Image picture;
  std::string truth, guess, confidence;
};

std::string name_of(const std::vector<std::string>& classes, int64_t index) {
  if (index < 0 || index >= static_cast<int64_t>(classes.size())) return fmt::format("{}", index);
  // ImageNet's names are lists of synonyms.
  const std::string& name = classes[static_cast<size_t>(index)];
  return name.empty() ? fmt::format("{}", index) : printable(name.substr(0, name.find(',')));
}

// Surest first; NaN last, equal ones in the set's order.
void sort_by_confidence(std::vector<SampleResult>& wrong) {
  std::stable_sort(wrong.begin(), wrong.end(), [](const SampleResult& a, const SampleResult& b) {
    const double x = std::isnan(a.confidence) ? -1 : a.confidence, y = std::isnan(b.confidence) ? -1 : b.confidence;
    return x > y;
  });
}

// The errors that are shown, in their order.
std::vector<SampleResult> chosen(std::span<const SampleResult> samples, const ErrorSheetOptions& options) {
  std::vector<SampleResult> wrong;
  for (const SampleResult& s : samples)
    if (!s.right) wrong.push_back(s);
  const bool some = static_cast<int64_t>(wrong.size()) > options.most;
  if (some || options.order == ErrorOrder::confident) sort_by_confidence(wrong);
  if (some) wrong.resize(static_cast<size_t>(options.most));
  if (options.order == ErrorOrder::set)
    std::sort(wrong.begin(), wrong.end(),
              [](const SampleResult& a, const SampleResult& b) { return a.index < b.index; });
  return wrong;
}

// A sheet's measures.
struct Measures {
  int box = 0;            // pictures fit into box x box
  bool one_line = false;  // "4→6" under the picture, else two lines
  int lines = 1;          // of text below a picture
  int columns = 1, rows = 1;
  int cell_width() const { return box + kGap; }
  int cell_height() const { return box + 3 + lines * kLine + kGap; }
};

int width_of(const Wrong& w) { return text_width(w.truth) + kArrow + 4 + text_width(w.guess); }

Measures measure(const std::vector<Wrong>& wrong, const ErrorSheetOptions& options) {
  Measures m;
  int largest = 1, widest = 0, widest_name = 0;
  for (const Wrong& w : wrong) {
    largest = std::max({largest, w.picture.width(), w.picture.height()});
    widest = std::max(widest, width_of(w));
    widest_name = std::max({widest_name, text_width(w.truth), text_width(w.guess) + kArrow + 2});
  }
  // Digits become 56 pixels, CIFAR's pictures 64, photographs are reduced.
  m.box = largest <= kLargestBox ? largest * std::max(1, 64 / largest) : kLargestBox;
  m.one_line = widest <= m.box;
  // Names make the cells of small pictures wider, up to a point; beyond it they are shortened.
  if (!m.one_line) m.box = std::max(m.box, std::min(widest_name, 84));
  m.lines = (m.one_line ? 1 : 2) + options.confidence;
  const auto count = static_cast<int>(wrong.size());
  m.columns = options.columns > 0
                  ? options.columns
                  : static_cast<int>(std::ceil(std::sqrt(1.45 * count * m.cell_height() / m.cell_width())));
  m.columns = std::clamp(m.columns, 1, std::max(1, count));
  m.rows = (count + m.columns - 1) / m.columns;
  return m;
}

void draw_arrow(Image& canvas, int x, int y, Rgb colour) {
  const auto left = static_cast<float>(x), right = static_cast<float>(x + kArrow - 2),
             middle = static_cast<float>(y + 5);
  draw_line(canvas, left, middle, right, middle, colour, 1.2f);
  draw_line(canvas, right - 3, middle - 3, right, middle, colour, 1.2f);
  draw_line(canvas, right - 3, middle + 3, right, middle, colour, 1.2f);
}

void draw_picture(Image& canvas, const Image& picture, int x, int y, int box) {
  const int longest = std::max(picture.width(), picture.height());
  if (longest == 0) return;
  if (longest <= box) {
    const int factor = box / longest, width = picture.width() * factor, height = picture.height() * factor;
    draw_image(canvas, picture, x + (box - width) / 2, y + (box - height) / 2, width, height);
    return;
  }
  const int width = std::max(1, picture.width() * box / longest),
            height = std::max(1, picture.height() * box / longest);
  draw_image(canvas, resize(picture.to_8bit(), width, height, Filter::lanczos), x + (box - width) / 2,
             y + (box - height) / 2);
}

void draw_wrong(Image& canvas, const Wrong& w, const Measures& m, int x, int y) {
  draw_picture(canvas, w.picture, x, y, m.box);
  y += m.box + 3;
  if (m.one_line) {
    int at = x + (m.box - width_of(w)) / 2;
    draw_text(canvas, at, y, w.truth, paper::ink);
    at += text_width(w.truth) + 3;
    draw_arrow(canvas, at, y, paper::faint);
    draw_text(canvas, at + kArrow + 1, y, w.guess, kGuess);
    y += kLine;
  } else {
    draw_text(canvas, x, y, shorten_text(w.truth, m.box), paper::ink);
    draw_arrow(canvas, x, y + kLine, paper::faint);
    draw_text(canvas, x + kArrow + 2, y + kLine, shorten_text(w.guess, m.box - kArrow - 2), kGuess);
    y += 2 * kLine;
  }
  if (!w.confidence.empty())
    draw_text(canvas, m.one_line ? x + (m.box - text_width(w.confidence)) / 2 : x, y, w.confidence, paper::faint);
}

std::string caption_of(size_t scored, int64_t errors, int64_t shown, ErrorOrder order) {
  std::string text = fmt::format("{} in {} ({:.2f} %)", counted(errors, "error"), counted(scored, "picture"),
                                 scored > 0 ? 100.0 * static_cast<double>(errors) / static_cast<double>(scored) : 0.0);
  if (shown < errors) text += fmt::format("; shown are the {} that the network was surest of", shown);
  if (errors > 1)
    text += order == ErrorOrder::confident ? (shown < errors ? ", surest first" : "; surest first")
                                           : (shown < errors ? ", in the set's order" : "; in the set's order");
  return text;
}

// The caption in lines that fit.
std::string wrapped(const std::string& text, int width) {
  std::string result, line;
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find(' ', at), text.size());
    const std::string word = text.substr(at, end - at);
    if (!line.empty() && text_width(line + " " + word) > width) {
      result += line + "\n";
      line = word;
    } else {
      line += (line.empty() ? "" : " ") + word;
    }
    at = end + 1;
  }
  return result + line;
}

}  // namespace

ErrorSheet error_sheet(const Dataset& data, std::span<const SampleResult> samples,
                       const std::vector<std::string>& classes, const ErrorSheetOptions& options) {
  require(options.most >= 1, ErrorKind::usage, "a sheet of {} errors; expected at least 1", options.most);
  const std::vector<SampleResult> found = chosen(samples, options);
  for (const SampleResult& s : found)
    require(s.index >= 0 && s.index < data.size(), ErrorKind::usage, "there is no sample {} among {}", s.index,
            data.size());
  std::vector<Wrong> wrong(found.size());
  parallel_tasks(static_cast<int64_t>(found.size()), [&](int64_t i) {
    const SampleResult& s = found[static_cast<size_t>(i)];
    Image picture = data.get(s.index).image;
    // A sheet of photographs keeps them small from the beginning.
    if (const int longest = std::max(picture.width(), picture.height()); longest > 4 * kLargestBox)
      picture = resize(picture.to_8bit(), std::max(1, picture.width() * 2 * kLargestBox / longest),
                       std::max(1, picture.height() * 2 * kLargestBox / longest), Filter::lanczos);
    wrong[static_cast<size_t>(i)] = {std::move(picture), name_of(classes, s.label), name_of(classes, s.guess),
                                     options.confidence ? fmt::format("{:.1f} %", 100 * s.confidence) : ""};
  });
  ErrorSheet sheet;
  sheet.shown = static_cast<int64_t>(found.size());
  sheet.errors = std::count_if(samples.begin(), samples.end(), [](const SampleResult& s) { return !s.right; });
  sheet.caption = caption_of(samples.size(), sheet.errors, sheet.shown, options.order);
  const Measures m = measure(wrong, options);
  const int width = std::max(320, 2 * kMargin + m.columns * m.cell_width() - kGap);
  const std::string head = wrapped(sheet.caption, width - 2 * kMargin);
  const int top = kMargin + text_height(head) + 10;
  const int64_t height = top + int64_t{m.rows} * m.cell_height() - kGap + kMargin;
  require(width * height <= kMostPixels, ErrorKind::usage,
          "a sheet of {} errors has {} x {} pixels; show fewer than {} of them", sheet.shown, width, height,
          options.most);
  sheet.image = blank(width, static_cast<int>(std::max<int64_t>(height, top + kMargin)));
  draw_text(sheet.image, kMargin, kMargin, head, paper::ink);
  for (size_t i = 0; i < wrong.size(); ++i)
    draw_wrong(sheet.image, wrong[i], m, kMargin + static_cast<int>(i) % m.columns * m.cell_width(),
               top + static_cast<int>(i) / m.columns * m.cell_height());
  return sheet;
}

void write_error_sheet(const std::filesystem::path& path, const ErrorSheet& sheet) {
  const std::vector<std::byte> png = encode_png(sheet.image, {{"caption", sheet.caption}});
  write_file(path, std::span<const std::byte>(png));
}

ErrorSheet read_error_sheet(const std::filesystem::path& path) {
  const Bytes bytes = Bytes::map(path);
  ErrorSheet sheet;
  sheet.image = decode_image(bytes);
  for (const auto& [key, value] : png_text(bytes))
    if (key == "caption") sheet.caption = value;
  return sheet;
}

}  // namespace fovea
