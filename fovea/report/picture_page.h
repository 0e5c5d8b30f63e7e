// The page of a run that made one picture: dreams, textures, styles.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/report/curves.h"

namespace fovea {

// How the picture and what it began with are shown: under a slider where they have the same shape, else one after the
// other; or always beside each other, in one scale.
enum class PictureLayout { slider, beside };

// Texts; columns whose title begins with '>' are numbers.
struct PageTable {
  std::string heading;
  std::vector<std::string> titles;
  std::vector<std::vector<std::string>> rows;
};

struct PicturePage {
  std::string title, subtitle;  // text
  std::string notice;           // text above all: that the run was stopped, and why; empty: none
  std::string notice_command;   // the line that goes on with it; empty: none
  Image after;                  // the picture
  std::string after_name = "after";
  Image before;  // what it began with; empty: none
  std::string before_name = "before";
  PictureLayout layout = PictureLayout::slider;
  std::vector<std::pair<Image, std::string>> sources;         // further pictures that belong to it, with names
  std::vector<std::pair<std::string, std::string>> facts;     // value, what: big numbers under the title
  std::vector<Chart> charts;                                  // of the loss and its terms
  std::string charts_intro;                                   // text
  std::vector<PageTable> tables;                              // below the charts
  std::vector<std::pair<std::string, std::string>> settings;  // name, value
  std::string command;                                        // the line that makes it again
  std::string footer;                                         // text
};

// An <img> with its picture inside, as small as is good enough for looking at: at most kPagePicture pixels wide and
// high, as a JPEG unless a PNG is not much larger.
inline constexpr int kPagePicture = 1280;
std::string picture_tag(const Image& image, std::string_view alt, std::string_view classes = "");

// Two pictures of one shape on each other with a slider between them, for the body of a Page's section. Names are text.
std::string slider_html(const Image& before, const std::string& before_name, const Image& after,
                        const std::string& after_name);

// One self-contained page: the picture beside what it began with, the curves, the settings, the command.
std::string picture_page(const PicturePage& page);

}  // namespace fovea
