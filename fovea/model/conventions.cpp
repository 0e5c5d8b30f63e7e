#include "fovea/model/conventions.h"

#include <algorithm>
#include <cmath>

#include "fovea/model/labels.h"
#include "fovea/model/preprocess.h"
#include "fovea/ops/input.h"
#include "fovea/transform/respecialise.h"

namespace fovea {

namespace {

bool takes_picture(const Shape& s) { return s.rank() == 4 && (s[1] == 1 || s[1] == 3) && s[2] > 1 && s[3] > 1; }

std::string listed(const Graph& graph) {
  std::string text;
  for (const Value v : graph.inputs())
    text += fmt::format("{}{} {}", text.empty() ? "" : ", ", graph.node(v).name, to_string(graph.type(v)));
  return text.empty() ? "none" : text;
}

void find_input(Model& model) {
  if (!model.meaning.input.empty()) return;
  for (const Value v : model.graph.inputs()) {
    const Node& node = model.graph.node(v);
    if (node.attributes.as<InputAttributes>().bound || !takes_picture(node.outputs[0].shape)) continue;
    model.meaning.input = node.name;
    return;
  }
}

// The first output that holds one row of numbers, [N,C] or [N,C,1,1].
void find_scores(Model& model) {
  if (!model.meaning.scores.empty()) return;
  for (const NamedValue& output : model.graph.outputs) {
    const Shape& s = model.graph.shape(output.value);
    if (s.rank() < 1 || !is_float(model.graph.dtype(output.value)) || s.count() < 2) continue;
    const int64_t largest = *std::max_element(s.begin(), s.end());
    const int64_t batch = s.rank() > 1 ? s[0] : 1;
    if (s.count() != largest * batch && s.count() != largest) continue;
    model.meaning.scores = output.name;
    return;
  }
}

// Follows the scores back over operators that only rename or reshape.
bool ends_in_softmax(const Graph& graph, Value v) {
  while (v) {
    const Node& node = graph.node(v);
    if (node.op->name == "softmax") return true;
    const bool passes = node.op->name == "reshape" || node.op->name == "identity" || node.op->name == "flatten" ||
                        node.op->name == "squeeze" || node.op->name == "cast";
    if (!passes || node.inputs.empty()) return false;
    v = node.inputs[0];
  }
  return false;
}

void override_size(Model& model, const MeaningOverrides& o, Preprocess& p) {
  int64_t height = p.crop_height, width = p.crop_width;
  if (o.size > 0 && o.crop <= 1) height = width = o.size;
  if (o.crop > 1) height = width = std::llround(o.crop);
  if (height != p.crop_height || width != p.crop_width) p = resized(p, height, width);
  if (o.size > 0 && o.crop > 1) {
    require(o.size >= std::llround(o.crop), ErrorKind::usage, "--size {} is smaller than --crop {:g}", o.size, o.crop);
    p.resize = "short_side";
    p.size = o.size;
  } else if (o.crop > 0 && o.crop <= 1) {
    p.resize = "short_side";
    p.size = std::llround(static_cast<double>(std::min(height, width)) / o.crop);
  }
  const Value input = picture_input(model);
  Type type = model.graph.type(input);
  if (type.shape[2] == height && type.shape[3] == width) return;
  type.shape[2] = height;
  type.shape[3] = width;
  try {
    model.graph = respecialise(model.graph, {{model.meaning.input, type}});
  } catch (const Error& e) {
    throw Error(ErrorKind::usage,
                fmt::format("the network does not take pictures of {}x{}: {}", width, height, e.message()));
  }
}

}  // namespace

Value picture_input(const Model& model) {
  const int node = model.meaning.input.empty() ? -1 : model.graph.find(model.meaning.input);
  require(node >= 0, ErrorKind::usage, "the network takes no picture (inputs: {}); expected one of 1x3xHxW or 1x1xHxW",
          listed(model.graph));
  return {node, 0};
}

Value data_input(const Model& model) {
  if (!model.meaning.input.empty() && model.graph.find(model.meaning.input) >= 0) return picture_input(model);
  std::vector<Value> free;
  for (const Value v : model.graph.inputs())
    if (!model.graph.node(v).attributes.as<InputAttributes>().bound) free.push_back(v);
  if (free.size() == 1 && model.graph.shape(free[0]).rank() >= 2) return free[0];
  return picture_input(model);
}

Value scores_output(const Model& model) {
  for (const NamedValue& output : model.graph.outputs)
    if (output.name == model.meaning.scores && !output.name.empty()) return output.value;
  fail(ErrorKind::usage,
       "the network has no output that scores classes (one row of numbers); `fovea inspect`, `activations`, `top` and "
       "`invert` need none");
}

std::vector<std::string> complete_meaning(Model& model, const MeaningOverrides& overrides) {
  Meaning& meaning = model.meaning;
  std::vector<std::string> notes;
  find_input(model);
  find_scores(model);
  const int input = meaning.input.empty() ? -1 : model.graph.find(meaning.input);
  const bool picture = input >= 0 && takes_picture(model.graph.node(input).outputs[0].shape);
  if (picture) {
    const Shape shape = model.graph.node(input).outputs[0].shape;
    if (!overrides.preprocess.empty()) {
      meaning.preprocess = preset(overrides.preprocess, shape[2], shape[3]);
      const int64_t channels = meaning.preprocess->colour == "grey" ? 1 : 3;
      require(channels == shape[1], ErrorKind::usage, "preprocessing \"{}\" gives {} channels, the network takes {}",
              overrides.preprocess, channels, shape[1]);
      meaning.preprocess_stated = true;
    } else if (!meaning.preprocess) {
      meaning.preprocess = assumed_preprocess(shape);
      meaning.preprocess_stated = false;
    }
    if (!meaning.preprocess_stated)
      notes.push_back(fmt::format("the file does not say how pictures are prepared; assuming {} (see --preprocess)",
                                  describe(*meaning.preprocess)));
    override_size(model, overrides, *meaning.preprocess);
  } else {
    require(overrides.preprocess.empty() && overrides.size == 0 && overrides.crop == 0, ErrorKind::usage,
            "the network takes no picture (inputs: {}), so --preprocess, --size and --crop do not apply",
            listed(model.graph));
    meaning.preprocess.reset();
  }
  if (meaning.scores.empty()) return notes;
  const Value scores = scores_output(model);
  const Shape& s = model.graph.shape(scores);
  const int64_t classes = *std::max_element(s.begin(), s.end());
  meaning.probabilities = meaning.probabilities || ends_in_softmax(model.graph, scores);
  if (!overrides.labels.empty()) {
    meaning.classes = read_labels(overrides.labels);
    require(static_cast<int64_t>(meaning.classes.size()) >= classes, ErrorKind::usage,
            "{} names {} classes, the network scores {}", overrides.labels, meaning.classes.size(), classes);
  } else if (meaning.classes.empty() && classes == 1000) {
    meaning.classes = imagenet_classes();
    notes.push_back("the file does not name its 1000 classes; assuming those of ImageNet (see --labels)");
  }
  return notes;
}

}  // namespace fovea
