// The pictures that the demo ends with: what networks make, not what they say.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "fovea/base/context.h"
#include "fovea/image/image.h"

namespace fovea {

struct DemoPicture {
  std::string heading;      // "A dream"
  std::string description;  // a sentence or two
  std::string file;         // in the demo's folder
  std::string before_name, after_name;
  Image before, after;  // of one shape
};

// What the pictures are made from.
struct DemoSource {
  std::filesystem::path folder;  // where they are written
  std::string picture;           // a file
  std::string picture_name;      // "a drawn ship"
  std::string model;             // "" for the one that the command takes by itself
  int64_t size = 0;              // longest side of the pictures
};

// Makes and writes them all, in the order in which they are shown.
std::vector<DemoPicture> demo_pictures(const Context& context, const DemoSource& source);

}  // namespace fovea
