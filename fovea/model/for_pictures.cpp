#include "fovea/model/for_pictures.h"

#include <map>

#include "fovea/base/error.h"
#include "fovea/model/conventions.h"
#include "fovea/ops/input.h"
#include "fovea/transform/respecialise.h"

namespace fovea {

Model for_pictures(const Model& model, int64_t batch) {
  Model result = model;
  std::map<std::string, Type> types;
  for (const Value v : model.graph.inputs()) {
    const Node& node = model.graph.node(v);
    Type type = node.outputs[0];
    if (node.attributes.as<InputAttributes>().bound || type.shape.rank() < 2 || type.shape[0] == batch) continue;
    type.shape[0] = batch;
    types[node.name] = type;
  }
  if (types.empty()) return result;
  try {
    result.graph = respecialise(model.graph, types);
    if (!model.meaning.scores.empty()) {
      const Shape& scores = result.graph.shape(scores_output(result));
      require(scores.rank() >= 1 && scores[0] == batch, ErrorKind::usage, "its scores are {}", to_string(scores));
    }
  } catch (const Error& e) {
    fail(ErrorKind::usage, "the network does not take {} pictures at once: {}", batch, e.message());
  }
  return result;
}

}  // namespace fovea
