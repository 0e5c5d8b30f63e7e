// Lists that say which class each picture is of.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/base/bytes.h"

namespace fovea {

struct LabelledFile {
  std::string file;  // as it is written in the list
  int64_t label = 0;
  int64_t line = 0;  // counted from 1
};

// Lines "file,class[,…]" or "file class": the class is a number from 0; a file's name may be quoted ("a, b.jpg",3).
// Empty lines and lines that begin with # are passed over, and the first line when it has no number (a header). Throws
// Error{format} naming the file and the line, also for a list without lines.
std::vector<LabelledFile> parse_label_list(const Bytes& file);

// Whether the beginning of the file (64 KiB) is text: UTF-8 without control characters but tabs and ends of lines.
bool is_text(const Bytes& file);

}  // namespace fovea
