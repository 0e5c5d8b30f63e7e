// Pictures that lie in folders, or that a list names.
#pragma once

#include <filesystem>

#include "fovea/base/bytes.h"
#include "fovea/data/dataset.h"

namespace fovea {

// Whether a name ends as those of pictures do: .jpg, .jpeg, .png, .webp, .tif, .tiff, .ppm, .pgm, .pnm in either case.
bool is_picture_name(const std::filesystem::path& path);

// Files of pictures with their labels. A picture is read each time it is got: `get` throws Error{io} or Error{format}
// naming a file that is missing or broken, and the caller decides whether it can do without.
class ImageFiles : public Dataset {
 public:
  struct Entry {
    std::filesystem::path file;
    int64_t label = 0;
  };
  ImageFiles(std::vector<Entry> entries, std::vector<std::string> classes, std::string description)
      : entries_(std::move(entries)), classes_(std::move(classes)), description_(std::move(description)) {}

  int64_t size() const override { return static_cast<int64_t>(entries_.size()); }
  Sample get(int64_t index) const override;
  int64_t label(int64_t index) const override { return entry(index).label; }
  const std::vector<std::string>& classes() const override { return classes_; }
  std::string name(int64_t index) const override;
  std::string description() const override { return description_; }

 private:
  const Entry& entry(int64_t index) const;
  std::vector<Entry> entries_;
  std::vector<std::string> classes_;
  std::string description_;
};

// Sub-folders whose names do not begin with '.' or "__", by name.
std::vector<std::filesystem::path> folders_in(const std::filesystem::path& folder);

// One class a sub-folder, numbered in the order of their names as torchvision's ImageFolder does; pictures anywhere
// below a sub-folder belong to its class, links to folders are not followed. `known`: the classes of the training set,
// by number, where the folder is another part of that set; one of them may have no folder here. Throws Error{format}
// when there are no sub-folders with pictures and for a class that is not known, Error{io} when a folder cannot be
// read.
ImageFiles class_folders(const std::filesystem::path& folder, std::string description,
                         std::vector<std::string> known = {});

// The pictures that a list names (see parse_label_list), each beside the list, in its sub-folder images/, or in one of
// `roots`. The names of the classes are not known. Throws what parsing throws, and Error{io} naming the line whose
// picture is not there, unless `missing_allowed`.
ImageFiles listed_files(const std::filesystem::path& list, const std::vector<std::filesystem::path>& roots,
                        bool missing_allowed, std::string description);

}  // namespace fovea
