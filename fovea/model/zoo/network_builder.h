// How the zoo's networks are written down: layers by name, with parameters named as in PyTorch's checkpoints.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "fovea/graph/graph.h"
#include "fovea/ops/average_pool.h"
#include "fovea/ops/conv.h"
#include "fovea/ops/lrn.h"
#include "fovea/ops/max_pool.h"

namespace fovea {

// What may differ from the published network. 0 means as published.
struct ZooOptions {
  int64_t classes = 0;            // of the last layer
  int64_t channels = 0;           // of the input picture
  int64_t height = 0, width = 0;  // of the input picture
  int64_t batch = 1;
  bool heads = false;  // with the auxiliary classifiers that are used in training (outputs "aux1", "aux2")
};

struct ConvLayer {
  Ints stride, pad, dilation;  // as in ConvAttributes
  int64_t groups = 1;
  bool bias = true;
};

// Appends layers to a graph. Each layer's node bears the layer's name; its parameters are "<name>.weight",
// "<name>.bias" and, for batch norm, "<name>.running_mean" and "<name>.running_var". Values are [N,C,H,W] unless said.
class NetworkBuilder {
 public:
  NetworkBuilder(const ZooOptions& options, const Shape& input, int64_t classes);  // input: the published C,H,W

  Graph graph;
  std::vector<std::pair<std::string, std::string>> aliases;  // other name of a layer → its node
  const ZooOptions options;
  const int64_t classes;

  // The picture input, "input" [N,C,H,W].
  Value input();
  // A weight of this name and shape.
  Value parameter(const std::string& name, Shape shape);

  Value conv(const std::string& name, Value x, int64_t out, Ints kernel, const ConvLayer& layer = {});
  Value batch_norm(const std::string& name, Value x, double epsilon = 1e-5);
  Value relu(const std::string& name, Value x);
  // A window with one kernel size is as large on every axis.
  Value max_pool(const std::string& name, Value x, MaxPoolAttributes window);
  Value average_pool(const std::string& name, Value x, AveragePoolAttributes window);
  // The average of each plane → [N,C,1,1].
  Value global_average_pool(const std::string& name, Value x);
  // Across channels; alpha is divided by the size of the window, see ops/lrn.h.
  Value lrn(const std::string& name, Value x, const LrnAttributes& window = {});
  // Along the channels.
  Value concat(const std::string& name, std::vector<Value> parts);
  // Along the last axis.
  Value softmax(const std::string& name, Value x);
  // x [N,...] is flattened when it is not a matrix → [N,out].
  Value linear(const std::string& name, Value x, int64_t out, bool bias = true);
  Value dropout(const std::string& name, Value x, double rate = 0.5);
  // Gives the node of a value built with other functions a layer's name; returns it.
  Value named(std::string name, Value x);
  // Another name for the node of a value: "relu4_2" of VGG's "features.22".
  void alias(std::string other, Value x);
  // What the network computes; the class scores are "scores", logits unless the architecture says otherwise.
  void output(std::string name, Value x);

  int64_t channels(Value x) const { return graph.shape(x)[1]; }

 private:
  Shape input_;
};

}  // namespace fovea
