#include "fovea/commands/code_origin.h"

#include <fmt/format.h>

#include "fovea/features/layer_codes.h"
#include "fovea/model/conventions.h"
#include "fovea/model/layers.h"
#include "fovea/model/preprocess.h"

namespace fovea {

CodesOrigin origin_of(const Model& model, const ModelOptions& o, const std::string& layer, const std::string& pool) {
  CodesOrigin origin;
  origin.layer = layer;
  origin.pool = pool;
  origin.network = model.meaning.name;
  origin.fingerprint = network_fingerprint(model);
  if (model.meaning.preprocess) origin.preprocess = describe(*model.meaning.preprocess);
  const auto keep = [&](const char* key, const std::string& value) {
    if (!value.empty()) origin.options[key] = value;
  };
  keep("model", o.model);
  keep("weights", o.weights);
  keep("arch", o.architecture);
  keep("prototxt", o.prototxt);
  keep("preprocess", o.preprocess);
  keep("labels", o.labels);
  keep("mean", o.mean);
  if (o.size > 0) keep("size", fmt::format("{}", o.size));
  if (o.crop > 0) keep("crop", fmt::format("{}", o.crop));
  return origin;
}

namespace {

ModelOptions options_of(const CodesOrigin& origin, const std::string& other) {
  const auto value = [&](const char* key) {
    const auto found = origin.options.find(key);
    return found == origin.options.end() ? std::string() : found->second;
  };
  ModelOptions o;
  o.model = other.empty() ? value("model") : other;
  if (other.empty() || other == value("model")) {
    o.weights = value("weights");
    o.architecture = value("arch");
    o.prototxt = value("prototxt");
    o.mean = value("mean");
  }
  o.preprocess = value("preprocess");
  o.labels = value("labels");
  try {
    if (const std::string size = value("size"); !size.empty()) o.size = std::stoll(size);
    if (const std::string crop = value("crop"); !crop.empty()) o.crop = std::stod(crop);
  } catch (const std::exception&) { fail(ErrorKind::format, "the codes keep an option that is no number"); }
  return o;
}

int64_t code_length(const Model& model, Value layer, const std::string& pool) {
  const Shape& shape = model.graph.shape(layer);
  if (pool != "none" && shape.rank() > 1) return shape[1];
  return shape.count() / std::max<int64_t>(1, model.graph.shape(data_input(model))[0]);
}

}  // namespace

Model network_behind(const Context& context, const Codes& codes, const std::string& other) {
  const CodesOrigin& origin = codes.origin;
  require(!origin.layer.empty(), ErrorKind::usage,
          "these codes were not made by `fovea features`, so no network is known that gives the codes of a new "
          "picture; name rows of the file instead (#0, #1, …)");
  const ModelOptions options = options_of(origin, other);
  require(!options.model.empty(), ErrorKind::usage, "the codes do not say which network made them; name it (--model)");
  Model model = open(context, options);
  Value layer;
  try {
    layer = find_layer(model, origin.layer);
  } catch (const Error& error) {
    throw error.within(fmt::format("the codes are of the layer \"{}\" of {}", origin.layer, origin.network));
  }
  const int64_t length = code_length(model, layer, origin.pool);
  require(
      length == codes.dimensions(), ErrorKind::usage,
      "{} has {} numbers in its layer \"{}\", the codes have {} (they are of {}): they cannot be compared; name the "
      "network that made them (--model)",
      options.model, length, origin.layer, codes.dimensions(), origin.network);
  require(network_fingerprint(model) == origin.fingerprint, ErrorKind::usage,
          "{} is not the network that made the codes ({}): other layers or other weights; make the codes again with "
          "`fovea features`",
          options.model, origin.network);
  const std::string how = model.meaning.preprocess ? describe(*model.meaning.preprocess) : "";
  require(how == origin.preprocess, ErrorKind::usage,
          "the codes are of pictures prepared as \"{}\", the network now says \"{}\"", origin.preprocess, how);
  return model;
}

}  // namespace fovea
