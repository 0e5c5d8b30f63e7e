// The first page of the demo: the networks that were looked into, a card each, with the way to their own pages.
#pragma once

#include <string>
#include <vector>

#include "fovea/commands/demo_pictures.h"
#include "fovea/image/image.h"
#include "fovea/insight/guesses.h"
#include "fovea/model/model.h"

namespace fovea {

struct DemoEntry {
  std::string folder;       // of its own page, beside the first page: "cifar10"
  std::string heading;      // "Things, in CIFAR-10's ten classes"
  std::string description;  // what the network is and how good it is: a sentence or two
  std::string picture_name;
  Model model;
  Image picture;  // as it was drawn, before the network's own preparation
  std::vector<Guess> guesses;
};

// One self-contained HTML page; the pictures that were made come last.
std::string demo_page(const std::vector<DemoEntry>& entries, const std::vector<DemoPicture>& pictures);

}  // namespace fovea
