#include "fovea/commands/model_options.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <fstream>
#include <nlohmann/json.hpp>

#include "fovea/backend/cpu/cpu.h"
#include "fovea/base/rng.h"
#include "fovea/data/fetched.h"
#include "fovea/data/image_folder.h"
#include "fovea/formats/builtin.h"
#include "fovea/formats/caffe_read.h"
#include "fovea/formats/open.h"
#include "fovea/model/conventions.h"
#include "fovea/model/preprocess.h"
#include "fovea/model/zoo/zoo.h"
#include "fovea/ops/input.h"
#include "fovea/report/table.h"
#include "fovea/train/run_model.h"
#include "fovea/train/training_step.h"

namespace fs = std::filesystem;

namespace fovea {

OptionList describe(ModelOptions& o) {
  return {
      {"MODEL", "",
       "the network: an .onnx, .pth, .safetensors, .npz, .caffemodel or .prototxt file, a trained one that fovea "
       "carries (builtin:cifar10, builtin:digits), a name of the zoo (zoo:resnet50), or the folder of a training run",
       &o.model, true},
      {"--weights", "FILE", "take the weights from this file", &o.weights},
      {"--arch", "NAME", "the zoo's name of the network that the weights belong to, instead of recognising it",
       &o.architecture},
      {"--prototxt", "FILE", "Caffe's description of the network that the weights belong to", &o.prototxt},
      {"--preprocess", "NAME", "how pictures are prepared, instead of what the file says", &o.preprocess, false,
       preset_names()},
      {"--size",
       "N",
       "side of the network's input; with --crop, the picture's short side before the crop",
       &o.size,
       false,
       {},
       0,
       16384},
      {"--crop",
       "N",
       "side of the middle that is cut out, in pixels, or up to 1 its share of the short side",
       &o.crop,
       false,
       {},
       0,
       16384},
      {"--mean", "FILE", "Caffe's mean image (.binaryproto): its mean colour is subtracted", &o.mean},
      {"--labels", "FILE", "names of the classes, one a line; \"imagenet\" and \"cifar10\" are built in", &o.labels},
  };
}

OptionList describe(EngineOptions& o) {
  return {
      {"--exact", "", "forbid algorithms that round differently (Winograd)", &o.exact},
      {"--bf16", "", "allow convolutions and matrix products to round their operands to bf16", &o.bf16},
      {"--tune",
       "on|off",
       "off: take the first choice of each layer instead of measuring once and remembering",
       &o.tune,
       false,
       {"on", "off"}},
      {"--level", "N", "0: no optimisation, 1: simplify, 2: and fuse, 3: and share memory", &o.level, false, {}, 0, 3},
      {"--backend", "NAME", "what computes", &o.backend, false, {"cpu", "reference"}},
  };
}

namespace {

std::vector<std::string> neighbours_of(const fs::path& path) {
  std::vector<std::string> names;
  std::error_code error;
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  for (fs::directory_iterator it(folder, error), end; !error && it != end && names.size() < 5000; it.increment(error))
    names.push_back(it->path().filename().string());
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

void require_file(const fs::path& path, std::string_view what) {
  require(!path.empty(), ErrorKind::usage, "an empty name was given, expected {}", what);
  std::error_code error;
  const auto status = fs::status(path, error);
  if (fs::exists(status)) {
    require(!fs::is_directory(status), ErrorKind::io, "{}: is a folder, expected {}", path.string(), what);
    return;
  }
  const fs::path folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  require(fs::exists(folder, error), ErrorKind::io, "{}: no such file (there is no folder {})", path.string(),
          folder.string());
  fail(ErrorKind::io, "{}: no such file{}", path.string(), did_you_mean(path.filename().string(), neighbours_of(path)));
}

void require_writable_folder(const fs::path& path) {
  require(!path.empty(), ErrorKind::usage, "an empty name was given, expected a folder for the results");
  std::error_code error;
  fs::path there = fs::absolute(path, error);
  while (there.has_relative_path() && fs::status(there, error).type() == fs::file_type::not_found)
    there = there.parent_path();
  writing([&] {
    require(fs::is_directory(there, error), ErrorKind::io, "{}: cannot make this folder: {} is no folder",
            path.string(), there.string());
    const bool writable = ::access(there.c_str(), W_OK) == 0;
    const int why = errno;
    require(writable, ErrorKind::io, "{}: cannot be written: {}", path.string(), std::strerror(why));
  });
}

void make_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  writing([&] {
    require(!error && fs::is_directory(path), ErrorKind::io, "{}: cannot make this folder: {}", path.string(),
            error ? error.message() : "a file of that name exists");
  });
}

namespace {

// What a name without a file means: trained weights that `fovea fetch` or PyTorch has downloaded, else the zoo's
// network with random weights. A file's own name otherwise.
std::string meant(const Context& context, const ModelOptions& options) {
  const std::string& name = options.model;
  std::error_code error;
  if (name.starts_with("zoo:") || is_builtin(name) || fs::exists(name, error)) return name;
  if (!find_architecture(name)) {
    std::vector<std::string> names;
    for (const Architecture& a : architectures()) names.push_back(a.name);
    const bool bare = name.find_first_of("./") == std::string::npos;
    const std::string builtin = bare ? perhaps_builtin(name) : "";
    require(builtin.empty(), ErrorKind::usage, "{}: no such file, nor such a network in the zoo{}", name, builtin);
    require(!bare || nearest(name, names).empty(), ErrorKind::usage,
            "{}: no such file, nor such a network in the zoo{}", name, did_you_mean(name, names));
    return name;
  }
  if (const auto fetched = options.weights.empty() ? find_fetched(name) : std::nullopt) {
    context.note(fmt::format("{}: the weights in {}", name, fetched->string()));
    return fetched->string();
  }
  return "zoo:" + name;
}

// The folder of a training run stands for the network that it has made so far.
Model opened_run(const Context& context, const ModelOptions& options) {
  require(options.weights.empty() && options.architecture.empty() && options.prototxt.empty(), ErrorKind::usage,
          "{}: the folder of a run has a network with its weights; --weights, --arch and --prototxt do not apply",
          options.model);
  RunModel run = model_of_run(options.model);
  if (!run.state.empty()) context.note(fmt::format("{}: {}", options.model, run.state));
  return std::move(run.model);
}

Model opened_file(const Context& context, const ModelOptions& options) {
  const std::string name = meant(context, options);
  const bool zoo = name.starts_with("zoo:");
  if (!zoo && !is_builtin(name)) require_file(name, "a model file, or the folder of a training run");
  if (!options.weights.empty()) require_file(options.weights, "a file of weights");
  if (!options.prototxt.empty()) require_file(options.prototxt, "a .prototxt file");
  OpenOptions how;
  how.weights = options.weights;
  how.architecture = options.architecture;
  how.prototxt = options.prototxt;
  how.seed = context.seed;
  how.keep_half = options.keep_half;
  // A crop in pixels is the network's input; the size is then that of the picture before.
  if (zoo && (options.size > 0 || options.crop > 1))
    how.zoo.height = how.zoo.width = options.crop > 1 ? std::llround(options.crop) : options.size;
  return open_model(name, how);
}

}  // namespace

void take_mean(const Context& context, Model& model, const ModelOptions& options) {
  if (options.mean.empty()) return;
  require_file(options.mean, "a mean image");
  require(model.meaning.preprocess.has_value(), ErrorKind::usage,
          "the network takes no picture, so --mean does not apply");
  context.note(fmt::format("{}: {}", options.mean,
                           use_mean_image(*model.meaning.preprocess, read_binaryproto(Bytes::map(options.mean)))));
}

Model open(const Context& context, const ModelOptions& options) {
  const bool is_run = is_run_folder(options.model);
  Model model = is_run ? opened_run(context, options) : opened_file(context, options);
  if (model.meaning.name.empty()) model.meaning.name = fs::path(options.model).stem().string();
  const std::string file = (fs::path(options.model) / "").parent_path().filename().string();  // "run" of "run/" too
  for (const std::string& note : model.meaning.notes) context.note(fmt::format("{}: {}", file, note));
  for (const std::string& note :
       complete_meaning(model, {options.preprocess, options.labels, options.size, options.crop}))
    context.note(fmt::format("{}: {}", file, note));
  take_mean(context, model, options);
  if (!model.meaning.trained) context.note(fmt::format("{}: untrained, its weights are random", file));
  return model;
}

Engine::Engine(const EngineOptions& options) {
  if (options.backend == "reference") {
    backend = &reference_backend();
  } else {
    own = cpu_backend({options.exact, options.bf16});
    backend = own.get();
  }
  compile_options.exact = options.exact;
  compile_options.bf16 = options.bf16;
  compile_options.tune = options.tune == "on";
  compile_options.level = static_cast<int>(options.level);
}

Program Engine::compile(const Model& model, std::span<const Value> wants) const {
  return fovea::compile(model.graph, wants, model.weights, *backend, compile_options);
}

Program Engine::compile_only(Model& model, std::span<const Value> wants) const {
  return fovea::compile(model.graph, wants, std::move(model.weights), *backend, compile_options);
}

TimedProgram timed_program(const Engine& engine, Model& model, bool train, uint64_t seed) {
  Graph graph = std::move(model.graph);
  CompileOptions options = engine.compile_options;
  std::vector<Value> wants;
  std::map<std::string, Tensor> feeds;
  if (train) {
    Recipe recipe;
    recipe.batch = graph.type({graph.find(model.meaning.input), 0}).shape[0];
    model.graph = std::move(graph);
    TrainingStep step = training_step(model, recipe);
    graph = std::move(step.graph);
    options.carry = step.carry;
    wants = {step.loss, step.errors};
    feeds = step.feeds(0, 1e-4);
    feeds[step.labels] = Tensor(DType::i64, {recipe.batch});
    for (int64_t i = 0; i < recipe.batch; ++i)
      feeds[step.labels].data<int64_t>()[static_cast<size_t>(i)] = i % graph.shape(step.logits)[1];
  } else {
    for (const auto& output : graph.outputs) wants.push_back(output.value);
  }
  for (const auto& [name, value] : random_feeds(graph, seed)) feeds.emplace(name, value);
  TimedProgram timed{compile(graph, wants, std::move(model.weights), *engine.backend, options)};
  for (const auto& [name, value] : feeds) {
    const std::vector<std::string> states = timed.program.state_names();
    if (std::find(states.begin(), states.end(), name) != states.end()) continue;
    Tensor place = timed.program.input(name);
    std::memcpy(place.raw(), value.raw(), value.bytes());
  }
  for (const StepInfo& info : timed.program.steps()) timed.flops += info.flops;
  model = {};
  return timed;
}

std::map<std::string, Tensor> random_feeds(const Graph& graph, uint64_t seed) {
  std::map<std::string, Tensor> feeds;
  for (const Value v : graph.inputs()) {
    const Node& node = graph.node(v);
    if (node.attributes.as<InputAttributes>().bound) continue;
    const Rng rng = Rng(seed).fork(node.name);
    Tensor tensor(DType::f32, node.outputs[0].shape);
    auto data = tensor.data<float>();
    for (size_t i = 0; i < data.size(); ++i) data[i] = rng.uniform(i) * 2 - 1;
    feeds[node.name] = node.outputs[0].dtype == DType::f32 ? tensor : tensor.cast(node.outputs[0].dtype);
  }
  return feeds;
}

std::vector<fs::path> picture_paths(const std::vector<std::string>& arguments) {
  std::vector<fs::path> result;
  for (const std::string& argument : arguments) {
    std::error_code error;
    if (!fs::is_directory(argument, error)) {
      require_file(argument, "a picture");
      result.emplace_back(argument);
      continue;
    }
    std::vector<fs::path> found;
    for (fs::directory_iterator it(argument, error), end; !error && it != end; it.increment(error))
      if (is_picture_name(it->path()) && !it->is_directory(error)) found.push_back(it->path());
    require(!error, ErrorKind::io, "{}: cannot read this folder: {}", argument, error.message());
    require(!found.empty(), ErrorKind::usage, "{}: holds no pictures (.jpg, .png, .webp, .tif, .ppm, .pgm)", argument);
    std::sort(found.begin(), found.end());
    result.insert(result.end(), found.begin(), found.end());
  }
  return result;
}

size_t peak_memory() {
  std::ifstream status("/proc/self/status");
  std::string line;
  while (std::getline(status, line))
    if (line.starts_with("VmHWM:")) return static_cast<size_t>(std::stoull(line.substr(6))) * 1024;
  return 0;
}

std::string json_text(const nlohmann::ordered_json& value) {
  return value.dump(1, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n";
}

}  // namespace fovea
