#include "fovea/formats/open.h"

#include "fovea/base/error.h"
#include "fovea/formats/archive.h"
#include "fovea/formats/builtin.h"
#include "fovea/formats/caffe_read.h"
#include "fovea/formats/network_description.h"
#include "fovea/formats/weights_file.h"
#include "fovea/model/widened.h"
#include "fovea/model/zoo/recognise.h"
#include "fovea/model/zoo/zoo.h"

namespace fs = std::filesystem;

namespace fovea {

namespace {

// The kinds of model files that are known by sight and not read; null for others.
const char* other_kind(const Bytes& file) {
  const std::string_view text = file.view();
  if (text.starts_with("\x89HDF")) return "an HDF5 file, as Keras models are; save it as ONNX";
  if (text.size() > 8 && text.substr(4, 4) == "TFL3") return "a TensorFlow Lite model; save it as ONNX";
  return nullptr;
}

Model recognised(const WeightsFile& file, const fs::path& path, const OpenOptions& options) {
  Model model;
  try {
    model = recognise(file.weights, {options.architecture, path.filename().string()});
  } catch (const Error& e) { throw e.within(path.string()); }
  Meaning& meaning = model.meaning;
  meaning.notes.insert(meaning.notes.end(), file.notes.begin(), file.notes.end());
  meaning.metadata.assign(file.metadata.begin(), file.metadata.end());
  return model;
}

// The one .prototxt in the folder of a file; empty when there is none, or which one is meant cannot be told.
fs::path prototxt_beside(const fs::path& path) {
  std::vector<fs::path> found;
  std::error_code error;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error))
    if (it->path().extension() == ".prototxt") found.push_back(it->path());
  return found.size() == 1 ? found[0] : fs::path();
}

Model opened_caffe(const Bytes& file, const fs::path& path, const OpenOptions& options) {
  const fs::path prototxt = !options.prototxt.empty()      ? fs::path(options.prototxt)
                            : options.architecture.empty() ? prototxt_beside(path)
                                                           : fs::path();
  if (!prototxt.empty()) {
    Model model = read_caffe(Bytes::map(prototxt), file, {});
    if (options.prototxt.empty())
      model.meaning.notes.push_back(fmt::format("the network is that of {}", prototxt.string()));
    return model;
  }
  WeightsFile weights;
  weights.kind = "Caffe model";
  weights.weights = read_caffemodel(file);
  return recognised(weights, path, options);
}

Model described(const Bytes& file, const OpenOptions& options) {
  NetworkDescription network = read_network_description(file, options.zoo);
  network.model.weights = initial_weights(network.model.graph, options.seed, network.initialisation);
  return std::move(network.model);
}

Model opened(const fs::path& path, const OpenOptions& options) {
  const Bytes file = Bytes::map(path);
  require(!file.empty(), ErrorKind::format, "{}: the file is empty", path.string());
  if (const char* kind = other_kind(file)) fail(ErrorKind::unsupported, "{} is {}", path.string(), kind);
  if (is_network_description(file)) return described(file, options);
  if (is_prototxt(file)) return read_caffe(file, std::nullopt, {});
  if (is_weights_file(file) || is_compressed(file)) {
    const WeightsFile weights = read_weights(file);
    if (options.prototxt.empty()) return recognised(weights, path, options);
    return join(read_caffe(Bytes::map(options.prototxt), std::nullopt, {}), weights.weights, path.string());
  }
  if (is_caffemodel(file)) return opened_caffe(file, path, options);
  Model model = read_onnx(file, options.onnx);
  return options.keep_half ? model : widened(std::move(model));
}

Model opened_builtin(const std::string& name, const OpenOptions& options) {
  Model model = builtin_model(name);
  return options.keep_half ? model : widened(std::move(model));
}

// The weights of any file that fovea reads.
Weights weights_of(const fs::path& path, const OpenOptions& options) {
  const Bytes file = Bytes::map(path);
  if (is_weights_file(file) || is_compressed(file)) return read_weights(file).weights;
  if (is_caffemodel(file)) return read_caffemodel(file);
  return read_onnx(file, options.onnx).weights;
}

}  // namespace

Model open_model(const std::string& name, const OpenOptions& options) {
  Model model = name.starts_with("zoo:") ? zoo_model(name, options.zoo, options.seed)
                : is_builtin(name)       ? opened_builtin(name, options)
                                         : opened(name, options);
  if (options.weights.empty()) return model;
  return join(std::move(model), weights_of(options.weights, options), options.weights);
}

}  // namespace fovea
