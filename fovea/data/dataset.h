// A set of labelled pictures: how many there are, and which one is at an index. Decorators are sets too.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "fovea/image/image.h"

namespace fovea {

struct Sample {
  Image image;
  int64_t label = 0;
};

class Dataset {
 public:
  virtual ~Dataset() = default;
  virtual int64_t size() const = 0;
  // The sample at an index in [0, size()); the same one every time, from any thread.
  virtual Sample get(int64_t index) const = 0;
  // The label of a sample alone; a set that knows it without reading the picture says so here.
  virtual int64_t label(int64_t index) const { return get(index).label; }
  // The name of each label; empty where the set does not know them.
  virtual const std::vector<std::string>& classes() const = 0;
  // What a message calls a sample: its file, or its number.
  virtual std::string name(int64_t index) const { return "sample " + std::to_string(index); }
  // What the set is, in a few words: "CIFAR-10, test"; may be empty.
  virtual std::string description() const { return {}; }
};

}  // namespace fovea
