#include "fovea/formats/onnx_meaning.h"

#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "fovea/graph/op.h"
#include "fovea/model/preprocess.h"

namespace fovea {

namespace {

using Json = nlohmann::json;

constexpr std::string_view kPrefix = "fovea.";

// Metadata that tell of a file, not of the network in it: made anew by whoever reads the file that we write.
bool is_of_the_file(std::string_view key) { return key == "producer" || key == "opset" || key == "free sizes"; }

bool is_picture(const Type& type) {
  return type.dtype == DType::f32 && type.shape.rank() == 4 && (type.shape[1] == 1 || type.shape[1] == 3) &&
         type.shape[2] > 1 && type.shape[3] > 1;
}

// Scores: [N,K], or [N,K,1,1], with at least two classes.
bool is_scores(const Type& type) {
  const Shape& s = type.shape;
  return is_float(type.dtype) && s.rank() >= 2 && s[1] >= 2 && s.count(2, s.rank()) == 1;
}

// Whether a value is a softmax, seen through operators that only reshape.
bool is_softmax(const Graph& graph, Value value) {
  for (int depth = 0; value && depth < 16; ++depth) {
    const Node& node = graph.node(value);
    if (node.op->name == "softmax") return true;
    if (node.op->name != "reshape" && node.op->name != "flatten" && node.op->name != "squeeze" &&
        node.op->name != "identity")
      return false;
    value = node.inputs[0];
  }
  return false;
}

// What is assumed when the file says nothing. CNTK's networks of one channel, such as its MNIST example, take 0..255.
Preprocess conventional(const Shape& input, const std::string& producer) {
  return producer == "CNTK" && input[1] == 1 ? preset("mnist", input[2], input[3]) : assumed_preprocess(input);
}

std::vector<std::string> lines(std::string_view text) {
  std::vector<std::string> result;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    result.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return result;
}

// Takes in one metadata property; false when it is not one of ours.
bool take(Meaning& m, const std::string& key, const std::string& value) {
  if (!key.starts_with(kPrefix)) return false;
  const std::string name = key.substr(kPrefix.size());
  if (name == "name") m.name = value;
  else if (name == "source") m.source = value;
  else if (name == "licence") m.licence = value;
  else if (name == "description") m.description = value;
  else if (name == "input") m.input = value;
  else if (name == "scores") m.scores = value;
  else if (name == "classes") m.classes = lines(value);
  else if (name == "preprocess") m.preprocess = preprocess_from_json(value), m.preprocess_stated = true;
  else return false;
  return true;
}

std::string conventional_name(const onnx::ModelProto& proto, const std::string& label) {
  const std::string& name = proto.graph().name();
  static constexpr std::string_view kMeaningless[] = {
      "", "graph", "torch_jit", "torch-jit-export", "main_graph", "CNTKGraph", "model", "onnx-model", "tf2onnx"};
  for (const std::string_view generic : kMeaningless) {
    if (name != generic) continue;
    const std::filesystem::path path(label);
    const std::string stem = path.stem().string();
    return stem == "model" && path.has_parent_path() ? path.parent_path().filename().string() : stem;
  }
  return name;
}

template <class T>
void read_field(const Json& json, const char* name, T& field) {
  if (json.contains(name)) field = json.at(name).get<T>();
}

}  // namespace

Preprocess preprocess_from_json(const std::string& text) {
  Preprocess p;
  try {
    const Json json = Json::parse(text);
    require(json.is_object(), ErrorKind::format, "preprocessing is not a JSON object");
    read_field(json, "name", p.name);
    read_field(json, "colour", p.colour);
    read_field(json, "scale", p.scale);
    read_field(json, "mean", p.mean);
    read_field(json, "std", p.std);
    read_field(json, "resize", p.resize);
    read_field(json, "filter", p.filter);
    read_field(json, "size", p.size);
    read_field(json, "crop_height", p.crop_height);
    read_field(json, "crop_width", p.crop_width);
  } catch (const Json::exception& error) { fail(ErrorKind::format, "preprocessing: {}", error.what()); }
  constexpr int64_t kMost = 1 << 16;
  require(p.size >= 1 && p.size <= kMost && p.crop_height >= 1 && p.crop_height <= kMost && p.crop_width >= 1 &&
              p.crop_width <= kMost,
          ErrorKind::format, "preprocessing: size {} and crop {}x{} must be between 1 and {}", p.size, p.crop_height,
          p.crop_width, kMost);
  return p;
}

std::string to_json(const Preprocess& p) {
  nlohmann::ordered_json json;
  json["name"] = p.name;
  json["colour"] = p.colour;
  json["scale"] = p.scale;
  json["mean"] = p.mean;
  json["std"] = p.std;
  json["resize"] = p.resize;
  json["filter"] = p.filter;
  json["size"] = p.size;
  json["crop_height"] = p.crop_height;
  json["crop_width"] = p.crop_width;
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

void read_meaning(const onnx::ModelProto& proto, const std::string& label, Model& model) {
  Meaning& m = model.meaning;
  m.name = conventional_name(proto, label);
  if (!proto.producer_name().empty())
    m.metadata.emplace_back(
        "producer", proto.producer_name() + (proto.producer_version().empty() ? "" : " " + proto.producer_version()));
  m.description = proto.doc_string();
  for (const auto& entry : proto.metadata_props())
    if (!take(m, entry.key(), entry.value()) && !is_of_the_file(entry.key()))
      m.metadata.emplace_back(entry.key(), entry.value());
  const Graph& graph = model.graph;
  if (m.input.empty())
    for (const Value input : graph.inputs())
      if (m.input.empty() && is_picture(graph.type(input))) m.input = graph.node(input).name;
  const int input = m.input.empty() ? -1 : graph.find(m.input);
  if (input < 0) m.input.clear();
  else if (!m.preprocess && is_picture(graph.type({input, 0})))
    m.preprocess = conventional(graph.shape({input, 0}), proto.producer_name());
  for (const NamedValue& output : graph.outputs) {
    const bool chosen =
        m.scores.empty() ? m.preprocess.has_value() && is_scores(graph.type(output.value)) : m.scores == output.name;
    if (!chosen) continue;
    m.scores = output.name;
    m.probabilities = is_softmax(graph, output.value);
    return;
  }
  m.scores.clear();
}

void write_meaning(const Model& model, onnx::ModelProto& proto) {
  const Meaning& m = model.meaning;
  const auto say = [&](std::string key, std::string value) {
    if (value.empty()) return;
    auto* entry = proto.add_metadata_props();
    entry->set_key(std::move(key));
    entry->set_value(std::move(value));
  };
  say("fovea.name", m.name);
  say("fovea.source", m.source);
  say("fovea.licence", m.licence);
  say("fovea.input", m.input);
  say("fovea.scores", m.scores);
  if (m.preprocess) say("fovea.preprocess", to_json(*m.preprocess));
  if (!m.classes.empty()) say("fovea.classes", fmt::format("{}", fmt::join(m.classes, "\n")));
  std::set<std::string> said;  // ONNX allows each key once
  for (const auto& [key, value] : m.metadata)
    if (!is_of_the_file(key) && said.insert(key).second) say(key, value);
  proto.set_doc_string(m.description);
}

}  // namespace fovea
