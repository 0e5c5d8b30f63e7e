// What the functions that turn single layers of Caffe into ours work with.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "caffe.pb.h"
#include "fovea/graph/graph.h"

namespace fovea {

// What the layers of one network share.
struct CaffeNetwork {
  Graph graph;
  std::map<std::string, Value> shared;   // parameters by the name that `param { name: }` gives them
  std::map<std::string, double> starts;  // parameters that begin with one value when the network is untrained
  std::map<std::pair<int64_t, bool>, Value> filled;  // constant vectors of ones (true) and zeros, by size
  size_t filled_bytes = 0;
};

// One layer: its settings and the values of its bottoms.
class CaffeLayer {
 public:
  CaffeLayer(CaffeNetwork& network, const caffe::LayerParameter& layer, std::vector<Value> values)
      : graph(network.graph), proto(layer), bottoms(std::move(values)), network_(network) {}

  Graph& graph;
  const caffe::LayerParameter& proto;
  const std::vector<Value> bottoms;

  Value in(size_t i = 0) const { return bottoms[i]; }
  const Shape& shape(size_t i = 0) const { return graph.shape(bottoms[i]); }
  int64_t rank(size_t i = 0) const { return shape(i).rank(); }
  // An axis in [0, rank], counted from the end where negative; rank itself only with `end`. Throws Error{format}.
  int64_t axis(int64_t value, bool end = false) const;
  // The parameter that is blob `blob` of this layer, or the one that it shares with a layer before. `start`: its value
  // in an untrained network, where how it is used does not tell.
  Value parameter(int blob, Shape shape, double start = 0);
  // A constant vector of ones or zeros.
  Value filled(int64_t size, bool ones);

 private:
  CaffeNetwork& network_;
};

// The values of the tops, in order.
using CaffeLowering = std::vector<Value> (*)(CaffeLayer&);

struct CaffeType {
  std::string_view name;
  CaffeLowering lower;
  int least = 1, most = 1;  // bottoms
};

// The tables, one a family of layers.
std::span<const CaffeType> caffe_window_types();
std::span<const CaffeType> caffe_elementwise_types();
std::span<const CaffeType> caffe_shape_types();
std::span<const CaffeType> caffe_normalise_types();

// Null when fovea does not know the type.
const CaffeType* find_caffe_type(std::string_view name);

// The result of a Caffe pooling window on one axis, as fovea says it.
struct CaffePoolAxis {
  int64_t kernel, output;
};
// Caffe's rule: the number of windows is rounded up (or down); of a padded picture the last window must begin inside
// the picture or the padding before it. A window larger than the padded picture is cut. Throws Error{shape} for a
// window that does not fit, Error{unsupported} where Caffe would pool nothing.
CaffePoolAxis caffe_pool_axis(int64_t input, int64_t kernel, int64_t stride, int64_t pad, bool padded, bool floor);

}  // namespace fovea
