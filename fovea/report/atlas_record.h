// What the atlas of a network knows: its layers, and of each unit what it answers to and what it is used for. A layer's
// record is a file of its own, so that an atlas that was interrupted goes on where it stood.
#pragma once

#include <cstdint>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

namespace fovea {

// A picture that excites the unit.
struct AtlasPatch {
  std::string name;   // of the picture
  std::string label;  // its class; empty: not known
  double score = 0;   // the unit's greatest answer to it
};

struct AtlasClass {
  std::string name;
  double share = 0;  // see insight/class_use.h
};

// Another unit of the atlas, whose answers this one takes in.
struct AtlasLink {
  std::string layer;  // its slug
  int64_t unit = 0;
  double weight = 0;  // the sum of the kernel's weights: its sign says whether it excites or inhibits
  double norm = 0;    // their Euclidean norm
};

// Paths are relative to the atlas's folder; empty: there is no such picture.
struct AtlasUnit {
  int64_t unit = 0;
  std::string name;     // of the class, where units are classes
  std::string filter;   // its weights as a picture: first layers only
  std::string maximum;  // the picture made to excite it
  double maximum_value = 0;
  std::string plate;                // a row of square tiles, what it sees of each of `patches`; …
  bool projected = false;           // … and a second one: its answers, brought down to pixels by the deconvnet
  std::vector<AtlasPatch> patches;  // strongest first
  double mean = 0;                  // of its greatest answer to each picture
  double active = 0;                // share of pictures to which it gives more than 0 somewhere
  std::vector<AtlasClass> classes_for, against;  // most first
  std::vector<AtlasLink> inputs;                 // strongest first
};

struct AtlasLayer {
  std::string name;               // as the network calls it
  std::string slug;               // the same, fit for a file's name
  bool class_scores = false;      // its units are the classes
  std::vector<std::string> also;  // other names that it answers to
  std::string description;
  int64_t pictures = 0;     // that were looked at
  std::string key;          // of all that its patches and statistics were made from …
  std::string maximum_key;  // … and of all that its maxima were: other keys, other pictures
  std::vector<AtlasUnit> units;
};

// A slug for each name: letters, digits, - and _, all different.
std::vector<std::string> slugs(const std::vector<std::string>& names);

nlohmann::ordered_json atlas_json(const AtlasLayer& layer);
// Throws Error{format} for anything that atlas_json did not make; `label` names the file.
AtlasLayer atlas_layer(const std::string& text, const std::string& label);

}  // namespace fovea
