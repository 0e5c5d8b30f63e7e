// Fractal networks of any size, and how their paths are found again.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "fovea/model/zoo/zoo.h"

namespace fovea {

// A fractal network for CIFAR of `blocks` blocks (1..10) of `columns` columns (1..10): its depth is
// blocks · 2^(columns − 1). Block b has width · 2^(b − 1) channels, at most 8 · width, and dropout of rate (b − 1)
// / 10. The published picture has 32 pixels a side, or 2^blocks if that is more. Named "fractalnet_cifar" for (5, 3,
// 64), "fractalnet40_cifar" for (5, 4, 16), else "fractalnet_b<blocks>_c<columns>_w<width>_cifar". Throws Error{usage}
// for sizes outside of these bounds or a width below 1 or above 1024.
Architecture fractalnet(int64_t blocks, int64_t columns, int64_t width = 64);

// The network of a name that fractalnet() gives, "fractalnet_b3_c3_w16_cifar" for one; not given for other names and
// for sizes out of bounds.
std::optional<Architecture> fractalnet_named(std::string_view name);

// One place where columns of a block meet.
struct FractalJoin {
  int64_t block = 0, index = 0;  // both from 1, in the order of depth: "block<block>.join<index>"
  Value output;                  // the mean of the inputs
  std::vector<Value> inputs;     // [N,C,H,W] each: the last layer of each column that ends here
  std::vector<int64_t> columns;  // of each input, ascending; 1 is the shallowest column, the last one the deepest
};

// All joins of a graph that fractalnet() made, in order, told by their nodes' names; none for other networks. A
// training step that drops paths replaces `output` by the mean of some of `inputs`; a network of column c alone takes
// c's input of every join that has one, and of the last join of each block.
std::vector<FractalJoin> fractal_joins(const Graph& graph);

}  // namespace fovea
