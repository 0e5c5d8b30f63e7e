// Each tensor of the file is looked for among the parameters of each architecture, under every spelling of its name;
// the architecture that leaves nothing over on either side is the one.
#include "fovea/model/zoo/recognise.h"

#include <algorithm>
#include <map>
#include <set>

#include "fovea/base/error.h"
#include "fovea/base/nearest.h"
#include "fovea/graph/op.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/zoo/spelling.h"
#include "fovea/transform/rewrite.h"

namespace fovea {

namespace {

// Not weights of any layer.
bool is_bookkeeping(std::string_view name) { return name.ends_with("num_batches_tracked"); }

struct Misfit {
  std::string name;
  Shape wanted, found;
};

struct Match {
  const Architecture* architecture = nullptr;
  Model model;
  std::map<std::string, std::string> tensor_of;  // parameter → tensor in the file
  std::vector<std::string> missing, surplus;
  std::vector<Misfit> misfits;
  size_t parameters = 0;
  bool fits() const { return missing.empty() && surplus.empty() && misfits.empty(); }
  // Of all tensors on either side, the share that has a partner.
  double score() const {
    const size_t both = tensor_of.size();
    return static_cast<double>(both) /
           static_cast<double>(std::max<size_t>(1, both + missing.size() + surplus.size() + misfits.size()));
  }
};

// Fully connected layers are written as matrices or as convolutions over the whole map.
bool same_numbers(const Shape& a, const Shape& b) {
  if (a == b) return true;
  const auto bare = [](const Shape& s) { return s.rank() == 4 ? Shape{s[0], s.count(1, 4)} : s; };
  return (a.rank() == 2 || b.rank() == 2) && a.rank() >= 2 && b.rank() >= 2 && bare(a) == bare(b);
}

// Pairs the parameters of a graph with the tensors of a file.
Match match(Model model, const Weights& weights) {
  Match m;
  const SpellingTable table(weights, model.meaning.aliases);
  std::set<std::string, std::less<>> used;
  for (const Value p : model.graph.parameters()) {
    const Node& node = model.graph.node(p);
    ++m.parameters;
    const std::string* tensor = table.find(node.name);
    if (!tensor) {
      m.missing.push_back(node.name);
      continue;
    }
    used.insert(*tensor);
    const Shape &wanted = node.outputs[0].shape, &found = weights.find(*tensor)->second.shape();
    if (same_numbers(wanted, found)) m.tensor_of[node.name] = *tensor;
    else m.misfits.push_back({node.name, wanted, found});
  }
  for (const auto& [name, tensor] : weights)
    if (!is_bookkeeping(name) && !used.contains(name)) m.surplus.push_back(name);
  m.model = std::move(model);
  return m;
}

// The class count and input channels that the misfits speak of: a last layer with other rows, a first one with other
// columns.
ZooOptions adapted(const Match& m, ZooOptions options, const Architecture& a) {
  for (const Misfit& misfit : m.misfits) {
    if (misfit.wanted.rank() < 1 || misfit.wanted.rank() != misfit.found.rank()) continue;
    if (misfit.wanted[0] == a.classes && misfit.found[0] != a.classes && options.classes == 0 &&
        std::equal(misfit.wanted.begin() + 1, misfit.wanted.end(), misfit.found.begin() + 1))
      options.classes = misfit.found[0];
    if (misfit.wanted.rank() == 4 && misfit.wanted[1] == a.input[0] && misfit.wanted[0] == misfit.found[0] &&
        misfit.found[1] != misfit.wanted[1] && (misfit.found[1] == 1 || misfit.found[1] == 3 || misfit.found[1] == 4))
      options.channels = misfit.found[1];
  }
  return options;
}

bool names_heads(const Weights& weights) {
  return std::any_of(weights.begin(), weights.end(),
                     [](const auto& w) { return w.first.starts_with("aux1.") || w.first.starts_with("loss1/"); });
}

Match fit(const Architecture& a, const Weights& weights) {
  ZooOptions options;
  options.heads = names_heads(weights);
  Match m = match(build(a, options), weights);
  if (m.misfits.empty()) {
    m.architecture = &a;
    return m;
  }
  const ZooOptions other = adapted(m, options, a);
  if (other.classes != options.classes || other.channels != options.channels) {
    Match again = match(build(a, other), weights);
    if (again.score() > m.score()) m = std::move(again);
  }
  m.architecture = &a;
  return m;
}

// Where a network whose last parameters are missing can be cut: its last map that needs none of them. Not given when
// the file has no beginning either.
Value last_known(const Match& m) {
  const Graph& graph = m.model.graph;
  std::vector<bool> unknown(static_cast<size_t>(graph.size()), false), pictured(unknown);
  const std::set<std::string, std::less<>> missing(m.missing.begin(), m.missing.end());
  Value last;
  for (int i = 0; i < graph.size(); ++i) {
    const Node& node = graph.node(i);
    unknown[static_cast<size_t>(i)] = missing.contains(node.name);
    pictured[static_cast<size_t>(i)] = node.op->name == "input";
    for (const Value v : node.inputs) {
      if (!v) continue;
      if (unknown[static_cast<size_t>(v.node)]) unknown[static_cast<size_t>(i)] = true;
      if (pictured[static_cast<size_t>(v.node)]) pictured[static_cast<size_t>(i)] = true;
    }
    const bool map = node.outputs[0].shape.rank() == 4 && node.op->name != "dropout" &&
                     node.op->name != "adaptive_average_pool" && node.op->name != "input";
    if (map && pictured[static_cast<size_t>(i)] && !unknown[static_cast<size_t>(i)]) last = {i, 0};
  }
  return last;
}

// A file that holds the beginning of a network: nothing left over, and everything it has is needed up to the cut.
bool is_beginning(const Match& m, Value cut) {
  if (!cut || !m.surplus.empty() || !m.misfits.empty() || m.tensor_of.size() < 2) return false;
  const Value wants[] = {cut};
  const std::vector<bool> needed = reachable(m.model.graph, wants);
  size_t parameters = 0;
  for (const Value p : m.model.graph.parameters()) parameters += needed[static_cast<size_t>(p.node)] ? 1 : 0;
  return parameters == m.tensor_of.size();
}

void cut_off(Match& m, Value cut) {
  const std::string name = m.model.graph.node(cut).name;
  const Value wants[] = {cut};
  Rewritten rest = eliminate_dead_code(m.model.graph, wants);
  rest.graph.outputs = {{name, rest.map(cut)}};
  m.model.graph = std::move(rest.graph);
  m.model.meaning.scores.clear();
  m.missing.clear();
  auto& aliases = m.model.meaning.aliases;
  std::erase_if(aliases, [&](const auto& a) { return m.model.graph.find(a.second) < 0; });
  m.model.meaning.notes.push_back(
      fmt::format("the file ends before the classifier: the network is cut after \"{}\"", name));
}

std::string listed(const std::vector<std::string>& names) {
  constexpr size_t kMost = 6;
  std::string text;
  for (size_t i = 0; i < std::min(names.size(), kMost); ++i) text += (i ? ", " : "") + names[i];
  if (names.size() > kMost) text += fmt::format(" and {} more", names.size() - kMost);
  return text;
}

std::string differences(const Match& m) {
  std::string text;
  if (!m.missing.empty()) text += fmt::format("; missing {}: {}", m.missing.size(), listed(m.missing));
  if (!m.surplus.empty()) text += fmt::format("; surplus {}: {}", m.surplus.size(), listed(m.surplus));
  std::vector<std::string> shapes;
  for (const Misfit& misfit : m.misfits)
    shapes.push_back(
        fmt::format("{} is {}, expected {}", misfit.name, to_string(misfit.found), to_string(misfit.wanted)));
  if (!shapes.empty()) text += fmt::format("; of another shape {}: {}", shapes.size(), listed(shapes));
  return text;
}

void take_weights(Match& m, const Weights& weights) {
  for (const Value p : m.model.graph.parameters()) {
    const Node& node = m.model.graph.node(p);
    const auto found = m.tensor_of.find(node.name);
    if (found == m.tensor_of.end()) continue;
    const Tensor& tensor = weights.find(found->second)->second;
    const Tensor shaped = tensor.shape() == node.outputs[0].shape ? tensor : tensor.reshaped(node.outputs[0].shape);
    m.model.weights[node.name] = shaped.dtype() == node.outputs[0].dtype ? shaped : shaped.cast(node.outputs[0].dtype);
  }
}

// The convention of colours goes with who trained the weights, not with the architecture: layers named as in Caffe's
// files and the VGG weights that were converted from there are BGR 0..255.
void set_convention(Match& m, const RecogniseOptions& options) {
  Meaning& meaning = m.model.meaning;
  if (!meaning.preprocess || m.architecture->preprocess != "torchvision") return;
  const bool caffe_names = std::any_of(m.tensor_of.begin(), m.tensor_of.end(), [](const auto& t) {
    return plain_spelling(t.first) != plain_spelling(t.second);
  });
  const bool vgg = m.architecture->family == "VGG";
  const bool caffe_file =
      vgg && (options.hint.find("d01eb7cb") != std::string::npos ||
              options.hint.find("00b39a1b") != std::string::npos || options.hint.find("caffe") != std::string::npos);
  if (!caffe_names && !caffe_file) return;
  meaning.preprocess = preset(vgg ? "vgg" : "caffe", meaning.preprocess->crop_height, meaning.preprocess->crop_width);
  meaning.notes.push_back("weights from Caffe: pictures are " + describe(*meaning.preprocess));
}

std::vector<const Architecture*> candidates(const RecogniseOptions& options) {
  if (!options.architecture.empty()) {
    const Architecture* named = find_architecture(options.architecture);
    std::vector<std::string> names;
    for (const Architecture& a : architectures()) names.push_back(a.name);
    require(named, ErrorKind::usage, "the zoo has no \"{}\"{} (`fovea zoo` lists it)", options.architecture,
            did_you_mean(options.architecture, names));
    return {named};
  }
  std::vector<const Architecture*> all;
  for (const Architecture& a : architectures()) all.push_back(&a);
  return all;
}

Model finished(Match m, const Weights& weights, const RecogniseOptions& options) {
  if (!m.missing.empty()) cut_off(m, last_known(m));
  take_weights(m, weights);
  set_convention(m, options);
  Meaning& meaning = m.model.meaning;
  meaning.trained = true;
  std::string text = fmt::format("recognised {}", m.architecture->name);
  if (const int scores = m.model.graph.find("input"); scores >= 0) {
    const Shape& input = m.model.graph.node(scores).outputs[0].shape;
    if (input[1] != m.architecture->input[0]) text += fmt::format(", {} input channels", input[1]);
  }
  if (!meaning.scores.empty()) {
    const Shape& s = m.model.graph.shape(m.model.graph.outputs[0].value);
    if (s.rank() == 2 && s[1] != m.architecture->classes) text += fmt::format(", {} classes", s[1]);
  }
  meaning.notes.insert(meaning.notes.begin(), text);
  return std::move(m.model);
}

}  // namespace

Model recognise(const Weights& weights, const RecogniseOptions& options) {
  require(!weights.empty(), ErrorKind::format, "the file holds no tensors");
  Match best;
  bool beginning = false;
  for (const Architecture* a : candidates(options)) {
    Match m = fit(*a, weights);
    if (m.fits()) return finished(std::move(m), weights, options);
    const bool starts = is_beginning(m, last_known(m));
    if (!best.architecture || (starts && !beginning) || (starts == beginning && m.score() > best.score())) {
      best = std::move(m);
      beginning = starts;
    }
  }
  if (beginning) return finished(std::move(best), weights, options);
  if (!options.architecture.empty() && best.missing.empty() && best.misfits.empty()) {
    best.model.meaning.notes.push_back(
        fmt::format("left out, the network has no place for them: {}", listed(best.surplus)));
    best.surplus.clear();
    return finished(std::move(best), weights, options);
  }
  require(options.architecture.empty(), ErrorKind::format, "these weights do not fit {}{}", best.architecture->name,
          differences(best));
  fail(ErrorKind::format,
       "these weights belong to no architecture that fovea knows, nearest is {}{} (--arch NAME names another)",
       best.architecture->name, differences(best));
}

Model join(Model model, const Weights& weights, const std::string& source) {
  Match m = match(std::move(model), weights);
  require(m.missing.empty() && m.misfits.empty(), ErrorKind::format, "{} does not fit the network{}", source,
          differences(m));
  m.model.weights.clear();
  take_weights(m, weights);
  m.model.meaning.trained = true;
  if (!m.surplus.empty())
    m.model.meaning.notes.push_back(fmt::format("left out, the network has no place for them: {}", listed(m.surplus)));
  return std::move(m.model);
}

}  // namespace fovea
