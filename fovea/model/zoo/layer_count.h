// What one layer costs, told from its description alone: why convolutional networks share their weights.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

namespace fovea {

enum class CountedKind {
  full,   // every unit sees the whole input, with weights of its own
  local,  // every unit sees a window, with weights of its own
  conv,   // every unit sees a window; the units of one map share their weights
};

struct LayerDescription {
  CountedKind kind = CountedKind::conv;
  int64_t channels = 1, height = 1, width = 1;  // of the input
  int64_t out = 1;                              // units of a full layer, maps of the others
  int64_t kernel_height = 1, kernel_width = 1;  // of a window
  int64_t stride = 1;
  int64_t pad = -1;         // on each side; -1: a window around every place of the input, each stride
  int64_t connections = 0;  // pairs of an input map and an output map that are connected; 0: all
};

struct LayerCount {
  int64_t channels = 0, height = 0, width = 0;  // of the output
  int64_t weights = 0, biases = 0;              // values; biases: one a map where weights are shared, else one a unit
  int64_t multiply_adds = 0;                    // for one input
};

// Throws Error{usage} for sizes below 1, a window larger than the padded input, more connections than pairs, and
// numbers beyond 2^62. Source: LeCun et al., "Gradient-based learning applied to document recognition", Proc. IEEE 86,
// 1998, sections I and II.
LayerCount count_layer(const LayerDescription& layer);

// "full 40000", "local 10x10 1", "conv 5x5 16 stride 2 pad 1 connections 60" or "conv 5x5 16 valid" (pad 0), and the
// input as "HxW" or "CxHxW". Throws Error{usage} saying what was expected where.
LayerDescription parse_layer(std::string_view layer, std::string_view input);

// "convolutional, 100 maps of 10x10 windows on 1x200x200".
std::string describe(const LayerDescription& layer);

}  // namespace fovea
