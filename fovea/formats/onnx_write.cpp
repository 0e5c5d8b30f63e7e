// The graph is written by protobuf; the weights are appended to its bytes by hand, so that they are copied once and
// aligned: a field of a message may stand anywhere in it. Padding is a doc_string of blanks before the data.
#include "fovea/formats/onnx_write.h"

#include <cstring>

#include "fovea/formats/onnx_emit.h"
#include "fovea/formats/onnx_meaning.h"
#include "fovea/formats/plain_graph.h"
#include "fovea/formats/protobuf_wire.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

constexpr size_t kAlignment = 64;

size_t varint_size(uint64_t value) {
  size_t size = 1;
  for (; value >= 0x80; value >>= 7) ++size;
  return size;
}

void put_field(std::string& out, uint32_t field, std::string_view bytes) {
  put_varint(out, uint64_t{field} << 3 | 2);
  put_varint(out, bytes.size());
  out += bytes;
}

// An initializer field up to its raw data, which are to begin at a multiple of kAlignment when the field begins at
// `at`.
std::string initializer_head(const std::string& name, const Tensor& tensor, size_t at) {
  std::string head;
  for (const int64_t size : tensor.shape()) {
    put_varint(head, 1 << 3);
    put_varint(head, static_cast<uint64_t>(size));
  }
  put_varint(head, 2 << 3);
  put_varint(head, static_cast<uint64_t>(dtype_to_onnx(tensor.dtype())));
  put_field(head, 8, name);
  std::string data_head;
  put_varint(data_head, 9 << 3 | 2);
  put_varint(data_head, tensor.bytes());
  for (size_t blanks = 0;; ++blanks) {
    std::string body = head;
    if (blanks > 0) put_field(body, 12, std::string(blanks, ' '));
    body += data_head;
    std::string field;
    put_varint(field, 5 << 3 | 2);
    put_varint(field, body.size() + tensor.bytes());
    field += body;
    if (tensor.bytes() < kPayloadThreshold || (at + field.size()) % kAlignment == 0 || blanks > 2 * kAlignment)
      return field;
  }
}

class Writer {
 public:
  explicit Writer(const Model& model)
      : model_(model),
        graph_(plain_graph(model.graph, [](std::string_view op) { return find_onnx_emitter(op) != nullptr; })) {}

  std::vector<std::byte> write() {
    uses_ = uses(graph_);
    choose_names();
    add_interface();
    const std::vector<bool> needed = reachable(graph_, wants());
    for (int i = 0; i < graph_.size(); ++i)
      if (needed[static_cast<size_t>(i)]) add_node(i);
    for (const auto& [value, output] : copies_) {
      onnx::NodeProto& node = *proto_.add_node();
      node.set_op_type("Identity");
      node.set_name(output);
      node.add_input(name(value));
      node.add_output(output);
    }
    return assemble();
  }

 private:
  std::vector<Value> wants() const {
    std::vector<Value> result;
    for (const NamedValue& output : graph_.outputs) result.push_back(output.value);
    return result;
  }

  const std::string& name(Value value) const {
    return names_[static_cast<size_t>(value.node)][static_cast<size_t>(value.output)];
  }
  bool is_leaf(int index) const {
    return graph_.node(index).op == &ops::input || graph_.node(index).op == &ops::parameter;
  }

  // Inputs, weights and outputs keep their names; other values are named after their node.
  void choose_names() {
    names_.resize(static_cast<size_t>(graph_.size()));
    for (int i = 0; i < graph_.size(); ++i) {
      names_[static_cast<size_t>(i)].resize(graph_.node(i).outputs.size());
      if (!is_leaf(i)) continue;
      names_[static_cast<size_t>(i)][0] = graph_.node(i).name;
      taken_.insert(graph_.node(i).name);
    }
    for (const NamedValue& output : graph_.outputs) {
      std::string& chosen = names_[static_cast<size_t>(output.value.node)][static_cast<size_t>(output.value.output)];
      if (chosen == output.name) continue;
      require(taken_.insert(output.name).second, ErrorKind::unsupported,
              "output \"{}\" cannot be written as ONNX: its name is used twice", output.name);
      if (chosen.empty()) chosen = output.name;
      else copies_.emplace_back(output.value, output.name);
    }
    for (int i = 0; i < graph_.size(); ++i)
      for (size_t k = 0; k < names_[static_cast<size_t>(i)].size(); ++k) {
        std::string& chosen = names_[static_cast<size_t>(i)][k];
        const std::string stem = k == 0 ? graph_.node(i).name : fmt::format("{}:{}", graph_.node(i).name, k);
        for (int suffix = 1; chosen.empty(); ++suffix) {
          const std::string candidate = suffix == 1 ? stem : fmt::format("{}_{}", stem, suffix);
          if (taken_.insert(candidate).second) chosen = candidate;
        }
      }
  }

  static void describe(onnx::ValueInfoProto& info, const std::string& name, const Type& type) {
    info.set_name(name);
    auto& tensor = *info.mutable_type()->mutable_tensor_type();
    tensor.set_elem_type(dtype_to_onnx(type.dtype));
    tensor.mutable_shape();
    for (const int64_t size : type.shape) tensor.mutable_shape()->add_dim()->set_dim_value(size);
  }

  void add_interface() {
    proto_.set_name(model_.meaning.name.empty() ? "network" : model_.meaning.name);
    for (const Value value : graph_.inputs()) describe(*proto_.add_input(), name(value), graph_.type(value));
    for (const NamedValue& output : graph_.outputs)
      describe(*proto_.add_output(), output.name, graph_.type(output.value));
  }

  void add_node(int index) {
    const Node& node = graph_.node(index);
    if (is_leaf(index)) return;
    std::vector<bool> used;
    for (const auto& users : uses_[static_cast<size_t>(index)]) used.push_back(!users.empty());
    for (const NamedValue& output : graph_.outputs)
      if (output.value.node == index) used[static_cast<size_t>(output.value.output)] = true;
    OnnxEmission emission(graph_, index, proto_, names_, taken_, std::move(used));
    const OnnxEmitter* emitter = find_onnx_emitter(node.op->name);
    if (!emitter) emission.refuse("it has no form there");
    emitter->emit(emission);
  }

  const Tensor& weight(int index) const {
    const Node& node = graph_.node(index);
    const auto found = model_.weights.find(node.name);
    require(found != model_.weights.end(), ErrorKind::usage, "the weight \"{}\" is missing", node.name);
    require(Type{found->second.dtype(), found->second.shape()} == node.outputs[0], ErrorKind::usage,
            "the weight \"{}\" is {}[{}], expected {}", node.name, to_string(found->second.dtype()),
            to_string(found->second.shape()), to_string(node.outputs[0]));
    return found->second;
  }

  // The model without its graph, the graph's field, then the weights at the graph's end.
  std::vector<std::byte> assemble() const {
    onnx::ModelProto shell;
    shell.set_ir_version(8);
    shell.set_producer_name("fovea");
    shell.add_opset_import()->set_version(kOnnxWrittenOpset);
    shell.mutable_opset_import(0)->set_domain("");
    write_meaning(model_, shell);
    std::string front = shell.SerializeAsString();
    const std::string graph = proto_.SerializeAsString();
    put_varint(front, 7 << 3 | 2);
    for (size_t width = 1;; ++width) {
      const size_t begin = front.size() + width;
      size_t end = begin + graph.size();
      std::vector<std::pair<std::string, const Tensor*>> weights;
      for (int i = 0; i < graph_.size(); ++i) {
        if (graph_.node(i).op != &ops::parameter) continue;
        const Tensor& tensor = weight(i);
        weights.emplace_back(initializer_head(graph_.node(i).name, tensor, end), &tensor);
        end += weights.back().first.size() + tensor.bytes();
      }
      if (varint_size(end - begin) != width) continue;
      require(end < (uint64_t{1} << 31), ErrorKind::unsupported,
              "the network cannot be written as ONNX: {} bytes are more than 2 GiB", end);
      std::string head = front;
      put_varint(head, end - begin);
      return join(head + graph, weights, end);
    }
  }

  static std::vector<std::byte> join(const std::string& head,
                                     const std::vector<std::pair<std::string, const Tensor*>>& weights, size_t size) {
    std::vector<std::byte> file(size);
    std::byte* to = file.data();
    const auto put = [&](const void* from, size_t bytes) {
      if (bytes > 0) std::memcpy(to, from, bytes);
      to += bytes;
    };
    put(head.data(), head.size());
    for (const auto& [field, tensor] : weights) {
      put(field.data(), field.size());
      put(tensor->raw(), tensor->bytes());
    }
    return file;
  }

  const Model& model_;
  Graph graph_;
  onnx::GraphProto proto_;
  std::vector<std::vector<std::string>> names_;  // by node and output
  std::unordered_set<std::string> taken_;
  std::vector<std::vector<std::vector<Use>>> uses_;
  std::vector<std::pair<Value, std::string>> copies_;  // outputs that are other values under a second name
};

}  // namespace

std::vector<std::byte> write_onnx(const Model& model) { return Writer(model).write(); }

void write_onnx(const Model& model, const std::filesystem::path& path) { write_file(path, write_onnx(model)); }

}  // namespace fovea
