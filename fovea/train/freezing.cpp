#include "fovea/train/freezing.h"

#include <algorithm>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/base/wildcard.h"
#include "fovea/model/layers.h"
#include "fovea/ops/batch_norm.h"
#include "fovea/ops/input.h"

namespace fovea {

namespace {

// A node that uses parameters, or a parameter, with the names that it is known by.
struct Candidate {
  std::vector<std::string> names;
  std::vector<std::string> parameters;
};

std::vector<std::string> parameters_of(const Graph& graph, const Node& node) {
  std::vector<std::string> names;
  for (const Value v : node.inputs)
    if (v && graph.node(v).op == &ops::parameter) names.push_back(graph.node(v).name);
  return names;
}

std::vector<Candidate> candidates(const Model& model) {
  const std::vector<std::vector<std::string>> others = other_names(model);
  std::vector<Candidate> result;
  for (int i = 0; i < model.graph.size(); ++i) {
    const Node& node = model.graph.node(i);
    Candidate c{{node.name}, parameters_of(model.graph, node)};
    if (node.op == &ops::parameter) c.parameters = {node.name};
    if (c.parameters.empty()) continue;
    const auto& more = others[static_cast<size_t>(i)];
    c.names.insert(c.names.end(), more.begin(), more.end());
    result.push_back(std::move(c));
  }
  return result;
}

// What stands before the first wildcard, without a dot at its end: "layer1" of "layer1.*".
std::string beginning(const std::string& pattern) {
  std::string literal = pattern.substr(0, pattern.find_first_of("*?"));
  while (literal.ends_with('.')) literal.pop_back();
  return literal;
}

// The candidates' names and the modules that these lie in: "layer1.0.conv1", "layer1.0", "layer1".
std::vector<std::string> known_names(const std::vector<Candidate>& candidates) {
  std::set<std::string> names;
  for (const Candidate& c : candidates)
    for (const std::string& name : c.names)
      for (size_t end = name.size(); end != std::string::npos && end > 0; end = name.rfind('.', end - 1))
        names.insert(name.substr(0, end));
  return {names.begin(), names.end()};
}

}  // namespace

Frozen frozen_by(const Model& model, const std::vector<std::string>& patterns) {
  Frozen frozen;
  if (patterns.empty()) return frozen;
  const std::vector<Candidate> all = candidates(model);
  for (const std::string& pattern : patterns) {
    bool found = false;
    for (const Candidate& c : all) {
      if (std::none_of(c.names.begin(), c.names.end(), [&](const auto& name) { return fits(pattern, name); })) continue;
      frozen.parameters.insert(c.parameters.begin(), c.parameters.end());
      found = true;
    }
    if (found) continue;
    fail(ErrorKind::usage, "nothing to freeze is called \"{}\"{}; layers and weights are named as `fovea layers` does",
         pattern, did_you_mean(beginning(pattern), known_names(all)));
  }
  for (const Node& node : model.graph.nodes()) {
    if (node.op != &ops::batch_norm) continue;
    // The scale and the shift; without them it is frozen with what it is told by, its statistics.
    std::vector<std::string> own;
    for (size_t k = 1; k < node.inputs.size(); ++k) {
      const Value v = node.inputs[k];
      if (v && model.graph.node(v).op == &ops::parameter && (k < 3 || own.empty()))
        own.push_back(model.graph.node(v).name);
    }
    if (!own.empty() &&
        std::all_of(own.begin(), own.end(), [&](const auto& p) { return frozen.parameters.contains(p); }))
      frozen.norms.insert(node.name);
  }
  return frozen;
}

}  // namespace fovea
