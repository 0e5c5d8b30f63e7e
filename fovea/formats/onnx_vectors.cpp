#include "fovea/formats/onnx_vectors.h"

#include <algorithm>
#include <cmath>

#include "fovea/backend/reference/evaluate.h"
#include "fovea/formats/onnx_read.h"
#include "fovea/formats/onnx_tensor.h"

namespace fovea {

namespace fs = std::filesystem;

namespace {

// input_0.pb, input_1.pb, … of one data set.
std::vector<Tensor> read_all(const fs::path& folder, std::string_view prefix) {
  std::vector<Tensor> tensors;
  for (int i = 0;; ++i) {
    const fs::path path = folder / fmt::format("{}_{}.pb", prefix, i);
    if (!fs::exists(path)) return tensors;
    const Bytes file = Bytes::map(path);
    try {
      tensors.push_back(tensor_from_onnx(parse_onnx_tensor(file), {file, {}}));
    } catch (const Error& error) { throw error.within(path.filename().string()); }
  }
}

// Which graph input each tensor is for, by position; inputs with initializers count only where there are tensors for
// them. (The names inside the tensors cannot be trusted: those of light_squeezenet name another input.)
std::vector<std::string> input_names(const onnx::GraphProto& graph, size_t given) {
  std::vector<std::string> all, free;
  for (const auto& input : graph.input()) {
    all.push_back(input.name());
    const bool weight = std::any_of(graph.initializer().begin(), graph.initializer().end(),
                                    [&](const auto& t) { return t.name() == input.name(); });
    if (!weight) free.push_back(input.name());
  }
  std::vector<std::string> names = given > free.size() ? all : free;
  require(given <= names.size(), ErrorKind::format, "{} input files for {} inputs", given, names.size());
  names.resize(given);
  return names;
}

// Sequences and optional values are stored as other messages than tensors.
void refuse_other_types(const onnx::GraphProto& graph) {
  for (const auto* list : {&graph.input(), &graph.output()})
    for (const auto& value : *list) {
      require(value.type().has_tensor_type(), ErrorKind::unsupported, "\"{}\" is not a tensor, unsupported",
              value.name());
      dtype_from_onnx(value.type().tensor_type().elem_type());
    }
}

std::string run_set(const fs::path& model_path, const fs::path& set, const VectorRunner& run) {
  const Bytes file = Bytes::map(model_path);
  const onnx::ModelProto proto = parse_onnx_model(file);
  refuse_other_types(proto.graph());
  const std::vector<Tensor> inputs = read_all(set, "input"), wanted = read_all(set, "output");
  require(!wanted.empty(), ErrorKind::format, "no output files");
  const std::vector<std::string> names = input_names(proto.graph(), inputs.size());
  OnnxOptions options;
  std::map<std::string, Tensor> feeds;
  for (size_t i = 0; i < inputs.size(); ++i) {
    feeds[names[i]] = inputs[i];
    const bool weight = std::any_of(proto.graph().initializer().begin(), proto.graph().initializer().end(),
                                    [&](const auto& t) { return t.name() == names[i]; });
    if (weight) continue;
    const bool determines = inputs[i].rank() <= 1 && inputs[i].count() <= 1024;
    if (determines) options.bound[names[i]] = inputs[i];
    else options.input_types[names[i]] = {inputs[i].dtype(), inputs[i].shape()};
  }
  Model model = read_onnx(file, options);
  for (const auto& [name, value] : feeds)
    if (const auto weight = model.weights.find(name); weight != model.weights.end()) weight->second = value;
  const std::vector<Tensor> got = run(model, feeds);
  require(got.size() >= wanted.size(), ErrorKind::format, "{} outputs, expected {}", got.size(), wanted.size());
  for (size_t i = 0; i < wanted.size(); ++i) {
    const std::string difference = compare_tensors(got[i], wanted[i]);
    if (!difference.empty()) return fmt::format("output {} ({}): {}", i, model.graph.outputs[i].name, difference);
  }
  return {};
}

std::vector<fs::path> data_sets(const fs::path& folder) {
  std::vector<fs::path> sets;
  std::error_code ignored;
  for (const auto& entry : fs::directory_iterator(folder, ignored))
    if (entry.is_directory() && entry.path().filename().string().starts_with("test_data_set_"))
      sets.push_back(entry.path());
  std::sort(sets.begin(), sets.end());
  return sets;
}

}  // namespace

std::vector<Tensor> run_reference(const Model& model, const std::map<std::string, Tensor>& inputs) {
  std::map<std::string, Tensor> feeds(model.weights.begin(), model.weights.end());
  feeds.insert(inputs.begin(), inputs.end());
  std::vector<Value> wants;
  for (const NamedValue& output : model.graph.outputs) wants.push_back(output.value);
  return evaluate(model.graph, feeds, wants);
}

std::vector<fs::path> find_vectors(const fs::path& root) {
  require(fs::exists(root), ErrorKind::io, "{}: no such file or folder", root.string());
  std::vector<fs::path> result;
  const fs::path top = fs::is_regular_file(root) ? root.parent_path() : root;
  const auto consider = [&](const fs::path& folder) {
    if (fs::is_regular_file(folder / "model.onnx") && !data_sets(folder).empty()) result.push_back(folder);
  };
  consider(top);
  std::error_code failed;
  for (fs::recursive_directory_iterator it(top, fs::directory_options::skip_permission_denied, failed), end; it != end;
       it.increment(failed)) {
    require(!failed, ErrorKind::io, "{}: {}", top.string(), failed.message());
    if (it->is_directory()) consider(it->path());
  }
  std::sort(result.begin(), result.end());
  return result;
}

VectorResult run_vector(const fs::path& folder, const VectorRunner& run) {
  VectorResult result{folder, "passed", {}};
  try {
    for (const fs::path& set : data_sets(folder)) {
      const std::string difference = run_set(folder / "model.onnx", set, run);
      if (!difference.empty()) return {folder, "failed", fmt::format("{}: {}", set.filename().string(), difference)};
    }
  } catch (const Error& error) {
    result.status = error.kind() == ErrorKind::unsupported ? "unsupported" : "failed";
    result.detail = error.message();
  } catch (const std::exception& error) {
    result.status = "failed";
    result.detail = error.what();
  }
  return result;
}

std::string compare_tensors(const Tensor& got, const Tensor& want) {
  if (got.dtype() != want.dtype() || got.shape() != want.shape())
    return fmt::format("is {}[{}], expected {}[{}]", to_string(got.dtype()), to_string(got.shape()),
                       to_string(want.dtype()), to_string(want.shape()));
  if (!is_float(want.dtype())) {
    if (got.same_bits(want)) return {};
    for (int64_t i = 0; i < want.count(); ++i)
      if (got.at(i) != want.at(i)) return fmt::format("element {} is {}, expected {}", i, got.at(i), want.at(i));
    return "differs in the last digits";
  }
  double most = 0;
  for (int64_t i = 0; i < want.count(); ++i)
    if (std::isfinite(want.at(i))) most = std::max(most, std::abs(want.at(i)));
  for (int64_t i = 0; i < want.count(); ++i) {
    const double g = got.at(i), w = want.at(i);
    const bool same = std::isnan(w)   ? std::isnan(g)
                      : std::isinf(w) ? g == w
                                      : std::abs(g - w) <= 1e-3 * std::abs(w) + 1e-6 * most;
    if (!same) return fmt::format("element {} is {}, expected {}", i, g, w);
  }
  return {};
}

}  // namespace fovea
