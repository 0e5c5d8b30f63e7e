// Model: Graph + Weights + Meaning.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "fovea/graph/graph.h"
#include "fovea/tensor/weights.h"

namespace fovea {

// How a picture becomes the network's input. Every field can be stated by the model's file, assumed by convention, or
// set by the user.
struct Preprocess {
  std::string name = "torchvision";  // the convention's name: torchvision, caffe, unit, …, or "custom"
  std::string colour = "rgb";        // rgb, bgr, grey
  double scale = 1.0 / 255;          // multiplies pixel values 0..255 before mean and std
  std::vector<double> mean, std;     // one a channel, after scale; empty: 0 and 1
  // short_side (keep the aspect), short_side_rounded (the same as Caffe's users round), stretch (to the crop size),
  // none
  std::string resize = "short_side";
  std::string filter = "bilinear";  // as image/resize: nearest, box, bilinear, bicubic, lanczos; antialiased
  int64_t size = 256;               // target of resize = short_side and short_side_rounded
  int64_t crop_height = 224, crop_width = 224;  // centre crop: the network's input
};

// What a model's numbers mean.
struct Meaning {
  std::string name;  // "squeezenet1_1"
  std::string source, licence, description;
  std::string architecture;              // the zoo's name for it; empty: none was recognised
  bool trained = true;                   // false: the weights are random
  std::optional<Preprocess> preprocess;  // not given: the model does not take one picture
  bool preprocess_stated = false;        // true: the file says so; false: assumed by convention
  std::string input;                     // name of the picture input
  std::string scores;                    // name of the output that scores classes; empty: none
  bool probabilities = false;            // the scores are probabilities already (the network ends in softmax)
  std::vector<std::string> classes;      // name of each class index; empty: unknown
  std::vector<std::pair<std::string, std::string>> aliases;  // other name of a layer → its node: relu4_2 → features.22
  std::vector<std::string> notes;  // what a person should know of how it was read, a sentence each
  std::vector<std::pair<std::string, std::string>> metadata;  // everything else the file said, kept
};

struct Model {
  Graph graph;  // inputs are `input` nodes, weights are `parameter` nodes named as in the checkpoint
  Weights weights;
  Meaning meaning;
};

}  // namespace fovea
