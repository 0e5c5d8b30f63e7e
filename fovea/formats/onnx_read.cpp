#include "fovea/formats/onnx_read.h"

#include <array>
#include <unordered_map>
#include <unordered_set>

#include "fovea/formats/onnx_meaning.h"
#include "fovea/formats/onnx_node.h"
#include "fovea/graph/op.h"
#include "fovea/ops/cast.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

// Values computed while reading (shape arithmetic) may take this many bytes together; a bound for hostile files.
constexpr size_t kMostKnownBytes = size_t{1} << 29;
// Integer tensors up to this size are constants: shapes, axes, indices. It is what Graph computes with while building.
constexpr int64_t kSmall = 1 << 14;

// Operators that compute in f32: 16-bit operands are converted before and the result after.
constexpr std::array<std::string_view, 17> kWidened = {"AveragePool",
                                                       "BatchNormalization",
                                                       "Conv",
                                                       "ConvTranspose",
                                                       "Gemm",
                                                       "GlobalAveragePool",
                                                       "GlobalLpPool",
                                                       "GlobalMaxPool",
                                                       "GroupNormalization",
                                                       "InstanceNormalization",
                                                       "LRN",
                                                       "LayerNormalization",
                                                       "LogSoftmax",
                                                       "LpPool",
                                                       "MatMul",
                                                       "MaxPool",
                                                       "Softmax"};

// Inputs whose values must be known while building, by operator; -1: all of them.
int first_known_input(std::string_view op) {
  static constexpr std::pair<std::string_view, int> kFirst[] = {
      {"Clip", 1},      {"ConstantOfShape", 0}, {"Dropout", 1},      {"Expand", 1},
      {"MaxUnpool", 2}, {"OneHot", 1},          {"Pad", 1},          {"Range", 0},
      {"ReduceL1", 1},  {"ReduceL2", 1},        {"ReduceLogSum", 1}, {"ReduceLogSumExp", 1},
      {"ReduceMax", 1}, {"ReduceMean", 1},      {"ReduceMin", 1},    {"ReduceProd", 1},
      {"ReduceSum", 1}, {"ReduceSumSquare", 1}, {"Reshape", 1},      {"Resize", 1},
      {"Slice", 1},     {"Split", 1},           {"Squeeze", 1},      {"Tile", 1},
      {"TopK", 1},      {"Unsqueeze", 1},       {"Upsample", 1}};
  for (const auto& [name, first] : kFirst)
    if (name == op) return first;
  return INT32_MAX;
}

using Names = std::unordered_set<std::string>;

// The values that must be known while building: what determines shapes, and what those are computed from. Shape and
// Size end the search.
Names values_to_know(const onnx::GraphProto& graph) {
  Names known;
  for (int i = graph.node_size(); i-- > 0;) {
    const onnx::NodeProto& node = graph.node(i);
    bool all = false;
    for (const std::string& output : node.output()) all = all || known.contains(output);
    all = all && node.op_type() != "Shape" && node.op_type() != "Size";
    for (int k = all ? 0 : std::min(first_known_input(node.op_type()), node.input_size()); k < node.input_size(); ++k)
      known.insert(node.input(k));
  }
  known.erase("");
  return known;
}

class Reader {
 public:
  Reader(const Bytes& file, const OnnxOptions& options)
      : file_(file),
        options_(options),
        proto_(parse_onnx_model(file)),
        source_{file, std::filesystem::path(file.label()).parent_path()} {
    if (!file.label().empty() && source_.folder.empty()) source_.folder = ".";
  }

  Model read() {
    require(proto_.has_graph() && proto_.graph().node_size() + proto_.graph().output_size() > 0, ErrorKind::format,
            "{}: not an ONNX model: it is {}", file_.label(), looks_like(file_));
    find_opset();
    check_names();
    known_names_ = values_to_know(proto_.graph());
    within(fmt::format("{}", file_.label()), [&] { add_inputs(); });
    for (const onnx::TensorProto& tensor : proto_.graph().initializer())
      within(file_.label(), [&] { add_weight(tensor.name(), tensor_from_onnx(tensor, source_), false); });
    for (const onnx::NodeProto& node : proto_.graph().node()) add_node(node);
    within(file_.label(), [&] {
      add_outputs();
      for (const onnx::ValueInfoProto& info : proto_.graph().value_info()) check_declared(info);
      read_meaning(proto_, file_.label(), model_);
    });
    model_.meaning.metadata.emplace_back("opset", std::to_string(opset_));
    if (!free_sizes_.empty()) model_.meaning.metadata.emplace_back("free sizes", free_sizes_);
    return std::move(model_);
  }

 private:
  template <class F>
  void within(const std::string& where, F&& f) {
    try {
      f();
    } catch (const Error& error) { throw error.within(where); }
  }

  void find_opset() {
    for (const auto& set : proto_.opset_import())
      if (set.domain().empty() || set.domain() == "ai.onnx") opset_ = set.version();
    require(opset_ >= 1, ErrorKind::format, "{}: operator set {} does not exist", file_.label(), opset_);
    require(opset_ <= kOnnxNewestOpset, ErrorKind::unsupported,
            "{}: operator set {} is newer than {}, the newest that fovea reads", file_.label(), opset_,
            kOnnxNewestOpset);
    require(proto_.graph().sparse_initializer_size() == 0, ErrorKind::unsupported,
            "{}: unsupported sparse initializers", file_.label());
  }

  static std::string title(const onnx::NodeProto& node) {
    return fmt::format("node \"{}\" ({})", node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name(),
                       node.op_type());
  }

  // Every value has one origin, and every node's inputs come before it.
  void check_names() {
    const onnx::GraphProto& graph = proto_.graph();
    Names inputs, there;
    for (const auto& input : graph.input())
      require(!input.name().empty() && inputs.insert(input.name()).second, ErrorKind::format,
              "{}: two inputs are named \"{}\"", file_.label(), input.name());
    for (const auto& tensor : graph.initializer())
      require(!tensor.name().empty() && there.insert(tensor.name()).second, ErrorKind::format,
              "{}: two initializers are named \"{}\"", file_.label(), tensor.name());
    there.merge(inputs);
    std::unordered_map<std::string, int> producer;
    for (int i = 0; i < graph.node_size(); ++i)
      for (const std::string& output : graph.node(i).output())
        if (!output.empty())
          require(!there.contains(output) && producer.emplace(output, i).second, ErrorKind::format,
                  "{}: {} computes \"{}\", which exists already", file_.label(), title(graph.node(i)), output);
    for (int i = 0; i < graph.node_size(); ++i)
      for (const std::string& input : graph.node(i).input()) {
        if (input.empty() || there.contains(input)) continue;
        const auto found = producer.find(input);
        require(found != producer.end(), ErrorKind::format, "{}: {}: its input \"{}\" does not exist", file_.label(),
                title(graph.node(i)), input);
        require(found->second < i, ErrorKind::format,
                "{}: {} uses \"{}\" before {} computes it: the graph has a cycle or its nodes are out of order",
                file_.label(), title(graph.node(i)), input, title(graph.node(found->second)));
      }
  }

  // The type an input was declared with, sizes that were left open filled in by convention.
  Type declared_type(const onnx::ValueInfoProto& info) {
    const onnx::TypeProto& type = info.type();
    require(type.has_tensor_type(), ErrorKind::unsupported, "input \"{}\" is {}, unsupported", info.name(),
            type.has_sequence_type()   ? "a sequence"
            : type.has_optional_type() ? "optional"
            : type.has_map_type()      ? "a map"
                                       : "no tensor");
    Type result{dtype_from_onnx(type.tensor_type().elem_type()), {}};
    require(type.tensor_type().has_shape(), ErrorKind::unsupported, "input \"{}\" has no shape; give one", info.name());
    const auto& dims = type.tensor_type().shape().dim();
    const bool picture = dims.size() == 4 && is_float(result.dtype);
    for (int k = 0; k < dims.size(); ++k) {
      if (dims[k].has_dim_value()) {
        result.shape.push_back(dims[k].dim_value());
        continue;
      }
      result.shape.push_back(!picture || k == 0 ? 1 : k == 1 ? 3 : 224);
      free_sizes_ += fmt::format("{}{}[{}]{}={}", free_sizes_.empty() ? "" : " ", info.name(), k,
                                 dims[k].dim_param().empty() ? "" : "=" + dims[k].dim_param(), result.shape.back());
    }
    require(is_sane(result.shape, size_of(result.dtype)), ErrorKind::format,
            "input \"{}\" is {}: negative or overflowing sizes", info.name(), to_string(result));
    return result;
  }

  void add_inputs() {
    Names weights;
    for (const auto& tensor : proto_.graph().initializer()) weights.insert(tensor.name());
    size_t found = 0;
    for (const auto& info : proto_.graph().input()) {
      if (weights.contains(info.name())) continue;
      const auto bound = options_.bound.find(info.name());
      const auto chosen = options_.input_types.find(info.name());
      if (bound != options_.bound.end()) {
        values_[info.name()] = bound_input(model_.graph, info.name(), bound->second);
        overridden_ = true;
      } else if (chosen != options_.input_types.end()) {
        values_[info.name()] = input(model_.graph, info.name(), chosen->second);
        overridden_ = true;
      } else {
        values_[info.name()] = input(model_.graph, info.name(), declared_type(info));
      }
      found += options_.input_types.contains(info.name()) ? 1 : 0;
    }
    for (const auto& [name, type] : options_.input_types)
      require(found == options_.input_types.size() || values_.contains(name), ErrorKind::usage,
              "the network has no input named \"{}\"", name);
  }

  // A tensor of the file becomes a parameter, or a constant where its value is needed now or it is no weight.
  void add_weight(const std::string& name, Tensor tensor, bool from_node) {
    const bool number = tensor.rank() == 0 || (from_node && tensor.count() <= 1);
    const bool small = tensor.count() <= kSmall && (!is_float(tensor.dtype()) || number);
    if (small || (known_names_.contains(name) && tensor.count() <= kSmall)) {
      values_[name] = constant(model_.graph, std::move(tensor), name);
      return;
    }
    const Value value = parameter(model_.graph, name, {tensor.dtype(), tensor.shape()});
    require(model_.graph.node(value).name == name, ErrorKind::format, "the name \"{}\" is used twice", name);
    values_[name] = value;
    model_.weights.emplace(name, std::move(tensor));
  }

  Value look_up(const std::string& name) const {
    if (name.empty()) return {};
    const auto found = values_.find(name);
    require(found != values_.end(), ErrorKind::internal, "\"{}\" is not there", name);
    return found->second;
  }

  void add_node(const onnx::NodeProto& node) {
    const OnnxOperator* op =
        node.domain().empty() || node.domain() == "ai.onnx" ? find_onnx_operator(node.op_type()) : nullptr;
    const std::string name = node.name().empty() && node.output_size() > 0 ? node.output(0) : node.name();
    require(op != nullptr, ErrorKind::unsupported, "unsupported operator {}{} (node \"{}\", {})",
            node.domain().empty() ? "" : node.domain() + ".", node.op_type(), name, file_.label());
    within(fmt::format("{}: {}", file_.label(), title(node)), [&] {
      std::vector<Value> inputs;
      for (const std::string& input : node.input()) inputs.push_back(look_up(input));
      OnnxNode call(model_.graph, node, opset_, std::move(inputs), source_);
      if (opset_ < 6) call.ignore("consumed_inputs");
      if (node.op_type() == "Constant" && call.has_attribute("value")) {
        require(node.output_size() > 0, ErrorKind::format, "no output");
        return add_weight(node.output(0), call.tensor("value"), true);
      }
      const int before = model_.graph.size();
      const std::vector<Value> results = lower(*op, call);
      call.check_attributes();
      bind_outputs(node, name, results, before);
    });
  }

  std::vector<Value> lower(const OnnxOperator& op, OnnxNode& call) {
    const DType narrow = call.has(0) ? call.dtype(0) : DType::f32;
    const bool widen = (narrow == DType::f16 || narrow == DType::bf16) &&
                       std::find(kWidened.begin(), kWidened.end(), op.name) != kWidened.end();
    if (!widen) return op.lower(call);
    Graph& g = model_.graph;
    for (Value& input : call.inputs)
      if (input && is_float(g.dtype(input))) input = cast(g, input, DType::f32);
    std::vector<Value> results = op.lower(call);
    for (Value& result : results)
      if (result && g.dtype(result) == DType::f32 && (result == results[0] || op.name != "LayerNormalization"))
        result = cast(g, result, narrow);
    return results;
  }

  void bind_outputs(const onnx::NodeProto& node, const std::string& name, const std::vector<Value>& results,
                    int before) {
    Graph& graph = model_.graph;
    for (int k = 0; k < node.output_size(); ++k) {
      if (node.output(k).empty()) continue;
      require(k < static_cast<int>(results.size()) && results[static_cast<size_t>(k)], ErrorKind::unsupported,
              "unsupported output {} (\"{}\")", k, node.output(k));
      values_[node.output(k)] = results[static_cast<size_t>(k)];
    }
    for (int i = before; i < graph.size(); ++i)
      for (int k = 0; graph.node(i).op != &ops::constant && k < static_cast<int>(graph.node(i).outputs.size()); ++k)
        if (const Tensor* known = graph.known({i, k})) known_bytes_ += known->bytes();
    require(known_bytes_ <= kMostKnownBytes, ErrorKind::unsupported,
            "the file computes more than {} MiB from constants", kMostKnownBytes >> 20);
    for (int i = before; i < graph.size(); ++i)
      graph.set_origin(i,
                       fmt::format("{} node \"{}\"", std::filesystem::path(file_.label()).filename().string(), name));
    if (results.empty() || !results[0] || results[0].node < before) return;
    const std::string& fallback = node.output_size() > 0 ? node.output(0) : name;
    graph.rename(results[0].node, graph.find(name) < 0 ? name : fallback);
  }

  void add_outputs() {
    Names names;
    require(proto_.graph().output_size() > 0, ErrorKind::format, "the network has no output");
    for (const auto& info : proto_.graph().output()) {
      require(values_.contains(info.name()), ErrorKind::format, "output \"{}\" is computed by no node", info.name());
      require(names.insert(info.name()).second, ErrorKind::format, "two outputs are named \"{}\"", info.name());
      model_.graph.outputs.push_back({info.name(), values_[info.name()]});
      check_declared(info);
    }
  }

  // What the file declares about a value must agree with what is computed; sizes only where no input was changed.
  void check_declared(const onnx::ValueInfoProto& info) const {
    const auto found = values_.find(info.name());
    if (found == values_.end() || !info.type().has_tensor_type()) return;
    const auto& declared = info.type().tensor_type();
    const Type& actual = model_.graph.type(found->second);
    require(declared.elem_type() == 0 || declared.elem_type() == dtype_to_onnx(actual.dtype), ErrorKind::type,
            "\"{}\" is declared as {}, it is {}", info.name(), onnx_type_name(declared.elem_type()), to_string(actual));
    if (!declared.has_shape() || overridden_) return;
    const auto& dims = declared.shape().dim();
    bool agrees = dims.size() == static_cast<int>(actual.shape.size());
    std::vector<std::string> text;
    for (int k = 0; k < dims.size(); ++k) {
      text.push_back(dims[k].has_dim_value()       ? std::to_string(dims[k].dim_value())
                     : dims[k].dim_param().empty() ? "?"
                                                   : dims[k].dim_param());
      agrees = agrees && (!dims[k].has_dim_value() || dims[k].dim_value() == actual.shape[static_cast<size_t>(k)]);
    }
    require(agrees, ErrorKind::shape, "\"{}\" is declared as {}, it is {}", info.name(), fmt::join(text, "x"),
            to_string(actual));
  }

  const Bytes file_;
  const OnnxOptions& options_;
  const onnx::ModelProto proto_;
  TensorSource source_;
  Model model_;
  int64_t opset_ = 1;
  std::unordered_map<std::string, Value> values_;
  Names known_names_;
  std::string free_sizes_;
  size_t known_bytes_ = 0;
  bool overridden_ = false;  // an input's type or value was chosen by the caller
};

}  // namespace

Model read_onnx(const Bytes& file, const OnnxOptions& options) {
  try {
    return Reader(file, options).read();
  } catch (const Error&) { throw; } catch (const std::exception& error) {  // such as memory running out
    fail(ErrorKind::format, "{}: cannot be read: {}", file.label(), error.what());
  }
}

}  // namespace fovea
