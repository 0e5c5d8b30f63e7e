// The kinds of layers that a text description of a network is made of: a record each.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "fovea/formats/toml_read.h"
#include "fovea/model/zoo/network_builder.h"

namespace fovea {

// One layer while it is built.
struct DescribedLayer {
  NetworkBuilder& builder;
  TomlSection& section;       // its keys
  std::string name;           // of its node; parameters are "<name>.weight", …
  std::vector<Value> inputs;  // [N,C,spatial], or [N,F]; at least one

  Graph& graph() const { return builder.graph; }
  Value x() const { return inputs[0]; }
  const Shape& shape() const { return graph().shape(inputs[0]); }
  // Throws Error{format} when there is more than one input, or no spatial axis.
  void one_input() const;
  void spatial() const;
  // A new weight "<name>.<part>". Throws Error{format} when it would not fit any memory or its name is taken.
  Value parameter(std::string_view part, const Shape& shape) const;
  // Gives the node that ends the layer its name; a further one of the same layer gets "<name>.<part>".
  Value named(Value value, std::string_view part = {}) const;
};

struct LayerKind {
  std::string_view name;
  std::string_view keys;  // "`out`, `kernel`; `stride` 1": those that have to be given; those with a default
  std::string_view doc;   // what it computes, and shapes
  Value (*build)(const DescribedLayer& layer);
  bool weighted = false;    // takes `norm` and `activation`, which follow it
  bool activation = false;  // may be named as one
  bool joins = false;       // takes any number of inputs
};

std::span<const LayerKind> layer_kinds();
// Null when there is none of that name.
const LayerKind* find_layer_kind(std::string_view name);
// Names of all, or of activations only.
std::vector<std::string> layer_kind_names(bool activations = false);

}  // namespace fovea
