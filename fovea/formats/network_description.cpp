#include "fovea/formats/network_description.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "fovea/base/nearest.h"
#include "fovea/formats/network_layers.h"
#include "fovea/model/labels.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/input.h"
#include "fovea/ops/softmax.h"

namespace fovea {

namespace {

// Bounds for hostile files: the deepest published network has 3,000 layers, the largest of the zoo 144 million weights.
constexpr int kMostLayers = 20000, kDeepest = 16;
constexpr int64_t kMostWeights = int64_t{1} << 29, kMostValues = int64_t{1} << 34;
constexpr int64_t kMostCopied = int64_t{1} << 22;  // values of blocks, all uses together
constexpr size_t kMostInputs = 1000;
constexpr int64_t kLargestSide = int64_t{1} << 16, kMostClasses = int64_t{1} << 20;

bool is_name(std::string_view name) {
  return !name.empty() && name.size() <= 200 && std::all_of(name.begin(), name.end(), [](unsigned char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-' ||
           c == '.' || c == '/';
  });
}

// A block of layers, to be used as if it were a kind.
struct Block {
  const TomlValue* table = nullptr;
  std::vector<std::string> parameters;
};

// The names that layers of one list can read.
struct Scope {
  std::string prefix;  // of names: "layer1.0."
  std::map<std::string, Value, std::less<>> values;
  std::map<std::string, int, std::less<>> counts;  // layers so far without a name of their own, by kind
  Value last;
  int depth = 0;
};

class Reader {
 public:
  Reader(const Bytes& file, const ZooOptions& options) : file_(file.label()), options_(options) {
    if (file_.empty()) file_ = "description";
    root_ = read_toml(file);
  }

  NetworkDescription read() {
    check_sections();
    static const TomlValue kEmpty;
    const TomlValue* network = root_.find("network");
    TomlSection section(network ? *network : kEmpty, file_, "[network]");
    read_network(section);
    read_blocks();
    add_input(section);
    section.finish();
    Scope scope;
    scope.last = scope.values["input"] = builder_->graph.inputs()[0];
    add_layers(layers_of(root_, "layer"), scope);
    add_scores(section, scope.last);
    finish_meaning();
    model_.graph = std::move(builder_->graph);
    return {std::move(model_), read_initialisation(root_, file_)};
  }

 private:
  void check_sections() {
    std::vector<std::string> known = {"network", "layer", "block"};
    known.insert(known.end(), recipe_sections().begin(), recipe_sections().end());
    for (const TomlValue& item : root_.items)
      require(std::find(known.begin(), known.end(), item.key) != known.end(), ErrorKind::format,
              "{}: line {}: unknown section {}{}", file_, item.line, toml_text(item.key),
              did_you_mean(item.key, known));
    if (root_.find("layer")) return;
    const TomlValue* model = root_.find("model");
    require(!model, ErrorKind::format,
            "{}: a recipe for training, not a network: its model is {}; it is for `fovea train`", file_,
            model ? model->described() : "");
    fail(ErrorKind::format, "{}: it describes no network: there is no [[layer]]", file_);
  }

  // The tables of [[layer]].
  const std::vector<TomlValue>& layers_of(const TomlValue& table, std::string_view what) const {
    const TomlValue* list = table.find("layer");
    require(list && list->kind == TomlValue::Kind::list && !list->items.empty(), ErrorKind::format,
            "{}: line {}: expected at least one [[{}]]", file_, std::max(1, table.line),
            what == "layer" ? "layer" : "block.layer");
    return list->items;
  }

  void read_network(TomlSection& s) {
    Meaning& meaning = model_.meaning;
    meaning.name = s.text("name", std::filesystem::path(file_).stem().string());
    meaning.description = s.text("description", "");
    meaning.source = s.text("source", "");
    meaning.licence = s.text("licence", "");
    int64_t classes = 0;
    if (const TomlValue* v = s.find("classes")) {
      if (v->kind == TomlValue::Kind::integer) {
        classes = s.integer("classes", 0, 1, kMostClasses);
      } else if (v->kind == TomlValue::Kind::text) {
        const std::string set = s.choice("classes", "", {"imagenet", "cifar10"});
        meaning.classes = set == "imagenet" ? imagenet_classes() : cifar10_classes();
      } else {
        meaning.classes = s.texts("classes");
        if (meaning.classes.empty()) s.wrong("classes", "an empty list");
      }
      if (!meaning.classes.empty()) classes = static_cast<int64_t>(meaning.classes.size());
    }
    if (options_.classes > 0 && options_.classes != classes) meaning.classes.clear();
    shape_ = s.integers("input", 1, kLargestSide);
    if (shape_.empty()) s.wrong("", "it needs `input`: [channels, height, width], [channels, length] or [numbers]");
    if (shape_.size() > 4) s.wrong("input", "expected 1 to 4 sizes without the batch, got {}", shape_.size());
    if (options_.channels > 0) shape_[0] = options_.channels;
    if (shape_.size() == 3 && options_.height > 0) shape_[1] = options_.height;
    if (shape_.size() == 3 && options_.width > 0) shape_[2] = options_.width;
    builder_.emplace(options_, Shape(shape_), classes);
  }

  void add_input(TomlSection& s) {
    Shape shape(shape_);
    shape.insert(shape.begin(), std::max<int64_t>(1, options_.batch));
    if (!fits(shape)) s.wrong("input", "{} is too large", to_string(shape));
    input(builder_->graph, "input", {DType::f32, shape});
    const bool picture = shape.rank() == 4 && (shape[1] == 1 || shape[1] == 3);
    if (!picture) {
      if (s.has("preprocess")) s.wrong("preprocess", "the input {} is no picture of 1 or 3 channels", to_string(shape));
      return;
    }
    if (s.has("preprocess")) read_preprocess(s, shape[2], shape[3]);
    else if (shape[1] == 1) model_.meaning.preprocess = preset("grey", shape[2], shape[3]);
  }

  // A preset's name, or a table of changes to one.
  void read_preprocess(TomlSection& s, int64_t height, int64_t width) {
    const TomlValue* v = s.find("preprocess");
    const int64_t channels = shape_[0];
    Preprocess p;
    if (v->kind == TomlValue::Kind::text) {
      p = preset(s.choice("preprocess", "", preset_names()), height, width);
    } else {
      TomlSection how(*v, file_, "[network] preprocess");
      p = preset(how.choice("preset", channels == 1 ? "grey" : "unit", preset_names()), height, width);
      p.name = "custom";
      p.colour = how.choice("colour", p.colour, {"rgb", "bgr", "grey"});
      p.scale = how.number("scale", p.scale, 1e-9, 1e9);
      if (how.has("mean")) p.mean = how.numbers("mean", -1e9, 1e9);
      if (how.has("std")) p.std = how.numbers("std", 1e-9, 1e9);
      for (const char* key : {"mean", "std"})
        if (how.has(key) && static_cast<int64_t>((key[0] == 'm' ? p.mean : p.std).size()) != channels)
          how.wrong(key, "expected {} numbers, one a channel", channels);
      p.resize = how.choice("resize", p.resize, {"short_side", "short_side_rounded", "stretch", "none"});
      p.filter = how.choice("filter", p.filter, {"nearest", "box", "bilinear", "bicubic", "lanczos"});
      p.size = how.integer("size", p.size, 1, kLargestSide);
      how.finish();
    }
    if ((p.colour == "grey" ? 1 : 3) != channels)
      s.wrong("preprocess", "it gives {} channels, the input has {}", p.colour == "grey" ? 1 : 3, channels);
    model_.meaning.preprocess = p;
    model_.meaning.preprocess_stated = true;
  }

  void read_blocks() {
    const TomlValue* list = root_.find("block");
    if (!list) return;
    require(list->kind == TomlValue::Kind::list, ErrorKind::format, "{}: line {}: expected [[block]], got {}", file_,
            list->line, list->described());
    for (const TomlValue& table : list->items) {
      TomlSection s(table, file_, "[[block]]");
      const std::string name = s.text("name", "");
      if (!is_name(name)) s.wrong("name", "expected a name of letters, digits, _ and -, got {}", toml_text(name));
      if (find_layer_kind(name)) s.wrong("name", "{} is a kind of layer already", name);
      if (blocks_.contains(name)) s.wrong("name", "there is a block {} already", name);
      Block block{&table, s.texts("parameters")};
      for (const std::string& parameter : block.parameters)
        if (parameter == "kind" || parameter == "name" || parameter == "from" || parameter == "repeat" ||
            parameter == "each" || parameter == "output" || !is_name(parameter))
          s.wrong("parameters", "{} cannot be a parameter's name", toml_text(parameter));
      s.find("layer");
      s.finish();
      layers_of(table, "block.layer");
      blocks_.emplace(name, block);
    }
  }

  // "$width" becomes the argument of that name, anywhere in the table.
  TomlValue substituted(const TomlValue& v, const std::map<std::string, TomlValue, std::less<>>& arguments) {
    require(++copied_ <= kMostCopied, ErrorKind::format, "{}: line {}: its blocks are used too often", file_, v.line);
    if (v.kind == TomlValue::Kind::text && v.text.starts_with("$")) {
      const auto found = arguments.find(std::string_view(v.text).substr(1));
      if (found == arguments.end()) {
        std::vector<std::string> names;
        for (const auto& argument : arguments) names.push_back("$" + argument.first);
        fail(ErrorKind::format, "{}: line {}: the block has no parameter {}{}", file_, v.line, v.described(),
             did_you_mean(v.text, names));
      }
      copied_ += static_cast<int64_t>(found->second.items.size());
      TomlValue result = found->second;
      result.key = v.key;
      result.line = v.line;
      return result;
    }
    TomlValue result = v;
    for (TomlValue& item : result.items) item = substituted(item, arguments);
    return result;
  }

  void add_layers(const std::vector<TomlValue>& tables, Scope& scope) {
    for (const TomlValue& table : tables) add_layer(table, scope);
  }

  // The layers that a table stands for: one, or as many as `repeat` and `each` say.
  void add_layer(const TomlValue& table, Scope& scope) {
    TomlSection s(table, file_, "a layer");
    const std::string kind = kind_of(s);
    std::string name = s.text("name", "");
    if (name.empty()) name = kind + std::to_string(++scope.counts[kind]);
    if (!is_name(name)) s.wrong("name", "expected letters, digits, _ - . /, got {}", toml_text(name));
    if (name == "input" || scope.values.contains(name)) s.wrong("name", "there is a layer {} already", toml_text(name));
    const TomlValue* each = s.find("each");
    int64_t repeat = s.integer("repeat", -1, 1, kMostLayers);
    if (each) repeat = repetitions(s, *each, repeat);
    std::vector<Value> inputs = inputs_of(s, scope);
    if (repeat < 0) {
      scope.last = built(table, kind, name, inputs, scope);
    } else {
      TomlValue plain = table;
      std::erase_if(plain.items, [](const TomlValue& item) { return item.key == "each"; });
      for (int64_t i = 0; i < repeat; ++i) {
        TomlValue one = plain;
        if (each) choose(one, *each, static_cast<size_t>(i));
        const std::string numbered = fmt::format("{}.{}", name, i);
        scope.last = scope.values[numbered] = built(one, kind, numbered, inputs, scope);
        inputs = {scope.last};
      }
    }
    scope.values[name] = scope.last;
  }

  std::string kind_of(TomlSection& s) {
    const std::string kind = s.text("kind", "");
    if (find_layer_kind(kind) || blocks_.contains(kind)) return kind;
    std::vector<std::string> names = layer_kind_names();
    for (const auto& block : blocks_) names.push_back(block.first);
    if (!s.has("kind")) s.wrong("", "it needs `kind`, for example \"conv\"");
    s.wrong("kind", "unknown kind of layer {}{}", toml_text(kind), did_you_mean(kind, names));
  }

  // How many values the lists of `each` have.
  int64_t repetitions(TomlSection& s, const TomlValue& each, int64_t repeat) const {
    if (each.kind != TomlValue::Kind::table || each.items.empty())
      s.wrong("each", "expected a table of lists, such as {{ stride = [2, 1, 1] }}, got {}", each.described());
    for (const TomlValue& list : each.items) {
      const auto count = static_cast<int64_t>(list.items.size());
      if (list.kind != TomlValue::Kind::list || count == 0 || count > kMostLayers)
        s.wrong("each", "{}: expected a list, one value a repetition", list.key);
      if (repeat >= 0 && repeat != count) s.wrong("each", "{}: {} values for {} repetitions", list.key, count, repeat);
      if (s.table().find(list.key)) s.wrong("each", "{} is given twice", list.key);
      repeat = count;
    }
    return repeat;
  }

  static void choose(TomlValue& table, const TomlValue& each, size_t i) {
    for (const TomlValue& list : each.items) {
      TomlValue value = list.items[i];
      value.key = list.key;
      table.items.push_back(std::move(value));
    }
  }

  std::vector<Value> inputs_of(TomlSection& s, const Scope& scope) const {
    std::vector<Value> result;
    if (!s.has("from")) return {scope.last};
    for (const std::string& name : s.texts("from")) {
      const auto found = scope.values.find(name);
      if (found == scope.values.end()) {
        std::vector<std::string> names;
        for (const auto& value : scope.values) names.push_back(value.first);
        s.wrong("from", "there is no layer {} above{}{}", toml_text(name), did_you_mean(name, names),
                scope.depth > 0 ? " (a block sees its own layers and \"input\")" : "");
      }
      result.push_back(found->second);
    }
    if (result.empty() || result.size() > kMostInputs)
      s.wrong("from", "expected 1 to {} layers, got {}", kMostInputs, result.size());
    return result;
  }

  Value built(const TomlValue& table, const std::string& kind, const std::string& name,
              const std::vector<Value>& inputs, const Scope& scope) {
    const std::string what = fmt::format("layer \"{}{}\" ({})", scope.prefix, name, kind);
    TomlSection s(table, file_, what);
    if (++layers_ > kMostLayers) s.wrong("", "the network has more than {} layers", kMostLayers);
    for (const char* key : {"kind", "name", "from", "repeat", "each"}) s.find(key);
    const std::string output = s.text("output", "");
    Value result;
    if (const auto block = blocks_.find(kind); block != blocks_.end()) {
      result = built_block(block->second, s, scope.prefix + name, inputs, scope.depth);
    } else {
      result = built_layer(*find_layer_kind(kind), s, scope.prefix + name, inputs);
    }
    s.finish();
    if (!output.empty()) {
      if (scope.depth > 0) s.wrong("output", "a layer of a block cannot be an output");
      if (!outputs_.insert(output).second) s.wrong("output", "there is an output {} already", toml_text(output));
      builder_->output(output, result);
    }
    return result;
  }

  Value built_block(const Block& block, TomlSection& s, const std::string& name, const std::vector<Value>& inputs,
                    int depth) {
    if (inputs.size() != 1) s.wrong("from", "a block has one input, got {}", inputs.size());
    if (depth + 1 > kDeepest) s.wrong("", "blocks use one another more than {} deep", kDeepest);
    std::map<std::string, TomlValue, std::less<>> arguments;
    for (const std::string& parameter : block.parameters) {
      const TomlValue* argument = s.find(parameter);
      if (!argument) s.wrong("", "the block needs `{}`", parameter);
      if (argument->kind == TomlValue::Kind::table || argument->kind == TomlValue::Kind::list)
        for (const TomlValue& item : argument->items)
          if (item.kind == TomlValue::Kind::table || item.kind == TomlValue::Kind::list)
            s.wrong(parameter, "expected a value or a list of values");
      arguments.emplace(parameter, *argument);
    }
    Scope inner;
    inner.prefix = name + ".";
    inner.depth = depth + 1;
    inner.last = inner.values["input"] = inputs[0];
    for (const TomlValue& table : layers_of(*block.table, "block.layer"))
      add_layer(substituted(table, arguments), inner);
    if (builder_->graph.find(name) < 0) builder_->alias(name, inner.last);
    return inner.last;
  }

  Value built_layer(const LayerKind& kind, TomlSection& s, const std::string& name, std::vector<Value> inputs) {
    if (inputs.size() != 1 && !kind.joins) s.wrong("from", "expected one layer, got {}", inputs.size());
    const std::string norm = kind.weighted ? s.choice("norm", "none", {"none", "batch_norm", "instance_norm"}) : "none";
    std::string activation = "none";
    if (kind.weighted) {
      std::vector<std::string> choices = layer_kind_names(true);
      choices.emplace_back("none");
      activation = s.choice("activation", "none", choices);
    }
    const int before = builder_->graph.size();
    try {
      Value x = kind.build({*builder_, s, name, std::move(inputs)});
      for (const auto& [next, part] : {std::pair(norm, std::string("norm")), std::pair(activation, activation)}) {
        if (next == "none") continue;
        static const TomlValue kNothing;
        TomlSection defaults(kNothing, s.where());
        x = find_layer_kind(next)->build({*builder_, defaults, name + "." + part, {x}});
      }
      check_sizes(s, before);
      return x;
    } catch (const Error& e) {
      if (e.message().starts_with(file_)) throw;
      throw Error(ErrorKind::format, fmt::format("{}: {}", s.where(), e.message()));
    }
  }

  static bool fits(const Shape& shape) { return is_sane(shape, sizeof(float)) && shape.count() <= kMostValues; }

  void check_sizes(const TomlSection& s, int before) {
    for (int i = before; i < builder_->graph.size(); ++i) {
      const Node& node = builder_->graph.node(i);
      const bool weight = node.op == &ops::parameter;
      for (const Type& type : node.outputs) {
        if (!fits(type.shape)) s.wrong("", "it would be {}, too large", to_string(type.shape));
        if (weight) weights_ += type.shape.count();
      }
    }
    if (weights_ > kMostWeights) s.wrong("", "the network has more than {} weights", kMostWeights);
  }

  // The output "scores": where a layer says so, else the last one.
  void add_scores(TomlSection& s, Value last) {
    Graph& graph = builder_->graph;
    if (!outputs_.contains("scores")) graph.outputs.insert(graph.outputs.begin(), {"scores", last});
    Value scores;
    for (const NamedValue& output : graph.outputs)
      if (output.name == "scores") scores = output.value;
    const Shape& shape = graph.shape(scores);
    const int64_t classes = builder_->classes;
    if (classes > 0 && (shape.rank() < 2 || shape[1] != classes))
      s.wrong("classes", "the scores of the last layer are {}, expected {} a picture; its out should be \"classes\"",
              to_string(shape), classes);
    if (graph.node(scores).op->name == "input") s.wrong("", "the network has no layers");
  }

  void finish_meaning() {
    Meaning& meaning = model_.meaning;
    Graph& graph = builder_->graph;
    meaning.trained = false;
    meaning.input = "input";
    meaning.scores = "scores";
    meaning.aliases = std::move(builder_->aliases);
    std::vector<Value> wants;
    for (const NamedValue& output : graph.outputs) {
      wants.push_back(output.value);
      if (output.name == "scores") meaning.probabilities = graph.node(output.value).op == &ops::softmax;
    }
    const std::vector<bool> used = reachable(graph, wants);
    for (const Value p : graph.parameters())
      if (!used[static_cast<size_t>(p.node)])
        meaning.notes.push_back(fmt::format("{} is not used: nothing reads its layer", graph.node(p).name));
  }

  std::string file_;
  const ZooOptions options_;
  TomlValue root_;
  Model model_;
  Ints shape_;
  std::optional<NetworkBuilder> builder_;
  std::map<std::string, Block, std::less<>> blocks_;
  std::set<std::string> outputs_;
  int layers_ = 0;
  int64_t weights_ = 0, copied_ = 0;
};

}  // namespace

bool is_network_description(const Bytes& file) {
  const std::string_view text = file.view();
  if (text.size() > (size_t{1} << 20) || text.find('\0') != std::string_view::npos) return false;
  if (file.label().ends_with(".toml")) return true;
  for (size_t i = 0; i < text.size();) {
    const std::string_view line = text.substr(std::min(text.find_first_not_of(" \t", i), text.size()));
    if (line.starts_with("[[layer]]") || line.starts_with("[network]")) return true;
    i = std::min(text.find('\n', i), text.size() - 1) + 1;
  }
  return false;
}

NetworkDescription read_network_description(const Bytes& file, const ZooOptions& options) {
  return Reader(file, options).read();
}

const std::vector<std::string>& recipe_sections() {
  static const std::vector<std::string> names = {"model",
                                                 "data",
                                                 "test",
                                                 "epochs",
                                                 "batch",
                                                 "micro_batches",
                                                 "seed",
                                                 "augment",
                                                 "preprocess",
                                                 "average",
                                                 "freeze",
                                                 "head_weight",
                                                 "synchronised_batch_norm",
                                                 "batch_norm_momentum",
                                                 "bf16",
                                                 "validation",
                                                 "evaluation",
                                                 "evaluate_every",
                                                 "loss",
                                                 "optimiser",
                                                 "schedule",
                                                 "lookahead",
                                                 "initialisation",
                                                 "drop_path",
                                                 "stochastic_depth",
                                                 "command"};
  return names;
}

std::string network_part(const TomlValue& file) {
  TomlValue part;
  for (const TomlValue& item : file.items)
    if (item.key == "network" || item.key == "layer" || item.key == "block") part.items.push_back(item);
  return part.items.empty() ? "" : write_toml(part);
}

Initialisation read_initialisation(const TomlValue& file, const std::string& label, Initialisation otherwise) {
  const TomlValue* table = file.find("initialisation");
  if (!table) return otherwise;
  TomlSection s(*table, label, "[initialisation]");
  Initialisation how = std::move(otherwise);
  how.kind = s.choice("kind", how.kind, initialisation_kinds());
  how.fan = s.choice("fan", how.fan, {"in", "out", "mean"});
  how.gain = s.number("gain", how.gain, 1e-9, 1e9);
  how.identity = s.has("identity") ? s.texts("identity") : how.identity;
  how.whiten = s.has("whiten") ? s.texts("whiten") : how.whiten;
  how.residual_scale = s.choice("residual_scale", how.residual_scale, {"auto", "one", "zero", "depth"});
  s.finish();
  return how;
}

}  // namespace fovea
