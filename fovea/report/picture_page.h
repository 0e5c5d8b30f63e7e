// The page of a run that made one picture: dreams, textures, styles.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/report/curves.h"

namespace fovea {

struct PicturePage {
  std::string title, subtitle;  // text
  Image after;                  // the picture
  std::string after_name = "after";
  Image before;  // what it began with, shown under a slider where it has the same shape; empty: none
  std::string before_name = "before";
  std::vector<std::pair<Image, std::string>> sources;         // further pictures that went into it, with names
  std::vector<std::pair<std::string, std::string>> facts;     // value, what: big numbers under the title
  std::vector<Chart> charts;                                  // of the loss and its terms
  std::string charts_intro;                                   // text
  std::vector<std::pair<std::string, std::string>> settings;  // name, value
  std::string command;                                        // the line that makes it again
  std::string footer;                                         // HTML
};

// Two pictures of one shape on each other with a slider between them, for the body of a Page's section. Names are text.
std::string slider_html(const Image& before, const std::string& before_name, const Image& after,
                        const std::string& after_name);

// One self-contained page: the picture beside what it began with, the curves, the settings, the command.
std::string picture_page(const PicturePage& run);

}  // namespace fovea
