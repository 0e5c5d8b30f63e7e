#include "fovea/model/zoo/zoo.h"

#include <map>
#include <mutex>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/graph/op.h"
#include "fovea/model/initialise.h"
#include "fovea/model/labels.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/zoo/families.h"
#include "fovea/model/zoo/fractalnet.h"

namespace fovea {

const std::vector<Architecture>& architectures() {
  static const std::vector<Architecture> all = [] {
    std::vector<Architecture> list;
    for (auto family : {lenets, mlps, alexnets, zfnets, nins, vggs_f_m_s, vggs, googlenets, allcnns, highways,
                        convnets_cifar, resnets, cifar_resnets, squeezenets, densenets, fractalnets}) {
      std::vector<Architecture> members = family();
      list.insert(list.end(), std::make_move_iterator(members.begin()), std::make_move_iterator(members.end()));
    }
    return list;
  }();
  return all;
}

const Architecture* find_architecture(std::string_view name) {
  for (const Architecture& a : architectures())
    if (a.name == name) return &a;
  // Sizes that are part of the name. What was found once stays, at one address.
  static std::mutex guard;
  static std::map<std::string, Architecture, std::less<>> sized;
  const std::lock_guard lock(guard);
  if (const auto found = sized.find(name); found != sized.end()) return &found->second;
  if (std::optional<Architecture> fractal = fractalnet_named(name))
    return &sized.emplace(std::string(name), std::move(*fractal)).first->second;
  return nullptr;
}

Model build(const Architecture& architecture, const ZooOptions& options) {
  NetworkBuilder builder(options, architecture.input, architecture.classes);
  try {
    architecture.build(builder);
  } catch (const Error& e) {
    if (e.kind() != ErrorKind::shape) throw;
    const Shape shape = builder.graph.shape(builder.graph.inputs()[0]);
    fail(ErrorKind::usage, "{} does not take pictures of {}x{}: {}", architecture.name, shape[2], shape[3],
         e.message());
  }
  Model model;
  model.graph = std::move(builder.graph);
  Meaning& meaning = model.meaning;
  meaning.name = meaning.architecture = architecture.name;
  meaning.source = fmt::format("{} ({})", architecture.paper, architecture.year);
  meaning.trained = false;
  meaning.input = "input";
  meaning.scores = "scores";
  for (const NamedValue& output : model.graph.outputs)
    if (output.name == meaning.scores) meaning.probabilities = model.graph.node(output.value).op->name == "softmax";
  meaning.aliases = std::move(builder.aliases);
  const Shape& input = model.graph.shape(model.graph.inputs()[0]);
  if (input.rank() == 4) {
    meaning.preprocess_stated = input[1] == architecture.input[0];
    meaning.preprocess =
        meaning.preprocess_stated ? preset(architecture.preprocess, input[2], input[3]) : assumed_preprocess(input);
  }
  if (builder.classes == 1000 && architecture.classes == 1000) meaning.classes = imagenet_classes();
  if (builder.classes == 10 && architecture.input == Shape{3, 32, 32}) meaning.classes = cifar10_classes();
  return model;
}

Model zoo_model(std::string_view name, const ZooOptions& options, uint64_t seed) {
  if (name.starts_with("zoo:")) name.remove_prefix(4);
  const Architecture* architecture = find_architecture(name);
  std::vector<std::string> names;
  for (const Architecture& a : architectures()) names.push_back(a.name);
  require(architecture, ErrorKind::usage, "the zoo has no \"{}\"{} (`fovea zoo` lists it)", name,
          did_you_mean(name, names));
  Model model = build(*architecture, options);
  model.weights = initial_weights(model.graph, seed);
  return model;
}

}  // namespace fovea
