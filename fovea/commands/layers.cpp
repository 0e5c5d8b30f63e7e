#include "fovea/commands/layers.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "fovea/graph/op.h"
#include "fovea/model/layers.h"
#include "fovea/report/table.h"

namespace fovea {

OptionList describe(LayersOptions& o) { return describe(o.model); }

Report run(const Context& context, const LayersOptions& options) {
  const Model model = open(context, options.model);
  const auto others = other_names(model);
  Table table({{"layer", false, 200}, {"also", false, 200}, {"operator", false, 22}, {"output", true, 24}});
  nlohmann::ordered_json layers = nlohmann::ordered_json::array();
  for (int i = 0; i < model.graph.size(); ++i) {
    const Node& node = model.graph.node(i);
    if (node.op->name == "parameter" || node.op->name == "constant") continue;
    std::vector<std::string> also;
    for (const std::string& name : others[static_cast<size_t>(i)]) also.push_back(printable(name));
    const Shape& shape = node.outputs[0].shape;
    table.add(
        {printable(node.name), fmt::format("{}", fmt::join(also, " ")), std::string(node.op->name), to_string(shape)});
    layers.push_back({{"name", printable(node.name)},
                      {"aliases", also},
                      {"op", node.op->name},
                      {"shape", std::vector<int64_t>(shape)}});
  }
  Report report;
  report.text = table.text();
  report.set_json({{"name", printable(model.meaning.name)}, {"layers", layers}});
  return report;
}

Command layers_command() {
  return make_command<LayersOptions>(
      "layers", "the names of a network's layers",
      "Lists every layer in the order of computation with the other names that reach it: PyTorch's module path, "
      "Caffe's "
      "and the papers' (relu4_2, inception_4c/output). Any of them works wherever a layer is asked for.",
      {{"fovea layers model.onnx", "the list"},
       {"fovea layers vgg19.pth | grep relu4", "the layers that papers call relu4_1 to relu4_4"}},
      run);
}

}  // namespace fovea
