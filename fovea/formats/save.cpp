#include "fovea/formats/save.h"

#include <fmt/ranges.h>

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/formats/caffe_write.h"
#include "fovea/formats/onnx_write.h"
#include "fovea/formats/weights_write.h"
#include "fovea/graph/op.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

// The same network with f16 weights that are converted back where they are used.
Model with_half_weights(const Model& model) {
  Model result;
  result.meaning = model.meaning;
  result.weights = model.weights;
  const Replace replace = [&](int index, std::span<const Value>) -> std::vector<Value> {
    const Node& node = model.graph.node(index);
    if (node.op != &ops::parameter || node.outputs[0].dtype != DType::f32) return {};
    const Value half = parameter(result.graph, node.name, {DType::f16, node.outputs[0].shape});
    return {cast(result.graph, half, DType::f32)};
  };
  const Mapping map = copy(model.graph, result.graph, replace);
  for (const NamedValue& output : model.graph.outputs) result.graph.outputs.push_back({output.name, map(output.value)});
  for (const Value p : result.graph.parameters()) {
    if (result.graph.dtype(p) != DType::f16) continue;
    const std::string& name = result.graph.node(p).name;
    Tensor& weight = result.weights[name];
    weight = halved(name, weight);
  }
  return result;
}

// The network's own order, then what the file held beyond it.
std::vector<std::string> order_of(const Model& model) {
  std::vector<std::string> order;
  for (const Value p : model.graph.parameters()) order.push_back(model.graph.node(p).name);
  for (const auto& [name, tensor] : model.weights)
    if (std::find(order.begin(), order.end(), name) == order.end()) order.push_back(name);
  return order;
}

}  // namespace

const std::vector<std::string>& saved_endings() {
  static const std::vector<std::string> endings = {".onnx", ".pth", ".pt", ".safetensors", ".npz", ".caffemodel"};
  return endings;
}

std::vector<std::filesystem::path> save_model(const Model& model, const std::filesystem::path& path,
                                              const SaveOptions& options) {
  const std::string ending = path.extension().string();
  const auto& endings = saved_endings();
  require(std::find(endings.begin(), endings.end(), ending) != endings.end(), ErrorKind::usage,
          "{}: cannot write files of this ending, only {}", path.string(), fmt::join(endings, ", "));
  if (ending == ".onnx") {
    write_onnx(options.half ? with_half_weights(model) : model, path);
    return {path};
  }
  if (ending == ".caffemodel") {
    require(!options.half, ErrorKind::usage, "{}: Caffe files hold f32 only", path.string());
    std::filesystem::path prototxt = path;
    prototxt.replace_extension(".prototxt");
    write_caffe(model, path, prototxt);
    return {path, prototxt};
  }
  std::map<std::string, std::string> metadata;
  if (!model.meaning.architecture.empty()) metadata["architecture"] = model.meaning.architecture;
  write_weights(model.weights, order_of(model), metadata, path, options.half);
  return {path};
}

}  // namespace fovea
