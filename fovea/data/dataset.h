// A set of labelled pictures, or of labelled rows of numbers: how many there are, and which one is at an index.
// Decorators are sets too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/image/image.h"
#include "fovea/tensor/tensor.h"

namespace fovea {

// Either a picture or numbers.
struct Sample {
  Image image;  // empty where there are values
  int64_t label = 0;
  Tensor values;  // f32 [F], a row of a table, or [C,H,W]; without elements where there is a picture
  bool has_values() const { return image.empty() && values.count() > 0; }
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  // The sample at an index in [0, size()); the same one every time, from any thread.
  virtual Sample get(int64_t index) const = 0;
  // The label of a sample alone; a set that knows it without reading the picture says so here.
  virtual int64_t label(int64_t index) const { return get(index).label; }
  // The name of each column of a table, as many as a row has values; empty for pictures and where there are no names.
  virtual std::vector<std::string> features() const { return {}; }
  // The name of each label; empty where the set does not know them.
  virtual const std::vector<std::string>& classes() const = 0;
  // What a message calls a sample: its file, or its number.
  virtual std::string name(int64_t index) const { return "sample " + std::to_string(index); }
  // What the set is, in a few words: "CIFAR-10, test"; may be empty.
  virtual std::string description() const { return {}; }
};

}  // namespace fovea
