// Self-contained HTML pages: style, script and pictures are inside, nothing is asked of a network. Light and dark.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fovea/image/image.h"

namespace fovea {

// Text made safe inside HTML and attribute values; control characters and broken UTF-8 become '?'.
std::string html_text(std::string_view text);
// "data:image/png;base64,…".
std::string data_uri(const Image& image);
// "data:image/jpeg;base64,…" of a file's bytes.
std::string data_uri(std::string_view type, const std::vector<std::byte>& bytes);
// An <img> with its picture inside. `classes` are CSS classes; width 0: as large as the style says.
std::string image_tag(const Image& image, std::string_view alt, std::string_view classes = "");

// A table; cells are HTML. Columns whose title begins with '>' are numbers, aligned to the right.
std::string html_table(const std::vector<std::string>& titles, const std::vector<std::vector<std::string>>& rows);
// A bar for 0..1 with a text on it.
std::string html_bar(double share, std::string_view label, std::string_view number, bool strong = false);
// A histogram as a small inline drawing.
std::string html_histogram(const std::vector<int64_t>& bins, double low, double high);

class Page {
 public:
  Page(std::string title, std::string subtitle) : title_(std::move(title)), subtitle_(std::move(subtitle)) {}
  // A big number under the title.
  void add_fact(std::string value, std::string what) { facts_.emplace_back(std::move(value), std::move(what)); }
  // A section: its heading appears in the navigation. `intro` is text, `body` HTML.
  void add_section(std::string id, std::string heading, std::string intro, std::string body);
  void set_footer(std::string text) { footer_ = std::move(text); }
  std::string html() const;

 private:
  struct Section {
    std::string id, heading, intro, body;
  };
  std::string title_, subtitle_, footer_;
  std::vector<std::pair<std::string, std::string>> facts_;
  std::vector<Section> sections_;
};

}  // namespace fovea
