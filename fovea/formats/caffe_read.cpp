// A network is a list of layers that read blobs (bottoms) and write blobs (tops) by name, in order; a layer may write a
// blob that it reads. Rules include or exclude layers by phase, level and stage. Labels and what is computed from them
// are left out: they belong to training.
#include "fovea/formats/caffe_read.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <set>

#include "fovea/base/counted.h"
#include "fovea/base/error.h"
#include "fovea/formats/caffe_inputs.h"
#include "fovea/formats/caffe_layer.h"
#include "fovea/formats/caffe_upgrade.h"
#include "fovea/formats/caffe_weights.h"
#include "fovea/formats/caffe_wire.h"
#include "fovea/formats/onnx_meaning.h"
#include "fovea/model/initialise.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/identity.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

// An untrained network may draw this many numbers; a bound for hostile files (VGG-19 has 144 million).
constexpr int64_t kMostDrawn = int64_t{1} << 29;

// Layers that only measure or store: they are left out, and what they read becomes an output where nothing else reads
// it.
constexpr std::array<std::string_view, 7> kMeasures = {
    "Accuracy",  "ContrastiveLoss", "EuclideanLoss",          "HDF5Output",
    "HingeLoss", "InfogainLoss",    "MultinomialLogisticLoss"};

bool meets(const caffe::NetStateRule& rule, const caffe::NetState& state) {
  if (rule.has_phase() && rule.phase() != state.phase()) return false;
  if (rule.has_min_level() && state.level() < rule.min_level()) return false;
  if (rule.has_max_level() && state.level() > rule.max_level()) return false;
  const auto has = [&](const std::string& stage) {
    return std::find(state.stage().begin(), state.stage().end(), stage) != state.stage().end();
  };
  return std::all_of(rule.stage().begin(), rule.stage().end(), has) &&
         std::none_of(rule.not_stage().begin(), rule.not_stage().end(), has);
}

bool is_included(const caffe::LayerParameter& layer, const caffe::NetState& state) {
  const auto met = [&](const caffe::NetStateRule& rule) { return meets(rule, state); };
  require(layer.include_size() == 0 || layer.exclude_size() == 0, ErrorKind::format,
          "layer \"{}\" ({}): expected include or exclude rules, not both", layer.name(), layer.type());
  if (layer.include_size() > 0) return std::any_of(layer.include().begin(), layer.include().end(), met);
  return std::none_of(layer.exclude().begin(), layer.exclude().end(), met);
}

// Whether a layer treats the batch as more than a list of independent pictures.
bool works_along_batch(const caffe::LayerParameter& layer) {
  const std::string& type = layer.type();
  if (type == "Concat")
    return layer.concat_param().has_concat_dim() ? layer.concat_param().concat_dim() == 0
                                                 : layer.concat_param().axis() == 0;
  if (type == "Slice")
    return layer.slice_param().has_slice_dim() ? layer.slice_param().slice_dim() == 0 : layer.slice_param().axis() == 0;
  if (type == "Reshape") {
    const auto& p = layer.reshape_param();
    return p.axis() == 0 && p.shape().dim_size() > 0 && p.shape().dim(0) != 0 && p.shape().dim(0) != 1;
  }
  if (type == "BatchNorm")
    return layer.batch_norm_param().has_use_global_stats() && !layer.batch_norm_param().use_global_stats();
  return (type == "InnerProduct" && layer.inner_product_param().axis() == 0) ||
         (type == "Flatten" && layer.flatten_param().axis() == 0) ||
         (type == "Softmax" && layer.softmax_param().axis() == 0) ||
         (type == "ArgMax" && layer.argmax_param().has_axis() && layer.argmax_param().axis() == 0) ||
         (type == "Tile" && layer.tile_param().axis() == 0) ||
         (type == "Reduction" && layer.reduction_param().axis() == 0);
}

std::string title(const caffe::LayerParameter& layer) {
  return fmt::format("layer \"{}\" ({})", layer.name(), layer.type());
}

class Reader {
 public:
  Reader(const Bytes& prototxt, const CaffeOptions& options)
      : file_(prototxt), options_(options), proto_(parse_prototxt(prototxt, passed_over_)) {}

  Model read(const std::optional<Bytes>& caffemodel) {
    within(file_.label(), [&] {
      select_layers();
      for (const caffe::LayerParameter& layer : proto_.layer()) within(title(layer), [&] { add_layer(layer); });
      add_outputs();
    });
    add_weights(caffemodel);
    within(file_.label(), [&] { add_meaning(); });
    model_.graph = std::move(network_.graph);
    return std::move(model_);
  }

 private:
  template <class F>
  static void within(const std::string& where, F&& f) {
    try {
      f();
    } catch (const Error& error) { throw error.within(where); }
  }

  Graph& graph() { return network_.graph; }

  void select_layers() {
    require(options_.phase == "test" || options_.phase == "train", ErrorKind::usage,
            "phase \"{}\": expected test or train", options_.phase);
    upgrade_caffe(proto_);
    require(proto_.layer_size() > 0, ErrorKind::format, "the network has no layers");
    proto_.mutable_state()->set_phase(options_.phase == "test" ? caffe::TEST : caffe::TRAIN);
    google::protobuf::RepeatedPtrField<caffe::LayerParameter> kept;
    for (int i = 0; i < proto_.layer_size(); ++i) {
      caffe::LayerParameter& layer = *proto_.mutable_layer(i);
      if (layer.name().empty())
        layer.set_name(layer.top_size() > 0 ? layer.top(0) : fmt::format("{}_{}", layer.type(), i));
      if (!is_included(layer, proto_.state())) continue;
      keep_batch_ = keep_batch_ || works_along_batch(layer);
      *kept.Add() = std::move(layer);
    }
    proto_.mutable_layer()->Swap(&kept);
    require(proto_.layer_size() > 0, ErrorKind::format, "no layer belongs to the phase {}", options_.phase);
  }

  void add_layer(const caffe::LayerParameter& layer) {
    if (is_caffe_input(layer)) return add_input(layer);
    if (layer.type() == "Silence") {
      for (const std::string& bottom : layer.bottom()) unread_.erase(bottom);
      return;
    }
    const bool only_labels = layer.bottom_size() > 0 && std::all_of(layer.bottom().begin(), layer.bottom().end(),
                                                                    [&](const auto& b) { return labels_.contains(b); });
    if (only_labels || std::find(kMeasures.begin(), kMeasures.end(), layer.type()) != kMeasures.end()) {
      labels_.insert(layer.top().begin(), layer.top().end());
      return;
    }
    const CaffeType* type = find_caffe_type(layer.type());
    require(type != nullptr, ErrorKind::unsupported, "unsupported layer type{}",
            layer.type() == "Python" ? ": its meaning is a Python program" : "");
    const int before = graph().size();
    std::vector<Value> bottoms = read_bottoms(layer, *type);
    CaffeLayer context(network_, layer, std::move(bottoms));
    std::vector<Value> tops = type->lower(context);
    write_tops(layer, std::move(tops), before);
  }

  void add_input(const caffe::LayerParameter& layer) {
    require(layer.top_size() > 0, ErrorKind::format, "it has no top");
    std::vector<Shape> shapes = caffe_input_shapes(layer, options_.picture);
    for (int k = 0; k < layer.top_size(); ++k) {
      const std::string& top = layer.top(k);
      require(!blobs_.contains(top) && !labels_.contains(top), ErrorKind::format, "the blob \"{}\" exists already",
              top);
      if (k > 0 && has_caffe_labels(layer)) {
        labels_.insert(top);
        continue;
      }
      Shape& shape = shapes[static_cast<size_t>(k)];
      const std::string declared = to_string(shape);
      if (!keep_batch_ && shape.rank() >= 2 && shape[0] != 1) {
        shape[0] = 1;
        say("declared shape of " + top, declared);
      }
      const Value value = input(graph(), top, {DType::f32, shape});
      require(graph().node(value).name == top, ErrorKind::format, "the name \"{}\" is used twice", top);
      blobs_[top] = value;
      const bool picture = shape.rank() == 4 && (shape[1] == 1 || shape[1] == 3) && shape[2] > 1 && shape[3] > 1;
      if (!picture || model_.meaning.preprocess) continue;
      model_.meaning.input = top;
      model_.meaning.preprocess = caffe_preprocess(layer, shape, notes_);
      model_.meaning.preprocess_stated = true;
    }
  }

  // Losses read labels behind what they score.
  std::vector<Value> read_bottoms(const caffe::LayerParameter& layer, const CaffeType& type) {
    const bool loss = layer.type().ends_with("Loss");
    std::vector<Value> values;
    for (int k = 0; k < layer.bottom_size(); ++k) {
      const std::string& bottom = layer.bottom(k);
      if (loss && k > 0) continue;
      require(!labels_.contains(bottom), ErrorKind::unsupported, "it reads \"{}\", which comes with the training data",
              bottom);
      const auto found = blobs_.find(bottom);
      require(found != blobs_.end(), ErrorKind::format, "its bottom \"{}\" is written by no layer before it", bottom);
      values.push_back(found->second);
    }
    const int count = loss ? layer.bottom_size() : static_cast<int>(values.size());
    require(!values.empty() && count >= type.least && count <= type.most, ErrorKind::format,
            "it has {} bottoms, expected {}{}", count, type.least,
            type.most == type.least ? "" : fmt::format(" to {}", type.most));
    for (int k = 0; k < layer.bottom_size(); ++k)
      if (!loss || k == 0) unread_.erase(layer.bottom(k));
    return values;
  }

  void write_tops(const caffe::LayerParameter& layer, std::vector<Value> tops, int before) {
    if (tops[0].node < before) {  // it changes nothing
      const Value old = tops[0], same = identity(graph(), old);
      std::replace(tops.begin(), tops.end(), old, same);
    }
    graph().rename(tops[0].node, layer.name());
    require(layer.top_size() <= static_cast<int>(tops.size()), ErrorKind::format, "it has {} tops, expected {}",
            layer.top_size(), tops.size());
    const int count = std::max(1, layer.top_size());
    for (int k = 0; k < count; ++k) {
      const std::string& top = layer.top_size() == 0 ? layer.name() : layer.top(k);
      const bool in_place = std::find(layer.bottom().begin(), layer.bottom().end(), top) != layer.bottom().end();
      require(in_place || (!blobs_.contains(top) && !labels_.contains(top)), ErrorKind::format,
              "the blob \"{}\" that it writes exists already", top);
      blobs_[top] = tops[static_cast<size_t>(k)];
      writers_[top] = order_.size();
      unread_.insert(top);
      order_.push_back(top);
    }
  }

  // What nobody reads is an output, in the order of writing; and blobs' names that are no nodes' become aliases.
  void add_outputs() {
    std::set<Value> taken;
    for (size_t i = 0; i < order_.size(); ++i) {
      const std::string& blob = order_[i];
      if (writers_[blob] != i) continue;  // written again later
      const Value value = blobs_[blob];
      if (graph().find(blob) < 0) model_.meaning.aliases.emplace_back(blob, graph().node(value).name);
      if (!unread_.contains(blob) || !taken.insert(value).second) continue;
      graph().outputs.push_back({blob, value});
    }
    require(!graph().outputs.empty(), ErrorKind::format, "the network computes no output");
  }

  void add_weights(const std::optional<Bytes>& caffemodel) {
    Weights given;
    for (const caffe::LayerParameter& layer : proto_.layer()) add_caffe_weights(layer, file_, given);
    if (caffemodel) given = read_caffemodel(*caffemodel);
    model_.meaning.trained = !given.empty() || (caffemodel && graph().parameters().empty());
    if (!model_.meaning.trained) return within(file_.label(), [&] { draw_weights(); });
    within(caffemodel ? caffemodel->label() : file_.label(), [&] { join_weights(given); });
  }

  void draw_weights() {
    if (!options_.initialise) return;
    int64_t count = 0;
    for (const Value p : graph().parameters()) count += graph().shape(p).count();
    require(count <= kMostDrawn, ErrorKind::unsupported,
            "the network has {} weights, more than the {} that are drawn for an untrained one", count, kMostDrawn);
    model_.weights = initial_weights(graph(), 0);
    for (const auto& [name, start] : network_.starts) {
      const Tensor& old = model_.weights[name];
      model_.weights[name] = Tensor::full(DType::f32, old.shape(), start);
    }
  }

  static std::string layer_of(const std::string& parameter) { return parameter.substr(0, parameter.rfind('.')); }

  void join_weights(const Weights& given) {
    std::set<std::string> missing, used;
    for (const Value p : graph().parameters()) {
      const std::string& name = graph().node(p).name;
      const Shape& shape = graph().shape(p);
      const auto found = given.find(name);
      if (found == given.end()) {
        missing.insert(layer_of(name));
        continue;
      }
      used.insert(layer_of(name));
      const auto without_ones = [](Shape s) {
        std::erase(s, 1);
        return s;
      };
      require(without_ones(found->second.shape()) == without_ones(shape), ErrorKind::format,
              "layer \"{}\": its {} is {}, expected {} from {}", layer_of(name), name.substr(name.rfind('.') + 1),
              to_string(found->second.shape()), to_string(shape), file_.label());
      model_.weights.emplace(name, found->second.reshaped(shape));
    }
    require(missing.empty(), ErrorKind::format, "the weights of {} of {} are not there: {}",
            counted(missing.size(), "layer"), file_.label(), fmt::join(missing, ", "));
    std::set<std::string> surplus;
    for (const auto& [name, tensor] : given)
      if (!used.contains(layer_of(name))) surplus.insert(layer_of(name));
    if (!surplus.empty()) say("layers of the caffemodel without use", fmt::format("{}", fmt::join(surplus, ", ")));
  }

  bool is_softmax(Value value) const {
    for (int depth = 0; depth < 16; ++depth) {
      const Node& node = network_.graph.node(value);
      if (node.op->name == "softmax") return true;
      if (node.op->name != "reshape" && node.op->name != "flatten" && node.op->name != "identity") return false;
      value = node.inputs[0];
    }
    return false;
  }

  void add_meaning() {
    Meaning& m = model_.meaning;
    m.name = proto_.has_name() ? proto_.name() : std::filesystem::path(file_.label()).stem().string();
    for (const NamedValue& output : graph().outputs) {
      const Shape& s = graph().shape(output.value);
      const bool row = m.preprocess && s.rank() >= 2 && s[1] >= 2 && s.count(2, s.rank()) == 1;
      if (!row || (m.probabilities && !is_softmax(output.value))) continue;
      m.scores = output.name;
      m.probabilities = is_softmax(output.value);
    }
    say("format", "Caffe");
    if (!passed_over_.empty()) say("fields passed over", fmt::format("{}", fmt::join(passed_over_, ", ")));
    for (const std::string& note : notes_) say("note", note);
    constexpr std::string_view kOurs = "# fovea.preprocess: ";
    const std::string_view text = file_.view();
    const size_t at = text.find(kOurs);
    if (at == std::string_view::npos || (at > 0 && text[at - 1] != '\n') || !m.preprocess) return;
    const std::string_view line = text.substr(at + kOurs.size());
    m.preprocess = preprocess_from_json(std::string(line.substr(0, line.find('\n'))));
  }

  void say(std::string key, std::string value) {
    model_.meaning.metadata.emplace_back(std::move(key), std::move(value));
  }

  const Bytes& file_;
  const CaffeOptions& options_;
  std::vector<std::string> passed_over_, notes_;
  caffe::NetParameter proto_;
  CaffeNetwork network_;
  Model model_;
  std::map<std::string, Value> blobs_;     // what each name stands for now
  std::map<std::string, size_t> writers_;  // the place in order_ of its last writing
  std::vector<std::string> order_;         // blobs as they are written
  std::set<std::string> labels_, unread_;
  bool keep_batch_ = false;
};

}  // namespace

Model read_caffe(const Bytes& prototxt, const std::optional<Bytes>& caffemodel, const CaffeOptions& options) {
  return Reader(prototxt, options).read(caffemodel);
}

}  // namespace fovea
