#include "fovea/model/layers.h"

#include <algorithm>
#include <cctype>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/graph/op.h"

namespace fovea {

namespace {

// Letters and digits in lower case, without what spellings differ in: "inception_4c/output", "Mixed4c" → "inception4c".
std::string spelling(std::string_view name) {
  std::string text;
  for (const char c : name)
    if (std::isalnum(static_cast<unsigned char>(c)))
      text.push_back(static_cast<char>(std::tolower(static_cast<unsigned char>(c))));
  if (text.starts_with("mixed")) text.replace(0, 5, "inception");
  if (text.size() > 6 && text.ends_with("output")) text.resize(text.size() - 6);
  return text;
}

// "/layer4/layer4.1/conv2/Conv" → "layer4.1.conv2"; empty for other names.
std::string module_path(std::string_view name) {
  if (!name.starts_with('/')) return {};
  std::string path, last;
  name.remove_prefix(1);
  for (size_t cut; (cut = name.find('/')) != name.npos; name.remove_prefix(cut + 1)) {
    const std::string part(name.substr(0, cut));
    if (!last.empty() && part.starts_with(last + ".")) path.resize(path.size() - last.size());
    else if (!path.empty()) path += '.';
    path += part;
    last = part;
  }
  return path;
}

bool is_layer(const Node& node) {
  return node.op->name != "parameter" && node.op->name != "constant" && !node.outputs.empty();
}

}  // namespace

std::vector<std::vector<std::string>> other_names(const Model& model) {
  std::vector<std::vector<std::string>> result(static_cast<size_t>(model.graph.size()));
  for (const auto& [alias, name] : model.meaning.aliases)
    if (const int node = model.graph.find(name); node >= 0 && alias != name)
      result[static_cast<size_t>(node)].push_back(alias);
  for (int i = 0; i < model.graph.size(); ++i) {
    if (!is_layer(model.graph.node(i))) continue;
    if (std::string path = module_path(model.graph.node(i).name); !path.empty())
      result[static_cast<size_t>(i)].push_back(std::move(path));
  }
  return result;
}

Value find_layer(const Model& model, std::string_view name) {
  const Graph& graph = model.graph;
  if (const int node = graph.find(name); node >= 0 && is_layer(graph.node(node))) return {node, 0};
  const auto others = other_names(model);
  const std::string spelt = spelling(name);
  std::vector<int> alike;
  std::vector<std::string> names;
  for (int i = 0; i < graph.size(); ++i) {
    if (!is_layer(graph.node(i))) continue;
    std::vector<std::string> own = others[static_cast<size_t>(i)];
    if (std::find(own.begin(), own.end(), name) != own.end()) return {i, 0};
    own.push_back(graph.node(i).name);
    if (std::any_of(own.begin(), own.end(), [&](const std::string& n) { return spelling(n) == spelt; }))
      alike.push_back(i);
    names.insert(names.end(), own.begin(), own.end());
  }
  if (alike.size() == 1) return {alike[0], 0};
  std::string hint = did_you_mean(name, names);
  if (alike.size() > 1)
    hint = fmt::format("; did you mean \"{}\" or \"{}\"?", graph.node(alike[0]).name, graph.node(alike[1]).name);
  fail(ErrorKind::usage, "there is no layer \"{}\"{} (`fovea layers` lists them)", name, hint);
}

}  // namespace fovea
