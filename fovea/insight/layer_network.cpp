#include "fovea/insight/layer_network.h"

#include <map>

#include "fovea/base/error.h"
#include "fovea/insight/parametrisation.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/ops/input.h"
#include "fovea/transform/respecialise.h"

namespace fovea {

namespace {

// The nodes that the layers need, as a graph of their own whose outputs they are.
Graph cut_after(const Model& model, const std::vector<Value>& layers, const std::string& picture) {
  Graph cut;
  const std::vector<bool> keep = reachable(model.graph, layers);
  const Mapping mapping = copy(model.graph, cut, {}, &keep);
  for (const Value v : layers) cut.outputs.push_back({model.graph.node(v).name, mapping(v)});
  for (const Value v : cut.inputs()) {
    const Node& node = cut.node(v);
    require(node.name == picture || node.attributes.as<InputAttributes>().bound, ErrorKind::usage,
            "the network has another input, \"{}\", besides its picture: that is not supported here", node.name);
  }
  require(cut.find(picture) >= 0, ErrorKind::usage, "the layer \"{}\" does not depend on the picture",
          cut.outputs[0].name);
  return cut;
}

Graph for_size(const Graph& cut, const std::string& picture, const Shape& shape) {
  try {
    return respecialise(cut, {{picture, {DType::f32, shape}}});
  } catch (const Error& e) {
    throw Error(ErrorKind::usage,
                fmt::format("the network does not take pictures of {}x{} pixels: {}", shape[3], shape[2], e.message()));
  }
}

}  // namespace

LayerNetwork layer_network(const Model& model, const std::vector<std::string>& layers, int64_t height, int64_t width) {
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "it is not known how pictures become this network's input (see --preprocess)");
  require(height >= 1 && width >= 1, ErrorKind::usage, "a picture of {}x{} pixels, expected 1x1 at least", width,
          height);
  const Preprocess& how = *model.meaning.preprocess;
  const Value picture = picture_input(model);
  const Shape original = model.graph.shape(picture);
  const int64_t channels = level_channels(how);
  require(original.rank() == 4 && original[1] == channels, ErrorKind::usage,
          "the network's input is {}, expected pictures [N,{},H,W]", to_string(original), channels);

  LayerNetwork result;
  const Shape shape{1, channels, height, width};
  result.levels = result.seen = input(result.graph, kLevels, {DType::f32, shape});
  std::vector<Value> wanted;
  for (const std::string& name : layers)
    if (!name.empty()) wanted.push_back(find_layer(model, name));
  std::map<Value, Value> found;  // in the model → here
  if (!wanted.empty()) {
    const std::string picture_name = model.graph.node(picture).name;
    const Graph network = for_size(cut_after(model, wanted, picture_name), picture_name, shape);
    result.seen = network_input(result.graph, result.levels, how);
    const Mapping mapping = copy(network, result.graph, [&](int index, std::span<const Value>) -> std::vector<Value> {
      return network.node(index).name == picture_name ? std::vector<Value>{result.seen} : std::vector<Value>{};
    });
    for (size_t k = 0; k < wanted.size(); ++k) found[wanted[k]] = mapping(network.outputs[k].value);
  }
  size_t next = 0;
  for (const std::string& name : layers) {
    result.layers.push_back(name.empty() ? result.levels : found.at(wanted[next++]));
    const Shape& maps = result.graph.shape(result.layers.back());
    require(maps.rank() == 4 && maps.count() > 0, ErrorKind::usage,
            "layer {} is {} for a picture of {}x{} pixels, expected maps [1,C,h,w]", name, to_string(maps), width,
            height);
  }
  return result;
}

void keep_weights_of(Model& model, const std::vector<std::string>& layers) {
  std::vector<Value> wanted;
  try {
    for (const std::string& name : layers) wanted.push_back(find_layer(model, name));
  } catch (const Error&) {
    return;  // whoever looks at the layers will say what is wrong
  }
  const std::vector<bool> needed = reachable(model.graph, wanted);
  for (size_t k = 0; k < needed.size(); ++k)
    if (!needed[k]) model.weights.erase(model.graph.node(static_cast<int>(k)).name);
}

}  // namespace fovea
