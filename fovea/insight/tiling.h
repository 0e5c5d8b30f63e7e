// How a picture is dealt out to tiles so that every position of every layer is computed exactly as in the whole.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "fovea/graph/graph.h"

namespace fovea {

struct TilingSettings {
  // Bytes that everything here may take together: activations, prepared weights, targets, the picture, its gradient and
  // `held`. The whole picture where it fits, else the largest tile that does. 0: no limit.
  size_t memory = 0;
  size_t held = 0;   // bytes that the caller holds besides: an optimiser's state, averages
  int64_t tile = 0;  // rows and columns of a tile with its halo, at most; 0: as memory says
};

// One axis of a picture. All tiles have the same length; tile k reads the pixels [starts[k], starts[k] + length) and
// owns those of [borders[k], borders[k+1]). A tile at the picture's end ends there, so that padding counts at the
// picture's own border and nowhere else.
struct AxisTiles {
  int64_t length = 0;
  std::vector<int64_t> starts;
  std::vector<int64_t> borders;  // first 0, last the picture's size
};

struct Tiling {
  bool tiled = false;
  AxisTiles rows, columns;
  int64_t halo = 0;      // the widest band that a tile reads and does not own, in pixels
  bool aligned = false;  // tiles compute the same bits as the whole, where the same algorithms are chosen
  int64_t count() const { return static_cast<int64_t>(rows.starts.size() * columns.starts.size()); }
};

// Positions [begin, end) of a layer along one axis.
struct Positions {
  int64_t begin = 0, end = 0;
  int64_t count() const { return end - begin; }
};

// How the positions of layers follow from the pixels of one axis, in a graph for pictures of some length. A layer's
// position j stands at the pixel j · stride of the axis.
struct LayerAxis {
  int64_t stride = 1;
  int64_t length = 0;  // positions
  Positions exact;     // those computed from the pixels alone, with no padding but at the ends that are the picture's
};

// The layers' axes (0: rows, 1: columns) where the graph's pictures (values with a position for each pixel, such as the
// levels and the network's input made of them) are cut out of larger ones; `begins` and `ends` say
// which of its ends are the larger one's own. Throws Error{unsupported} naming the node when an operator on the way is
// none of those that look through windows (convolution and pooling), at single positions, or at edges (pad).
std::vector<LayerAxis> layer_axes(const Graph& graph, std::span<const Value> pictures, std::span<const Value> layers,
                                  int axis, bool begins, bool ends);

// Which lengths a tile may have along an axis, and what tiles of a length own.
class TileRules {
 public:
  // `inside`: the layers of a tile of `length` pixels none of whose ends is the picture's, all with some exact
  // positions. Tiles start at multiples of `step`, a multiple of every layer's stride.
  TileRules(std::span<const LayerAxis> inside, int64_t length, int64_t step);

  // The lengths of tiles of a picture of `size` pixels, shortest first: all congruent to the size modulo the step, and
  // shorter than it. Empty where no tile is.
  std::vector<int64_t> lengths(int64_t size) const;
  // The tiles of one of these lengths; of the size itself: one.
  AxisTiles tiles(int64_t size, int64_t length) const;
  int64_t lead() const { return lead_; }
  int64_t trail() const { return trail_; }

 private:
  int64_t step_, stride_ = 1;  // what tiles start at multiples of, and what the borders of what they own are
  int64_t lead_ = 0;           // pixels from a tile's start to the first that it can own, unless it is the picture's
  int64_t trail_ = 0;          // from the last that it can own to its end, unless that is the picture's
};

// The positions of a layer that a tile owns, counted from the layer's first in the whole picture, of which there are
// `layer_length`: each belongs to exactly one tile.
Positions owned(const AxisTiles& tiles, size_t tile, int64_t stride, int64_t layer_length);

}  // namespace fovea
