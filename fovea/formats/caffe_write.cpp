// Nodes are written from the last to the first, so that a layer that stands for two nodes can take in the one before
// it.
#include "fovea/formats/caffe_write.h"

#include <google/protobuf/text_format.h>

#include <algorithm>
#include <cstring>

#include "fovea/base/bytes.h"
#include "fovea/base/error.h"
#include "fovea/formats/caffe_emit.h"
#include "fovea/formats/onnx_meaning.h"
#include "fovea/formats/plain_graph.h"
#include "fovea/graph/op.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

const Tensor& weight_of(const Node& node, const Weights& weights) {
  const auto found = weights.find(node.name);
  require(found != weights.end(), ErrorKind::usage, "the weight \"{}\" is missing", node.name);
  require(Type{found->second.dtype(), found->second.shape()} == node.outputs[0], ErrorKind::usage,
          "the weight \"{}\" is {}[{}], expected {}", node.name, to_string(found->second.dtype()),
          to_string(found->second.shape()), to_string(node.outputs[0]));
  return found->second;
}

class Writer {
 public:
  explicit Writer(const Model& model) : model_(model), to_{graph_, model.weights, {}, {}, {}, {}, {}} {
    graph_ = plain_graph(model.graph, [](std::string_view op) { return find_caffe_emitter(op) != nullptr; });
  }

  CaffeFiles write() {
    to_.readers = uses(graph_);
    to_.merged.assign(static_cast<size_t>(graph_.size()), false);
    const std::vector<Value> wants = this->wants();
    const std::vector<bool> needed = reachable(graph_, wants);
    choose_blobs(needed);
    std::vector<google::protobuf::RepeatedPtrField<caffe::LayerParameter>> layers(static_cast<size_t>(graph_.size()));
    for (int i = graph_.size(); i-- > 0;) {
      if (!needed[static_cast<size_t>(i)] || to_.merged[static_cast<size_t>(i)]) continue;
      add_node(i);
      layers[static_cast<size_t>(i)].Swap(to_.network.mutable_layer());
      to_.network.clear_layer();
    }
    to_.network.set_name(model_.meaning.name.empty() ? "network" : model_.meaning.name);
    for (auto& group : layers)
      for (auto& layer : group) *to_.network.add_layer() = std::move(layer);
    add_copies();
    return serialise();
  }

 private:
  std::vector<Value> wants() const {
    std::vector<Value> result;
    for (const NamedValue& output : graph_.outputs) result.push_back(output.value);
    return result;
  }

  std::string& blob(Value value) {
    return to_.blobs[static_cast<size_t>(value.node)][static_cast<size_t>(value.output)];
  }

  // Inputs keep their names, and so do outputs that nobody else reads: in Caffe what is read is no output. Others are
  // copied at the end.
  void choose_blobs(const std::vector<bool>& needed) {
    to_.blobs.resize(static_cast<size_t>(graph_.size()));
    for (int i = 0; i < graph_.size(); ++i) {
      to_.blobs[static_cast<size_t>(i)].resize(graph_.node(i).outputs.size());
      if (graph_.node(i).op == &ops::input) to_.taken.insert(blob({i, 0}) = graph_.node(i).name);
    }
    for (const NamedValue& output : graph_.outputs) {
      const Value v = output.value;
      require(to_.taken.insert(output.name).second, ErrorKind::unsupported,
              "output \"{}\" cannot be written as Caffe: its name is used twice", output.name);
      const bool read = !to_.readers[static_cast<size_t>(v.node)][static_cast<size_t>(v.output)].empty();
      if (blob(v).empty() && !read) blob(v) = output.name;
      else copies_.emplace_back(v, output.name);
    }
    for (int i = 0; i < graph_.size(); ++i)
      for (size_t k = 0; k < graph_.node(i).outputs.size(); ++k) {
        const Value v{i, static_cast<int>(k)};
        if (!needed[static_cast<size_t>(i)] || !blob(v).empty()) continue;
        std::string name = k == 0 ? graph_.node(i).name : fmt::format("{}:{}", graph_.node(i).name, k);
        while (!to_.taken.insert(name).second) name += "_";
        blob(v) = name;
      }
    for (int i = 0; i < graph_.size(); ++i)
      if (needed[static_cast<size_t>(i)]) to_.taken.insert(graph_.node(i).name);
  }

  void add_node(int index) {
    const Node& node = graph_.node(index);
    CaffeEmission e(to_, index);
    if (graph_.known({index, 0}) || e.numbers(Value{index, 0}))
      return;  // a weight or constant belongs to the layers that read it
    if (node.op == &ops::input) {
      auto& layer = *to_.network.add_layer();
      layer.set_name(node.name);
      layer.set_type("Input");
      layer.add_top(node.name);
      if (node.outputs[0].dtype != DType::f32) e.refuse("Caffe's inputs are f32");
      caffe::BlobShape& shape = *layer.mutable_input_param()->add_shape();
      for (const int64_t size : node.outputs[0].shape) shape.add_dim(size);
      return;
    }
    const CaffeEmitter* emitter = find_caffe_emitter(node.op->name);
    if (!emitter) e.refuse("Caffe has no such layer");
    const auto& readers = to_.readers[static_cast<size_t>(index)];
    for (size_t k = 1; k < readers.size() && node.op->name != "split"; ++k)
      if (!readers[k].empty()) e.refuse("its second output is used");
    emitter->emit(e);
  }

  void add_copies() {
    for (const auto& [value, name] : copies_) {
      auto& layer = *to_.network.add_layer();
      layer.set_name(name);
      layer.set_type("Split");
      layer.add_bottom(blob(value));
      layer.add_top(name);
    }
  }

  CaffeFiles serialise() {
    require(to_.network.ByteSizeLong() < (size_t{1} << 31), ErrorKind::unsupported,
            "the network cannot be written as Caffe: {} bytes are more than 2 GiB", to_.network.ByteSizeLong());
    const std::string binary = to_.network.SerializeAsString();
    CaffeFiles files;
    files.caffemodel.resize(binary.size());
    std::memcpy(files.caffemodel.data(), binary.data(), binary.size());
    for (auto& layer : *to_.network.mutable_layer()) layer.clear_blobs();
    std::string text;
    require(google::protobuf::TextFormat::PrintToString(to_.network, &text), ErrorKind::internal,
            "the prototxt cannot be printed");
    if (model_.meaning.preprocess)
      files.prototxt = fmt::format("# fovea.preprocess: {}\n", to_json(*model_.meaning.preprocess));
    files.prototxt += text;
    return files;
  }

  const Model& model_;
  Graph graph_;
  CaffeWriting to_;
  std::vector<std::pair<Value, std::string>> copies_;
};

}  // namespace

std::optional<Tensor> CaffeEmission::numbers(Value value) const {
  if (!value) return std::nullopt;
  if (const Tensor* known = graph.known(value); known && is_float(known->dtype())) return known->cast(DType::f32);
  const Node& from = graph.node(value);
  if (from.op == &ops::parameter) return weight_of(from, to_.weights).cast(DType::f32);
  const std::string_view op = from.op->name;
  if (op != "reshape" && op != "flatten" && op != "squeeze" && op != "unsqueeze" && op != "identity")
    return std::nullopt;
  const auto before = numbers(from.inputs[0]);
  return before ? std::optional(before->reshaped(graph.shape(value))) : std::nullopt;
}

Tensor CaffeEmission::fixed(size_t i, std::string_view what) const {
  const auto result = numbers(i);
  if (!result) refuse(fmt::format("{} depends on the picture", what));
  return *result;
}

std::string CaffeEmission::blob(Value value) const {
  if (numbers(value)) refuse("it computes with a constant that Caffe has no layer for");
  return to_.blobs[static_cast<size_t>(value.node)][static_cast<size_t>(value.output)];
}

caffe::LayerParameter& CaffeEmission::layer(std::string_view type, const std::vector<Value>& bottoms) {
  std::vector<std::string> names;
  for (const Value bottom : bottoms) names.push_back(blob(bottom));
  auto& result = *to_.network.add_layer();
  result.set_name(node.name);
  result.set_type(std::string(type));
  for (const std::string& name : names) result.add_bottom(name);
  const size_t tops = node.op->name == "split" ? node.outputs.size() : 1;
  for (size_t k = 0; k < tops; ++k) result.add_top(to_.blobs[static_cast<size_t>(index_)][k]);
  return result;
}

caffe::LayerParameter& CaffeEmission::step(std::string_view type, const std::string& name, const std::string& bottom) {
  auto& result = *to_.network.add_layer();
  result.set_name(name);
  result.set_type(std::string(type));
  result.add_bottom(bottom);
  result.add_top(name);
  return result;
}

const Node* CaffeEmission::only(Value value, std::string_view op) const {
  if (graph.node(value).op->name != op) return nullptr;
  for (const NamedValue& output : graph.outputs)
    if (output.value == value) return nullptr;
  const auto& readers = to_.readers[static_cast<size_t>(value.node)][static_cast<size_t>(value.output)];
  return readers.size() == 1 ? &graph.node(value) : nullptr;
}

std::string CaffeEmission::fresh(const std::string& name) {
  std::string result = name;
  while (!to_.taken.insert(result).second) result += "_";
  return result;
}

void CaffeEmission::refuse(std::string_view why) const {
  fail(ErrorKind::unsupported, "node \"{}\" ({}) cannot be written as Caffe: {}", node.name, node.op->name, why);
}

void add_blob(caffe::LayerParameter& layer, const Tensor& numbers) {
  auto& blob = *layer.add_blobs();
  blob.mutable_shape();
  for (const int64_t size : numbers.shape()) blob.mutable_shape()->add_dim(size);
  const auto data = numbers.data<float>();
  blob.mutable_data()->Add(data.begin(), data.end());
}

const CaffeEmitter* find_caffe_emitter(std::string_view op) {
  for (const auto& emitters : {caffe_window_emitters(), caffe_simple_emitters()})
    for (const CaffeEmitter& emitter : emitters)
      if (emitter.op == op) return &emitter;
  return nullptr;
}

CaffeFiles to_caffe(const Model& model) { return Writer(model).write(); }

void write_caffe(const Model& model, const std::filesystem::path& caffemodel, const std::filesystem::path& prototxt) {
  const CaffeFiles files = to_caffe(model);
  write_file(caffemodel, files.caffemodel);
  write_file(prototxt, files.prototxt);
}

}  // namespace fovea
